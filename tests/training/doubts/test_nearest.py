"""The nearest others against sorting everything, whatever the blocks, and in flat memory."""

import tracemalloc

import numpy as np
import pytest

from regraft.core.errors import DataError
from regraft.training.doubts import nearest as search
from regraft.training.doubts.nearest import centre_of, directions, nearest, nearest_among


def by_sorting(activations: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    rows = directions(activations, centre_of(activations)).astype(np.float64)
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -2)
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
    return order, np.take_along_axis(cosines, order, axis=1)


# Up to 2 x 20 strides of 32 the whole row is partitioned, beyond that the best strides; 1,301 leaves a stride short.
@pytest.mark.parametrize("examples", [41, 900, 1301, 2000])
def test_the_nearest_are_those_of_sorting_everything(examples: int) -> None:
    activations = np.random.default_rng(0).standard_normal((examples, 24)).astype(np.float32) + 3
    found = nearest(activations, 20)
    order, cosines = by_sorting(activations, 20)
    np.testing.assert_array_equal(found.indices, order)
    # Cosines are of float32: some units in its last place.
    np.testing.assert_allclose(found.similarities, cosines, atol=1e-6)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    activations = np.random.default_rng(1).standard_normal((500, 9)).astype(np.float32)
    whole = nearest(activations, 5)
    monkeypatch.setattr(search, "SIMILARITIES", 500 * 7)
    parts = nearest(activations, 5)
    np.testing.assert_array_equal(whole.indices, parts.indices)
    np.testing.assert_allclose(whole.distances, parts.distances, atol=1e-6)


def test_very_many_are_looked_through_block_by_block() -> None:
    draw = np.random.default_rng(5)
    known, queries = (
        draw.standard_normal((700, 12)).astype(np.float32),
        draw.standard_normal((40, 12)).astype(np.float32),
    )
    centre = centre_of(known)
    found = nearest_among(queries, (known[start : start + 150] for start in range(0, 700, 150)), centre, 20)
    cosines = directions(queries, centre).astype(np.float64) @ directions(known, centre).astype(np.float64).T
    np.testing.assert_array_equal(found.indices, np.argsort(-cosines, axis=1)[:, :20])
    np.testing.assert_allclose(found.similarities, -np.sort(-cosines, axis=1)[:, :20], atol=1e-6)


def test_small_distances_are_no_rounding() -> None:
    activations = np.random.default_rng(2).standard_normal((100, 64)).astype(np.float32)
    activations[7] = activations[3] + 1e-4 * activations[50]
    found = nearest(activations, 4)
    assert found.indices[7, 0] == 3
    rows = directions(activations, centre_of(activations)).astype(np.float64)
    # One minus a float32 cosine near 1 is a multiple of 6e-8, whose root is 2e-4: more than the distance itself.
    assert found.distances[7, 0] == pytest.approx(np.linalg.norm(rows[7] - rows[3]), rel=1e-2)
    assert found.distances[7, 0] < 2e-4


def test_what_points_nowhere_is_near_nothing() -> None:
    activations = np.random.default_rng(3).standard_normal((60, 8)).astype(np.float32)
    activations[:2] = activations[2:].mean(axis=0)
    found = nearest(activations, 3)
    assert (found.distances[:2] > 1).all()


def test_memory_is_that_of_the_activations_and_one_block() -> None:
    activations = np.random.default_rng(4).standard_normal((6000, 16)).astype(np.float32)
    tracemalloc.start()
    nearest(activations, 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # All similarities would be 144 MB. A block is 16, what is taken from it (maxima, strides, candidates) some more.
    assert peak < 80e6


@pytest.mark.parametrize(
    ("activations", "message"),
    [
        (np.ones((5, 3), np.float32), r"of more than 5 examples, found \(5, 3\)"),
        (np.full((9, 2), np.nan, np.float32), "NaN or infinity in 2 of 2 features"),
    ],
)
def test_what_has_no_neighbours_is_refused(activations: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        nearest(activations, 5)
