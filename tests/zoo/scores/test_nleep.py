"""NLEEP against scikit-learn's components and mixture, begun at the same clusters."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from regraft.zoo.scores import nleep
from tests.zoo.scores.examples import examples


def _mixture(points: np.ndarray, count: int, groups: np.ndarray) -> GaussianMixture:
    weights, means, variances = nleep.fitted(points, np.eye(count)[groups])
    return GaussianMixture(
        count,
        covariance_type="diag",
        reg_covar=nleep.FLOOR,
        tol=nleep.CLOSE,
        max_iter=nleep.STEPS,
        weights_init=weights,
        means_init=means,
        precisions_init=1 / variances,
    )


@pytest.mark.parametrize(("n", "d", "k"), [(300, 12, 3), (200, 40, 4), (60, 150, 3)])
def test_the_score_is_that_of_scikit_learns_pieces(n: int, d: int, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Both to the end of the way: scikit-learn takes one step more than ours once the likelihood hardly grows.
    monkeypatch.setattr(nleep, "CLOSE", 1e-12)
    monkeypatch.setattr(nleep, "STEPS", 2000)
    activations, labels = examples(n, d, k, noise=2.0)
    rows = activations.astype(np.float64)
    points = PCA(n_components=nleep.ENERGY, svd_solver="full").fit_transform(rows)
    points /= np.sqrt(np.square(rows - rows.mean(axis=0)).sum() / n)
    # Components have no sign; neither has the score, but where clusters begin must be asked of the same points.
    own = nleep.components(rows.copy())
    assert own.shape == points.shape
    np.testing.assert_allclose(np.abs(own), np.abs(points), atol=1e-7)
    count = nleep.sizes(n, k)
    mixture = _mixture(own, count, nleep.grouped(own, count, seed=0)).fit(own)
    parts = mixture.predict_proba(own)
    joint = np.stack([parts[labels == label].sum(axis=0) for label in range(k)])
    told = joint / joint.sum(axis=0)
    expected = np.mean([np.log((told[label] * part).sum()) for label, part in zip(labels, parts, strict=True)])
    assert nleep.score(activations, labels, k) == pytest.approx(expected, abs=1e-6)


def test_clusters_are_those_that_are_there() -> None:
    activations, labels = examples(200, 5, 4, noise=0.01)
    groups = nleep.grouped(activations.astype(np.float64), 4, seed=1)
    pairs = {(int(group), int(label)) for group, label in zip(groups, labels, strict=True)}
    assert len(pairs) == 4


def test_there_is_a_component_for_five_examples_at_most_and_one_for_each_class() -> None:
    assert nleep.sizes(1000, 10) == 50
    assert nleep.sizes(100, 10) == 20
    assert nleep.sizes(100, 50) == 50
    assert nleep.sizes(20, 30) == 20


def test_clusters_that_are_pure_score_nothing_less_than_zero() -> None:
    labels = np.arange(200) % 4
    activations = np.eye(4)[labels] + 0.01 * np.random.default_rng(0).standard_normal((200, 4))
    assert nleep.score(activations, labels, 4) == pytest.approx(0, abs=1e-9)
    mixed = np.random.default_rng(0).permutation(labels)
    # What is known of a class that has a quarter of every cluster; 20 clusters with 3 free shares each learn the rest
    # by heart.
    assert nleep.score(activations, mixed, 4) == pytest.approx(-np.log(4) + 20 * 3 / (2 * 200), abs=0.05)
