"""Thaws: how a rise is counted and judged, what the ways are, and a small version of the digits."""

import math
from typing import Any

import keras
import numpy as np
import pytest

from benchmarks import digits, thaw
from benchmarks.frame import Settings
from benchmarks.thaw import Outcome
from regraft.core.phase import Phase, Rate
from regraft.graph import names

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the benchmark runs on TensorFlow")


def _outcome(way: str, seed: int, before: tuple[float, ...], after: tuple[float, ...]) -> Outcome:
    return Outcome("digits", way, seed, before, after, 0.9, math.nan, 1.0)


def test_the_worst_thaw_is_judged_by_the_median_of_its_seeds() -> None:
    measured = [
        _outcome("default", 0, (1.0, 0.5), (0.9, 0.5095)),
        _outcome("default", 1, (1.0, 0.5), (1.5, 0.505)),
        _outcome("default", 2, (1.0, 0.5), (0.8, 0.6)),
        _outcome("gradual", 0, (1.0,), (1.03,)),
        _outcome("new Adam", 0, (1.0,), (2.0,)),
    ]
    result = thaw.compare(measured, Settings())
    # First thaw: -10, +50, -20 %; second: +1.9, +1, +20 %. A new Adam has no bar.
    assert result.tables[0].rows[0] == (
        "digits",
        "default",
        "-10.0 (-20.0 to +50.0)",
        "+1.9 (+1.0 to +20.0)",
        "",
        "",
    )
    assert [(bar.found, bar.holds) for bar in result.bars] == [("+1.9 %", True), ("+3.0 %", False)]


def test_thawing_adds_layers_from_the_top() -> None:
    layers = [keras.layers.Dense(3, name=f"hidden{number}") for number in (1, 2)]
    branch = keras.Sequential([keras.Input((2,)), *layers, keras.layers.Dense(2, name="head")])
    one, two = digits.thawing(branch, Phase(), (1, 2))
    assert (one.name, two.name) == ("thaw 1", "thaw 2")
    assert [rule.pattern for rule in one.rates] == ["head/[^/]*", "hidden2/[^/]*", ".*"]
    # Nothing is left that a rule for the rest could be about.
    assert [rule.pattern for rule in two.rates] == ["head/[^/]*", "hidden2/[^/]*", "hidden1/[^/]*"]
    assert [rule.rate for rule in two.rates] == pytest.approx([3e-4, 3e-4 * 0.85, 3e-4 * 0.85**2])


def test_a_new_adam_has_one_rate_and_nothing_of_before() -> None:
    plain = thaw.new_adam(Phase(), (Rate("head/.*", 3e-4), Rate("b/.*", 1e-4), Rate(".*", 0.0)))
    assert [rule.rate for rule in plain.rates] == [0.01, 0.01, 0.0]
    assert (plain.warmup, plain.schedule, plain.state) == (0.0, "constant", "reset")


def test_a_task_has_every_picture_once(shared_folder: object) -> None:
    given = digits.task(3)
    assert np.bincount(given.y).tolist() == [100] * 5
    assert np.bincount(given.validation_y).tolist() == [30] * 5
    assert len(given.y) + len(given.validation_y) + len(given.test_y) == 4861
    other = digits.task(4)
    assert not np.array_equal(given.x, other.x)


def test_moved_pictures_are_the_same_a_little_elsewhere(shared_folder: object) -> None:
    x = digits.pool()[0][:50]
    still = _Drawn(0.0, 0.0, 0.0)
    assert digits.moved(x, still) == pytest.approx(x, abs=1e-6)
    # A pixel to the left and up; what comes in is black.
    shifted = digits.moved(x, _Drawn(0.0, 0.0, 1.0)).reshape(-1, 28, 28)
    assert shifted[:, :-1, :-1] == pytest.approx(x.reshape(-1, 28, 28)[:, 1:, 1:], abs=1e-4)
    assert not shifted[:, -1].any()
    # Turned or scaled, the middle of the picture stays where it is.
    for drawn in (_Drawn(10.0, 0.0, 0.0), _Drawn(0.0, 0.1, 0.0)):
        found = digits.moved(x, drawn)
        assert 0.02 < np.abs(found - x).mean() < 0.1
        middle = slice(13, 15)
        assert found.reshape(-1, 28, 28)[:, middle, middle].mean() == pytest.approx(
            x.reshape(-1, 28, 28)[:, middle, middle].mean(), abs=0.02
        )


class _Drawn(np.random.Generator):
    """What chance would draw: the angle in degrees, the scale, and the shift in pixels."""

    def __init__(self, *values: float) -> None:
        super().__init__(np.random.PCG64(0))
        self._values = iter(values)

    def uniform(self, low: float = 0.0, high: float = 1.0, size: Any = None) -> Any:
        return np.full(size, next(self._values))


def test_a_small_version_of_the_digits(shared_folder: object) -> None:
    found = {item.way: item for item in thaw.on_digits(0, ("new Adam", "default"), 2, 2)}
    assert [len(item.rises) for item in found.values()] == [2, 2]
    assert found["default"].before[0] == found["new Adam"].before[0]
    assert found["default"].rises[0] < 0 < found["new Adam"].rises[0]
    assert all(item.accuracy > 0.5 for item in found.values())


def test_the_textbooks_way_leaves_the_network_and_ends_with_the_best(shared_folder: object) -> None:
    given, source = digits.task(0), digits.network(0)
    before = {name: np.array(variable.numpy()) for name, variable in names.variables(source).items()}
    losses, accuracy = digits.textbook(source, given, 0, 1)
    assert all(np.array_equal(before[name], variable.numpy()) for name, variable in names.variables(source).items())
    assert len(losses) == 2
    assert losses[1][0] <= min(losses[0])
    assert 0.1 < accuracy < 1
