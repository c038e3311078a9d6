"""What a ranking comes to, in words: no more than intervals allow."""

from dataclasses import replace

import pytest

from regraft.core.input_spec import InputSpec
from regraft.core.metric import Metric
from regraft.core.ranking import Known, Ranked
from regraft.recipes.ranking import telling


def ranked(name, score=0.9, **more):
    made = Ranked(name, score, (0.8, 0.95), {"probe": score}, "conv", 400, InputSpec((8, 8, 3)), 8, 4, 4, None, 1.0)
    return replace(made, **more)


def gain(value, low, high):
    return Metric(value, (low, high))


GOOD = {"majority": gain(0.6, 0.5, 0.7), "raw_inputs": gain(0.2, 0.1, 0.3), "random_trunk": gain(0.3, 0.2, 0.4)}


def test_the_first_is_better_than_any_other_only_where_all_are_told_apart():
    said = telling.verdict([ranked("a"), ranked("b", 0.7, told_apart=True)], [], GOOD)
    assert (
        said
        == "Reuse 'a', cut at 'conv': its best quick probe is right about 90.0% of 400 examples, more than any other."
    )


def test_those_that_cannot_be_told_apart_are_named_and_those_left_behind_are_not():
    others = [ranked(name, 0.85) for name in "bcde"] + [ranked("z", 0.5, dropped_at=200)]
    said = telling.verdict([ranked("a"), *others], [], GOOD)
    assert said.endswith("It cannot be told apart from 'b', 'c', 'd' and 1 more.")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "majority",
            gain(0.01, -0.03, 0.05),
            "All sources are poor: the best is no better than the most frequent class.",
        ),
        (
            "raw_inputs",
            gain(-0.1, -0.15, -0.05),
            "All sources are poor: the best is worse than logistic regression on the raw inputs, -10.0 points (95 % "
            "interval -15.0 to -5.0).",
        ),
        (
            "random_trunk",
            gain(0.02, -0.02, 0.06),
            "Nothing shows that reuse helps: the best is no better than the same network with random weights in place "
            "of the source's, +2.0 points (95 % interval -2.0 to +6.0).",
        ),
    ],
)
def test_what_the_best_is_not_better_than_is_said(name, value, said):
    assert telling.verdict([ranked("a")], [], GOOD | {name: value}).endswith(said)


def test_a_model_for_these_classes_is_named_first():
    known = Known("mine", 5, gain(0.8, 0.7, 0.9), "test", gain(0.6, 0.5, 0.7))
    said = telling.verdict([ranked("a")], [known], GOOD)
    assert said.startswith(
        "There is a model for classes of these names already: 'mine', right about 80.0% of its own test examples, and "
        "about 60.0% of these as it is. Reuse 'a'"
    )
    same = telling.verdict([ranked("a")], [replace(known, same_data=True)], GOOD)
    assert "of its own test examples. It was made from these very examples." in same


def test_where_all_remember_these_examples_nothing_is_said_of_others():
    said = telling.verdict([ranked("a", trained_on_these=True)], [], GOOD)
    assert said == "All sources that can be used have learnt from these very examples: nothing can be said of others."


def test_what_fitting_says_takes_the_place_of_what_scores_say():
    said = telling.fitted([ranked("b"), ranked("a")], [], ["Fitted, 'b' has 93.0% right.", "Reuse helped."])
    assert said == "Reuse 'b'. Fitted, 'b' has 93.0% right. Reuse helped."


def test_sources_that_there_was_no_time_for_are_counted():
    assert "There was no time to look at 7 more." in telling.verdict([ranked("a")], [], GOOD, 7)
