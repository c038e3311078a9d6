"""Maps are principal components or t-SNE of them, the same every time, and keep what they promise to keep."""

import numpy as np
import pytest

from regraft.core.evidence import GRID
from regraft.training import embedding
from regraft.training.embedding import alike, placed, principal, view


def clouds(count: int, width: int, classes: int, apart: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centres = apart * random.normal(size=(classes, width))
    return (centres[labels] + random.normal(size=(count, width))).astype(np.float32), labels


@pytest.mark.parametrize(("count", "width"), [(80, 30), (30, 80), (40, 200)])
def test_components_are_those_of_a_singular_value_decomposition(count: int, width: int) -> None:
    rows, _ = clouds(count, width, 4, 1.0)
    found, explained = principal(rows, 0)
    centred = rows.astype(np.float64) - rows.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    kept = min(50, len(values) - (count <= width))
    wanted = left[:, :kept] * values[:kept]
    assert found.shape == (count, kept)
    # Signs are ours to choose; products of rows have none. Float32 arithmetic.
    scale = np.sqrt(np.mean(np.square(wanted)))
    assert found @ found.T == pytest.approx(wanted @ wanted.T / scale**2, abs=1e-3 * kept)
    assert np.mean(np.square(found)) == pytest.approx(1.0, rel=1e-5)
    assert explained == pytest.approx(np.sum(values[:kept] ** 2) / np.sum(values**2), rel=1e-4)


def test_many_examples_are_put_on_the_axes_of_some() -> None:
    rows, labels = clouds(2500, 12, 3, 4.0)
    found, _ = principal(rows, 1)
    whole, _ = np.linalg.qr(rows - rows.mean(axis=0))
    assert found.shape == (2500, 12)
    # All twelve axes are kept, so that only a rotation lies between.
    assert np.linalg.norm(whole @ (whole.T @ found) - found) < 0.05 * np.linalg.norm(found)
    assert np.array_equal(found, principal(rows, 1)[0])
    assert alike(found, labels).mean() > 0.95


@pytest.mark.parametrize("method", ["PCA", "t-SNE"])
def test_places_are_whole_numbers_on_the_grid_and_the_same_every_time(method: str) -> None:
    rows, labels = clouds(60, 20, 3, 3.0)
    one, other = (view(rows, labels, method, 3) for _ in range(2))
    assert one.places.dtype == np.uint16
    assert np.array_equal(one.places, other.places)
    # The longer side fills the grid, the other lies in the middle.
    low, high = one.places.min(axis=0), one.places.max(axis=0)
    assert (high - low).max() == GRID
    assert low + high == pytest.approx([GRID, GRID], abs=1)


def test_pca_keeps_the_shape_of_the_plane() -> None:
    random = np.random.default_rng(0)
    flat = random.normal(size=(50, 2)) * (6, 2)
    turned, _ = np.linalg.qr(random.normal(size=(9, 9)))
    rows = (np.pad(flat, ((0, 0), (0, 7))) @ turned).astype(np.float32)
    places = placed(principal(rows, 0)[0], "PCA", 0).astype(float)

    def distances(points: np.ndarray) -> np.ndarray:
        return np.linalg.norm(points[:, None] - points[None], axis=-1)

    wanted = distances(flat)
    # Rounded to the grid: one in a thousand.
    assert distances(places) / distances(places).max() == pytest.approx(wanted / wanted.max(), abs=3e-3)


def test_t_sne_keeps_neighbours_together_where_two_axes_cannot() -> None:
    rows, labels = clouds(200, 40, 12, 1.2)
    components, _ = principal(rows, 0)
    kept = {
        method: alike(placed(components, method, 0).astype(np.float32), labels).mean() for method in ("PCA", "t-SNE")
    }
    assert kept["t-SNE"] > kept["PCA"] + 0.2


def test_a_second_map_is_turned_like_the_first() -> None:
    rows, labels = clouds(90, 15, 3, 4.0)
    first = view(rows, labels, "PCA", 0)
    mirrored = rows[:, ::-1] * np.array([-1] * 15, np.float32)
    random = np.random.default_rng(5)
    again = view(mirrored + random.normal(0, 0.01, rows.shape).astype(np.float32), labels, "PCA", 0, first)
    assert np.abs(again.places.astype(int) - first.places.astype(int)).max() < 0.02 * GRID


def test_neighbours_are_counted_as_by_hand() -> None:
    random = np.random.default_rng(2)
    points, labels = random.normal(size=(70, 3)).astype(np.float32), random.integers(0, 3, 70)
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1)[:, :10]
    assert alike(points, labels) == pytest.approx((labels[nearest] == labels[:, None]).mean(axis=1))


def test_neighbours_are_the_same_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    points, labels = clouds(101, 5, 4, 1.0)
    whole = alike(points, labels)
    monkeypatch.setattr(embedding, "_DISTANCES", 7 * 101)
    assert np.array_equal(alike(points, labels), whole)


def test_examples_that_are_all_alike_lie_in_one_place() -> None:
    rows = np.full((8, 6), 2.5, np.float32)
    for method in ("PCA", "t-SNE"):
        found = view(rows, np.zeros(8, int), method, 0)
        assert len(np.unique(found.places, axis=0)) == 1 or method == "t-SNE"
        assert np.isfinite(found.components).all()
