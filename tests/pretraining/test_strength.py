"""Strengths between their ends."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regraft.core.errors import RequestError
from regraft.pretraining.strength import Strength

SHARES = st.floats(0.01, 1)


@given(SHARES, SHARES, st.sampled_from(["linear", "cosine"]))
def test_a_course_goes_from_one_end_to_the_other_and_never_turns(start: float, end: float, course: str):
    strength = Strength(start, end, course)  # type: ignore[arg-type]
    values = [strength.at(step / 20) for step in range(21)]
    assert math.isclose(values[0], start)
    assert math.isclose(values[-1], end)
    assert values == sorted(values, reverse=end < start)
    assert math.isclose(strength.at(0.5), (start + end) / 2)
    assert strength.at(-1) == values[0]
    assert strength.at(7) == values[-1]


def test_a_constant_stays():
    assert {Strength(0.3, 0.1, "constant").at(step / 5) for step in range(6)} == {0.3}


def test_a_cosine_begins_slowly():
    assert Strength(0.0001, 1, "cosine").at(0.1) == pytest.approx(0.0245, abs=1e-3)


@pytest.mark.parametrize(("start", "end", "name"), [(0, 1, "strength"), (1.5, 1, "strength"), (1, -1, "last_strength")])
def test_a_strength_out_of_range_is_named(start: float, end: float, name: str):
    with pytest.raises(RequestError, match=f"'{name}': expected a share above 0 and up to 1, found"):
        Strength(start, end)
