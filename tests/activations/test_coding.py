"""Rounded activations: how far off, and what is refused."""

import numpy as np
import pytest

from regraft.activations.coding import decode, encode, error
from regraft.core.errors import WorkError

_ROWS = np.random.default_rng(0).normal(size=(50, 4, 8)).astype("float32") * np.arange(1, 9, dtype="float32")


def test_float32_is_exact_and_the_others_are_as_near_as_their_steps() -> None:
    # Half a unit of the last place; relative to the root mean square, where the largest of a channel is 3.5 of it.
    for dtype, step, expected in (("float32", 0.0, 0.0), ("float16", 2.0**-11, 3e-4), ("int8", 0.5 / 127, 0.01)):
        coded = encode(_ROWS, dtype)
        largest = np.abs(_ROWS).max(axis=(0, 1))
        assert (np.abs(decode(coded.rows, coded.scale) - _ROWS) <= 1.0001 * step * largest).all(), dtype
        assert expected / 3 <= error(_ROWS, dtype) <= expected


def test_a_channel_that_is_silent_stays_silent() -> None:
    rows = np.zeros((3, 2), "float32")
    rows[:, 1] = 1
    coded = encode(rows, "int8")
    assert np.array_equal(decode(coded.rows, coded.scale), rows)


def test_an_unknown_coding_is_named() -> None:
    with pytest.raises(WorkError, match="expected activations in float32, float16, int8, found 'int4'; nearest"):
        encode(_ROWS, "int4")
