"""What learns says where the trunk ends, and rules about the whole network fit the branch."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import pytest

from regraft.core.errors import SelectorError, SourceError
from regraft.core.phase import Phase, Rate
from regraft.core.plan import FineTuneSpec
from regraft.graph import names
from regraft.recipes.phasing import highest_below, narrowed, phased, shared, waits
from regraft.surgery.cut import between
from regraft.surgery.graft import graft
from tests.recipes.shapes import convolutional


def _rates(*rules: tuple[str, float]) -> tuple[Rate, ...]:
    return tuple(Rate(*rule) for rule in rules)


def _branch(lower: str | None) -> keras.Model:
    return graft(between(convolutional(), lower, "conv3"), 3)


@pytest.mark.parametrize(
    ("learns", "expected"),
    [
        (["conv3/kernel"], "drop"),
        (["conv3/bias", "conv2/kernel"], "relu1"),
        (["bn1/gamma"], "conv1"),
        (["conv1/kernel"], None),
        ([], "conv3"),
    ],
)
def test_the_trunk_ends_below_all_that_learns(learns: list[str], expected: str | None) -> None:
    assert highest_below(convolutional(), learns, "conv3") == expected


def test_a_layer_that_is_used_twice_counts_where_it_is_used_first() -> None:
    shared_layer = keras.layers.Dense(4, name="shared")
    inputs = keras.Input((4,))
    x = keras.layers.ReLU(name="low")(shared_layer(keras.layers.Dense(4, name="first")(inputs)))
    model = keras.Model(inputs, keras.layers.ReLU(name="high")(shared_layer(x)))
    assert highest_below(model, ["shared/kernel"], "high") == "first"


@pytest.mark.parametrize(
    ("strategy", "said", "expected"),
    [
        ("last-1", {}, "drop"),
        ("last-3", {}, "relu1"),
        ("last-5", {}, "relu1"),
        ("last-5", {"batch_norm": "affine"}, "conv1"),
        ("hybrid", {}, "relu1"),
        ("surgical-last", {}, "drop"),
        ("surgical-middle", {}, "relu1"),
        ("surgical-first", {}, "input"),
        ("gradual-unfreezing", {}, "input"),
        ("discriminative", {}, "input"),
        ("whole-network", {}, "input"),
    ],
)
def test_where_the_trunk_ends_for_a_strategy(strategy: str, said: dict[str, Any], expected: str) -> None:
    spec = FineTuneSpec(strategy=strategy, **said)
    assert waits(spec)
    made = phased(convolutional(), spec, "conv3")
    assert (made.enabled, made.from_cut) == ("auto", expected)
    assert made.phases
    # Written out, it is what it is.
    assert phased(convolutional(), made, "conv3") == made
    assert not waits(made)


@pytest.mark.parametrize("strategy", ["auto", "head-then-fine-tune"])
def test_without_named_layers_the_cost_decides(strategy: str) -> None:
    spec = FineTuneSpec(strategy=strategy)
    assert not waits(spec)
    assert phased(convolutional(), spec, "conv3").from_cut == "auto"


def test_feature_extraction_is_no_fine_tuning() -> None:
    made = phased(convolutional(), FineTuneSpec(strategy="feature-extraction"), "conv3")
    assert (made.enabled, made.from_cut, made.phases) == ("no", "conv3", ())


def test_phases_by_hand_decide_by_all_that_any_of_them_lets_learn() -> None:
    upper = Phase(name="upper", rates=_rates(("head/.*", 0.1), ("conv3/.*", 0.01), (".*", 0.0)))
    lower = Phase(name="lower", rates=_rates(("head/.*", 0.1), ("conv[23]/.*", 0.01), (".*", 0.0)))
    spec = FineTuneSpec(phases=(upper, lower))
    assert phased(convolutional(), spec, "conv3").from_cut == "relu1"
    # What is above the head is not there.
    assert phased(convolutional(), spec, "conv2").from_cut == "relu1"
    head = Phase(name="head alone", rates=_rates(("head/.*", 0.1), (".*", 0.0)))
    assert phased(convolutional(), FineTuneSpec(phases=(head,)), "conv3").enabled == "no"
    asked = dataclasses.replace(spec, from_cut="conv1")
    assert phased(convolutional(), asked, "conv3") == asked


def test_a_rule_that_matches_nothing_is_refused_with_its_phase_before_anything_is_computed() -> None:
    phase = Phase(name="upper", rates=_rates(("head/.*", 0.1), ("conv4/.*", 0.01), (".*", 0.0)))
    with pytest.raises(SelectorError) as caught:
        phased(convolutional(), FineTuneSpec(phases=(phase,)), "conv3")
    assert str(caught.value).startswith(
        "phase 'upper': pattern 'conv4/.*' matches no name; nearest known names: conv3/bias"
    )


def _narrowed(branch: keras.Model, *rules: tuple[str, float]) -> Sequence[tuple[str, float]]:
    found = narrowed(Phase(name="upper", rates=_rates(*rules)), branch, convolutional(), "relu1")
    return [(rule.pattern, rule.rate) for rule in found.rates]


def test_rules_that_freeze_what_is_frozen_anyway_are_left_out() -> None:
    branch = _branch("relu1")
    kept = [("head/.*", 0.1), ("conv.*", 0.01)]
    # The dropout layer's seed is a variable too.
    assert _narrowed(branch, *kept, ("bn1/.*", 0.0), (".*", 0.0)) == [*kept, (".*", 0.0)]
    whole = [("head/.*", 0.1), ("conv.*", 0.01), ("drop/.*", 0.0)]
    assert _narrowed(branch, *whole, (".*", 0.0)) == whole


def test_rules_that_would_let_learn_what_is_not_in_the_branch_are_refused() -> None:
    with pytest.raises(SelectorError) as caught:
        _narrowed(_branch("relu1"), ("head/.*", 0.1), ("bn1/.*", 0.1), (".*", 0.0))
    assert str(caught.value) == (
        "phase 'upper': rule 'bn1/.*' lets only variables learn that are not between 'relu1' and the head; "
        "give a lower fine_tune.from_cut, or 'auto'"
    )
    with pytest.raises(SelectorError, match=r"phase 'upper': expected a rule for every variable, found none that"):
        _narrowed(_branch("relu1"), ("head/.*", 0.1))
    with pytest.raises(SelectorError, match=r"phase 'upper': rule 'conv3/\.\*' is never reached"):
        _narrowed(_branch("relu1"), ("head/.*", 0.1), ("conv.*", 0.1), ("conv3/.*", 0.2), (".*", 0.0))


def test_a_cut_point_called_input_is_no_input() -> None:
    inputs = keras.Input((4,), name="x")
    first = keras.layers.Dense(4, activation="relu", name="input")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(4, activation="relu", name="second")(first))
    with pytest.raises(SourceError, match="are to learn, which a plan says by from_cut = 'input', and that is a cut"):
        phased(model, FineTuneSpec(strategy="whole-network"), "second")
    assert phased(model, FineTuneSpec(strategy="surgical-last"), "second").from_cut == "input"
    assert names.variables(model)


def test_epochs_that_nobody_said_are_shared_among_phases() -> None:
    assert [shared(10, count) for count in (1, 3, 10, 40)] == [10, 4, 1, 1]
