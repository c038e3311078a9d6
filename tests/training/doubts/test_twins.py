"""Near duplicates are found in data of few and of many dimensions, and chance makes none."""

import numpy as np
import pytest

from regraft.training.doubts.nearest import nearest
from regraft.training.doubts.twins import connected, dimension, pairs


def cloud(seed: int, examples: int, dimensions: int, width: int = 64) -> np.ndarray:
    """Points of so many dimensions in a wider space, with noise far below their distances."""
    draw = np.random.default_rng(seed)
    axes = np.linalg.qr(draw.standard_normal((width, dimensions)))[0]
    return (draw.standard_normal((examples, dimensions)) @ axes.T).astype(np.float32)


def found_in(activations: np.ndarray) -> set[tuple[int, int]]:
    near = pairs(nearest(activations, 20))
    return set(zip(near.first.tolist(), near.second.tolist(), strict=True))


# In few dimensions some of 600 are close by chance, so that only what is closer still can be told from it.
@pytest.mark.parametrize(("dimensions", "change"), [(4, 0.002), (10, 0.02), (30, 0.1)])
def test_planted_twins_are_found_and_nothing_else(dimensions: int, change: float) -> None:
    activations = cloud(0, 600, dimensions)
    draw = np.random.default_rng(1)
    size = np.linalg.norm(activations, axis=1).mean()
    for index in range(12):
        way = draw.standard_normal(64)
        activations[index + 300] = activations[index] + change * size * way / np.linalg.norm(way)
    assert found_in(activations) == {(index, index + 300) for index in range(12)}


@pytest.mark.parametrize("dimensions", [2, 5, 12, 40])
def test_chance_makes_twins_as_seldom_as_is_said(dimensions: int) -> None:
    alarms = sum(len(found_in(cloud(seed, 300, dimensions))) for seed in range(40))
    # 0.05 of such pairs are expected of each set, two of all 40; six or more come in one of 60 such tests.
    assert alarms < 6


def test_half_of_the_examples_may_have_a_twin() -> None:
    clean = cloud(3, 300, 8)
    size = np.linalg.norm(clean, axis=1).mean()
    doubled = np.concatenate([clean, clean + 0.002 * size * cloud(4, 300, 8)])
    assert len(found_in(doubled.astype(np.float32))) >= 295


def test_close_is_measured_by_what_is_usual() -> None:
    # The same picture lies at a thousandth of this distance; that all are similar makes none a twin.
    tight = cloud(5, 400, 10) * 0.02
    tight[:200, 0] += 1
    tight[200:, 1] += 1
    assert nearest(tight, 20).similarities[:, 0].min() > 0.98
    assert found_in(tight) == set()


@pytest.mark.parametrize("dimensions", [3, 8, 20])
def test_dimensions_are_counted(dimensions: int) -> None:
    counted = dimension(nearest(cloud(6, 2000, dimensions), 20))
    # Directions have one dimension less than points; in many dimensions 2,000 points are thin, which counts for fewer.
    assert 0.6 * (dimensions - 1) < counted < 1.1 * dimensions


def test_pairs_connect_groups() -> None:
    number = connected(6, np.array([0, 4, 2]), np.array([4, 2, 0]))
    assert number.tolist() == [0, 1, 0, 2, 0, 3]


def test_the_same_again_gives_the_same() -> None:
    activations = cloud(7, 200, 6)
    assert found_in(activations) == found_in(activations)
