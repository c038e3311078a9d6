"""Whether reuse helped is claimed as far as paired intervals allow, and no further."""

import math
from types import SimpleNamespace
from typing import Any

import pytest

from regraft.core import verdict
from regraft.core.records import Baseline, Metric

_OWN = Metric(0.9, (0.88, 0.92))
_WORSE = Metric(0.1, (0.06, 0.14))
_EQUAL = Metric(0.01, (-0.02, 0.04))
_BETTER = Metric(-0.05, (-0.08, -0.02))
_NOTHING = Metric(math.nan, (math.nan, math.nan))


@pytest.mark.parametrize(
    ("gains", "expected", "decisive"),
    [
        ({"scratch": _WORSE}, "helped", "scratch"),
        ({"scratch": _WORSE, "random_trunk": _WORSE, "raw_inputs": _WORSE}, "helped", "scratch"),
        ({"scratch": _EQUAL, "random_trunk": _WORSE}, "unclear", "scratch"),
        # Better than from scratch, and yet the source's weights are not shown to be why.
        ({"scratch": _WORSE, "random_trunk": _EQUAL, "raw_inputs": _WORSE}, "unclear", "random_trunk"),
        ({"scratch": _WORSE, "raw_inputs": _EQUAL}, "unclear", "raw_inputs"),
        ({"scratch": _BETTER, "random_trunk": _WORSE}, "hurt", "scratch"),
        ({"scratch": _WORSE, "random_trunk": _BETTER}, "hurt", "random_trunk"),
        ({"scratch": _EQUAL, "raw_inputs": _BETTER}, "hurt", "raw_inputs"),
        ({"raw_inputs": _BETTER}, "hurt", "raw_inputs"),
        ({"random_trunk": _EQUAL}, "unclear", "random_trunk"),
        # Nothing is known of the one comparison that says whether reuse helped.
        ({"raw_inputs": _WORSE, "random_trunk": _WORSE}, "unmeasured", "random_trunk"),
        ({"scratch": _NOTHING, "raw_inputs": _WORSE}, "unmeasured", "raw_inputs"),
        ({}, "unmeasured", None),
    ],
)
def test_the_outcome_and_the_comparison_that_it_is_due_to(gains: Any, expected: str, decisive: str | None) -> None:
    assert verdict.outcome(_OWN, gains, {}) == expected
    assert verdict.decisive(_OWN, gains, {}) == decisive
    said = verdict.sentence(_OWN, "test examples", gains, {})
    assert said.startswith("Reuse helped") == (expected == "helped")
    assert said.startswith("Reuse did harm") == (expected == "hurt")
    assert said.startswith("Reuse did not help measurably") == (expected == "unclear")
    assert ("was not measured" in said) == (expected == "unmeasured")
    assert (verdict.WITHOUT[decisive] in said) if decisive else ("against" not in said)
    assert "nan" not in said


def test_an_interval_that_ends_at_zero_shows_nothing() -> None:
    assert verdict.outcome(_OWN, {"scratch": Metric(0.1, (0.0, 0.2))}, {}) == "unclear"
    assert verdict.outcome(_OWN, {"scratch": Metric(-0.1, (-0.2, 0.0))}, {}) == "unclear"


def test_the_sentence_has_the_figures_of_the_comparison() -> None:
    gains = {"scratch": _WORSE, "raw_inputs": Metric(0.25, (0.2, 0.3))}
    assert verdict.sentence(_OWN, "test examples", gains, {}) == (
        "Reuse helped: 90.0% of the test examples are right, "
        "against 80.0% for the same network from scratch, well tuned: "
        "+10.0 points (95 % interval +6.0 to +14.0). "
        "Also behind: 65.0% for logistic regression on the raw inputs."
    )
    assert verdict.sentence(_OWN, "left-out examples", gains | {"scratch": _BETTER}, {}) == (
        "Reuse did harm: 90.0% of the left-out examples are right, "
        "against 95.0% for the same network from scratch, well tuned: "
        "-5.0 points (95 % interval -8.0 to -2.0). "
        "Train from scratch, or choose another source."
    )


@pytest.mark.parametrize("gains", [{}, {"scratch": _WORSE}])
def test_no_more_than_the_most_frequent_class_is_no_help(gains: Any) -> None:
    baselines = {"majority": Baseline("majority class", _OWN)}
    assert verdict.outcome(_OWN, gains, baselines) == "unclear"
    said = verdict.sentence(_OWN, "test examples", gains, baselines)
    assert said.startswith("Reuse did not help:")
    assert said.endswith("no more than by always answering the most frequent class.")
    harm = verdict.sentence(_OWN, "test examples", {"scratch": _BETTER}, baselines)
    assert harm.startswith("Reuse did harm")


@pytest.mark.parametrize(
    ("scratch", "words"),
    [
        (0.1, "the same network from scratch, which learnt nothing in the steps that it was given: +80.0 points"),
        (0.2, "the same network from scratch, well tuned: +70.0 points"),
    ],
)
def test_a_network_that_learnt_nothing_is_not_called_well_tuned(scratch: float, words: str) -> None:
    chance = Baseline("majority class", Metric(0.1, (0.05, 0.19)))
    baselines = {"majority": chance, "scratch": Baseline("from scratch", Metric(scratch, (0.05, 0.3)))}
    gain = Metric(0.9 - scratch, (0.6, 0.85))
    assert words in verdict.sentence(_OWN, "test examples", {"scratch": gain}, baselines)


def test_a_record_of_before_has_the_gain_over_the_network_from_scratch() -> None:
    old: Any = SimpleNamespace(gains={}, transfer_gain=_WORSE)
    assert verdict.gains_of(old) == {"scratch": _WORSE}
    old.transfer_gain = None
    assert verdict.gains_of(old) == {}
    new: Any = SimpleNamespace(gains={"raw_inputs": _WORSE, "scratch": _NOTHING}, transfer_gain=None)
    assert verdict.gains_of(new) == {"raw_inputs": _WORSE}


def test_each_gain_has_words_for_every_outcome() -> None:
    assert set(verdict.WITHOUT) == set(verdict.HARM) == set(verdict.NO_DIFFERENCE)
