"""Activations are disturbed by what the seed and the epoch say, as much as the plan says."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from regraft.core.phase import Phase
from regraft.training.disturbance import Disturbance, deviations, disturbance

_RANDOM = np.random.default_rng(0)
# Channels far from 0 and of very different spread, one of which never changes.
_ROWS = (_RANDOM.normal(size=(90, 5, 7, 4)) * [1.0, 10.0, 0.01, 0.0] + [1000.0, 0.0, -5.0, 3.0]).astype("float32")


def _never() -> Iterator[Any]:
    raise AssertionError("the training examples were read, though nothing is to be measured on them")


def _batches() -> Iterator[Any]:
    yield from (_ROWS[:64], _ROWS[64:89], _ROWS[89:])


def test_deviations_are_those_of_all_examples_and_positions() -> None:
    expected = _ROWS.reshape(-1, 4).astype("float64").std(axis=0)
    # In float64 all the way, rounded to float32 at the end.
    np.testing.assert_allclose(deviations(_batches()), expected, rtol=1e-6, atol=0)
    np.testing.assert_allclose(deviations([_ROWS[:, 0, 0]]), _ROWS[:, 0, 0].astype("float64").std(axis=0), rtol=1e-6)


def test_nothing_is_read_drawn_or_changed_where_nothing_is_asked_for() -> None:
    change = disturbance(Phase(), _never).in_epoch(0, 1)
    assert change(_ROWS, 0) is _ROWS


def test_brightness_is_one_factor_for_an_example() -> None:
    change = disturbance(Phase(feature_brightness=0.2), _never).in_epoch(0, 1)
    before = _ROWS.copy()
    made = change(_ROWS, 0)
    assert np.array_equal(_ROWS, before)
    assert (made.dtype, made.shape) == (_ROWS.dtype, _ROWS.shape)
    factors = made[:, 0, 0, 0] / _ROWS[:, 0, 0, 0]
    # float32's rounding of the product and of the quotient.
    np.testing.assert_allclose(made, _ROWS * factors[:, np.newaxis, np.newaxis, np.newaxis], rtol=3e-7)
    assert 0.8 <= factors.min() < 0.82
    assert 1.18 < factors.max() <= 1.2
    assert len(np.unique(factors)) == 90


def test_noise_is_a_part_of_each_channels_deviation() -> None:
    change = disturbance(Phase(feature_noise=0.5), _batches).in_epoch(0, 1)
    added = (change(_ROWS, 0) - _ROWS).astype("float64").reshape(-1, 4)
    # 3150 draws: the deviation is known to 1.3 %, the mean to 1.8 % of it; four times that is allowed.
    expected = 0.5 * deviations(_batches())
    np.testing.assert_allclose(added.std(axis=0), expected, rtol=0.05, atol=0)
    assert np.all(np.abs(added.mean(axis=0)) <= 0.08 * expected)
    assert not added[:, 3].any()
    assert abs(np.corrcoef(added[:, 1], added[:, 2])[0, 1]) < 0.08


def test_draws_are_those_of_the_seed_and_the_epoch_and_no_others() -> None:
    both = Disturbance(0.2, np.ones(4, "float32"))

    def epoch(seed: int, number: int) -> bytes:
        change = both.in_epoch(seed, number)
        return b"".join(change(batch, place).tobytes() for place, batch in enumerate(_batches()))

    assert epoch(0, 1) == epoch(0, 1)
    assert len({epoch(0, 1), epoch(0, 2), epoch(1, 1), epoch(1, 0)}) == 4


def test_batches_of_an_epoch_have_draws_of_their_own() -> None:
    change = Disturbance(0.2, np.ones(4, "float32")).in_epoch(0, 1)
    assert not np.array_equal(change(_ROWS, 0), change(_ROWS, 1))


@pytest.mark.parametrize("rows", [_ROWS[:1], _ROWS[:3, 0, 0]])
def test_vectors_and_single_examples_are_disturbed_too(rows: Any) -> None:
    made = Disturbance(0.2, np.ones(4, "float32")).in_epoch(0, 1)(rows, 0)
    assert (made.shape, made.dtype) == (rows.shape, rows.dtype)
    assert not np.any(made == rows)
