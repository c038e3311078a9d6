"""What is read off a range test, on curves whose readings are known."""

import numpy as np
import pytest

from regraft.core.errors import WorkError
from regraft.training.rate_curve import climb, read, rising, rounded, smooth, valley

RATES = rising(100, 1e-6, 10.0)


def _curve(least: float, width: float = 0.5) -> np.ndarray:
    """A loss of 2 that has its least of 1 at a rate, and rises behind it."""
    away = (np.log10(RATES) - np.log10(least)) / width
    return 2 - np.exp(-(away**2) / 2) + np.where(away > 0, away**2, 0)


@pytest.mark.parametrize("least", [1e-3, 1e-2, 0.3])
def test_the_readings_of_a_well(least: float) -> None:
    found = read("p", "sgd", RATES, np.full(100, 2.0), list(_curve(least)), True)
    assert found.steepest is not None
    assert found.tenth is not None
    assert found.valley is not None
    # A step is a factor of 1.18; smoothing over some steps moves the well's end, as it rises faster than it falls.
    assert found.tenth == pytest.approx(least / 10, rel=0.4)
    # A normal curve is steepest one width before its middle.
    assert found.steepest == pytest.approx(least * 10**-0.5, rel=0.4)
    # It begins where a twentieth of it is done: 2.45 widths before.
    assert found.valley == pytest.approx(least * 10 ** (-0.5 * 2.45 / 2), rel=0.4)
    readings = (found.steepest, found.tenth, found.valley)
    assert found.suggested == rounded(max(reading for reading in readings if reading <= 10 * found.tenth / 3))


def test_batches_that_differ_do_not_hide_the_curve() -> None:
    hard = np.random.default_rng(0).lognormal(0, 1, 100)
    flat = smooth(2 * hard, 2 * hard)
    # Weights that have not moved: the mean loss of all batches, whatever the batches.
    np.testing.assert_allclose(flat, 2 * hard.mean(), rtol=1e-12)
    # Half the loss everywhere: all but exactly, for what keeps easy batches from dividing by nothing.
    np.testing.assert_allclose(smooth(hard, 2 * hard), hard.mean(), rtol=0.2)
    plain = read("p", "sgd", RATES, np.full(100, 2.0), list(_curve(0.01)), True)
    noisy = read("p", "sgd", RATES, 2 * hard, list(_curve(0.01) * hard), True)
    assert noisy.suggested == pytest.approx(plain.suggested, rel=1.0)
    without = read("p", "sgd", RATES, np.full(100, float(2 * hard.mean())), list(_curve(0.01) * hard), True)
    # The same losses without what the batches cost at the start say something else altogether.
    assert without.suggested < noisy.suggested / 10 or without.suggested > noisy.suggested * 10


def test_a_loss_below_zero_is_compared_by_difference() -> None:
    before = np.linspace(-3, 1, 100)
    np.testing.assert_allclose(smooth(before - 0.5, before), -1.5, rtol=1e-12)


def test_where_nothing_falls_a_tenth_of_what_does_no_harm_is_suggested() -> None:
    losses = np.where(RATES < 0.01, 0.3, 0.3 + 10 * RATES)
    found = read("p", "sgd", RATES, np.full(100, 0.3), list(losses), True)
    assert found.suggested == pytest.approx(1e-3, rel=0.6)
    assert (found.steepest, found.tenth, found.valley) == (None, None, None)
    assert "falls at no rate" in found.why


def test_the_valley_is_the_longest_fall_not_the_first() -> None:
    assert valley(np.array([9.0, 8.0, 7.0, 9.5, 6.0, 5.0, 4.0, 3.0, 2.0, 8.0])) == 4
    assert valley(np.ones(5)) == 0


def test_climbing_ends_where_the_loss_explodes() -> None:
    losses = [*np.linspace(2, 1, 20), *(2.0 * 3**k for k in range(10))]
    taken, exploded = climb(RATES, np.full(100, 2.0), lambda index: losses[index])
    assert exploded
    assert 21 < len(taken) < 25
    taken, exploded = climb(RATES[:15], np.full(15, 2.0), lambda index: losses[index])
    assert (len(taken), exploded) == (15, False)
    taken, exploded = climb(RATES, np.full(100, 2.0), lambda index: 1.0 if index < 30 else float("nan"))
    assert (len(taken), exploded) == (30, True)


def test_a_loss_that_is_no_number_at_the_start_is_one_line() -> None:
    before = np.ones(100)
    before[3] = np.nan
    with pytest.raises(WorkError, match=r"the loss is nan before any step was taken \(batch 4\); look for NaN"):
        climb(RATES, before, lambda index: 1.0)


def test_a_loss_that_explodes_at_once_is_one_line() -> None:
    with pytest.raises(
        WorkError,
        match="the loss exploded in step 1 of a learning-rate range test, at rates from 1e-06 on; begin lower",
    ):
        climb(RATES, np.ones(100), lambda index: float("inf"))
