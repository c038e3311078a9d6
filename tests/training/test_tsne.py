"""t-SNE is what its authors say it is, and ends as well as scikit-learn's."""

import numpy as np
import pytest

from regraft.training.tsne import affinities, divergence, gradient, tsne


def clouds(count: int = 90, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.normal(size=(count, 12)) + 3 * random.normal(size=(6, 12))[np.arange(count) % 6]


def test_affinities_are_scikit_learn_s() -> None:
    module = pytest.importorskip("sklearn.manifold._t_sne")
    points = clouds()
    squares = np.square(points[:, None] - points[None]).sum(axis=-1).astype(np.float32)
    from scipy.spatial.distance import squareform

    wanted = squareform(module._joint_probabilities(squares, 15.0, 0))
    # It searches in float32, to 1e-5 in the entropy.
    assert affinities(points, 15.0) == pytest.approx(wanted, rel=1e-3, abs=1e-8)


def test_each_neighbourhood_has_the_perplexity() -> None:
    points = clouds() * 1e-3
    near = affinities(points, 10.0)
    assert near.sum() == pytest.approx(1.0)
    assert near == pytest.approx(near.T)
    assert not np.diag(near).any()


def test_the_gradient_is_that_of_the_divergence() -> None:
    wanted, places = affinities(clouds(20), 5.0), np.random.default_rng(1).normal(size=(20, 2))
    found = gradient(wanted, places)
    for row, column in ((0, 0), (7, 1), (19, 0)):
        moved = [places.copy(), places.copy()]
        for sign, each in zip((1e-6, -1e-6), moved, strict=True):
            each[row, column] += sign
        slope = (divergence(wanted, moved[0]) - divergence(wanted, moved[1])) / 2e-6
        assert found[row, column] == pytest.approx(slope, rel=1e-4, abs=1e-8)


def test_it_ends_as_well_as_scikit_learn_s() -> None:
    manifold = pytest.importorskip("sklearn.manifold")
    for count in (40, 120):
        points = clouds(count)
        start = points[:, :2] - points[:, :2].mean(axis=0)
        wanted = affinities(points, 12.0)
        other = manifold.TSNE(
            perplexity=12.0, init=(start * (1e-4 / start.std())).astype(np.float32), method="exact", random_state=0
        ).fit_transform(points.astype(np.float32))
        ours = tsne(points, start, 12.0)
        assert divergence(wanted, ours) < 1.1 * divergence(wanted, other.astype(np.float64)) + 0.02


def test_it_is_the_same_every_time_and_centred() -> None:
    points = clouds()
    one, other = (tsne(points, points[:, :2], 20.0, 150) for _ in range(2))
    assert np.array_equal(one, other)
    assert one.mean(axis=0) == pytest.approx([0, 0], abs=1e-9)


def test_points_that_are_all_alike_do_no_harm() -> None:
    assert np.isfinite(tsne(np.ones((9, 3)), np.zeros((9, 2)), 2.0)).all()
