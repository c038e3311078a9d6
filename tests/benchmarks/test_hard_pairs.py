"""Two classes that are hard to tell apart: how a fall of the error is counted, and a small version."""

from pathlib import Path

import keras
import numpy as np
import pytest

from benchmarks import digits, hard_pairs
from benchmarks.frame import Settings
from benchmarks.hard_pairs import BETTER_SCRATCH, HEAD, OUR_DEPTH, OUR_FIT, OUR_HEAD, REUSED, SCRATCH, Outcome
from regraft.graph import names

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the benchmark runs on TensorFlow")


def _seed(seed: int, accuracies: tuple[float, ...]) -> list[Outcome]:
    ways = (SCRATCH, HEAD, REUSED, BETTER_SCRATCH, OUR_HEAD, OUR_FIT, OUR_DEPTH)
    return [Outcome((4, 9), way, seed, found) for way, found in zip(ways, accuracies, strict=True)]


def test_the_error_from_scratch_falls_seed_by_seed() -> None:
    measured = [
        *_seed(0, (0.8, 0.5, 0.85, 0.9, 0.9, 0.95, 0.98)),
        *_seed(1, (0.9, 0.5, 0.925, 0.9, 0.9, 0.92, 0.98)),
        *_seed(2, (0.6, 0.5, 0.8, 0.9, 0.8, 0.9, 0.98)),
    ]
    assert hard_pairs.fallen(measured, (4, 9), REUSED) == pytest.approx([0.25, 0.25, 0.5])
    assert hard_pairs.fallen(measured, (4, 9), OUR_FIT) == pytest.approx([0.75, 0.2, 0.75])
    result = hard_pairs.compare(measured, Settings())
    assert result.tables[0].rows[0] == (SCRATCH, "80.0 (60.0 to 90.0)")
    for table in result.tables[1:]:
        assert [row[0] for row in table.rows] == [HEAD, REUSED, OUR_HEAD, OUR_FIT, OUR_DEPTH]
    assert result.tables[2].rows[-1] == (OUR_DEPTH, "80.0 (80.0 to 80.0)")
    fall, depth, head = result.bars
    assert (fall.found, fall.holds, fall.aim) == ("75 %, the recipe 25 %", True, "80 %, not reached")
    assert (depth.found, depth.holds, depth.aim) == ("90 %, the recipe 25 %", True, "80 %")
    assert (head.found, head.holds) == ("90.0 %", True)


def test_bars_do_not_hold_where_the_recipe_is_better_and_the_head_is_at_chance() -> None:
    result = hard_pairs.compare(_seed(0, (0.8, 0.5, 0.95, 0.9, 0.5, 0.9, 0.9)), Settings())
    assert [bar.holds for bar in result.bars] == [False, False, False]


def test_a_pair_has_every_picture_once(shared_folder: Path) -> None:
    x, y = digits.pool()
    given = hard_pairs.task((4, 9), 1)
    assert np.bincount(given.y).tolist() == [100, 100]
    assert len(given.y) + len(given.test_y) == np.isin(y, (4, 9)).sum()
    everything = np.concatenate([given.x, given.test_x])
    assert len(np.unique(everything, axis=0)) == len(np.unique(x[np.isin(y, (4, 9))], axis=0))


def test_a_small_version_of_the_recipe_leaves_the_network(shared_folder: Path) -> None:
    given, model = hard_pairs.task((3, 5), 0), hard_pairs.network(8, 0)
    before = {name: np.array(variable.numpy()) for name, variable in names.variables(model).items()}
    found = dict(hard_pairs.recipe(model, given, 0))
    assert list(found) == [SCRATCH, HEAD, REUSED]
    assert all(0.3 < accuracy < 1 for accuracy in found.values())
    assert all(np.array_equal(before[name], variable.numpy()) for name, variable in names.variables(model).items())


def test_ours_begins_with_a_head_that_is_above_chance(shared_folder: Path) -> None:
    given, model = hard_pairs.task((3, 5), 0), hard_pairs.source((3, 5), 0, epochs=2)
    way, accuracy = next(hard_pairs.ours(model, given, 0))
    assert way == OUR_HEAD
    assert accuracy > hard_pairs.CHANCE
