"""Ways that were judged on some folds are compared with the others on what both have answered."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from regraft.core import metrics
from regraft.core.comparing import Choice
from regraft.core.depth import Trial, Way
from regraft.core.metric import Metric
from regraft.recipes.depth import recommending
from regraft.recipes.depth.halving import Rung
from regraft.recipes.depth.recommending import Tried
from regraft.recipes.depth.tempering import tempered

LABELS = np.zeros(40, np.int64)
EASY = np.arange(40) < 20


def _tried(way, given):
    """A way by the probability that it gives to the right one of two classes; NaN: not asked."""
    answers = np.stack([given, 1 - given], axis=1).astype(np.float32)
    rows, losses = ~np.isnan(given), np.full(len(given), np.nan)
    found = tempered(answers[None, rows], LABELS[rows])
    answers[rows], losses[rows] = found.answers, found.losses
    measured = metrics.measure(answers[rows], LABELS[rows], 0)
    complete = bool(rows.all())
    trial = Trial(way, 256, 2e-3, 1.0, 1, int(rows.sum()), measured.accuracy, measured.log_loss, 1.0, complete)
    return Tried(trial, Rung(256, 2e-3), answers, losses, complete, False)


def _found():
    """One that was judged on all, a better one, and a worse one; the others on the easy half alone."""
    # Half of them right, and too sure of it.
    alternating = np.where(np.arange(40) % 2, 0.8, 0.2)
    return [
        _tried(Way("all", "input", (), 3, 3), np.where(EASY, _on_the_easy_half(0.9, 2), alternating)),
        _tried(Way("better", "input", (), 3, 3), _on_the_easy_half(0.95, 1)),
        _tried(Way("worse", "input", (), 3, 3), _on_the_easy_half(0.85, 3)),
    ]


def _on_the_easy_half(right, mistakes):
    """As sure as it should be, and wrong so many times."""
    return np.where(EASY, np.where(np.arange(40) < mistakes, 1 - right, right), np.nan)


def _expected_loss(right):
    """The log loss of what is as often right as it says."""
    return -right * np.log(right) - (1 - right) * np.log(1 - right)


TRIER = SimpleNamespace(lessons=SimpleNamespace(labels=LABELS))


def test_figures_of_an_easy_fold_are_levelled_by_what_the_best_came_to_on_it():
    found = _found()
    assert found[2].trial.accuracy.value > found[0].trial.accuracy.value
    standard, better, worse = (item.trial for item in recommending.levelled(found, TRIER))
    assert standard == found[0].trial
    # Once of twenty more often right than the standard on the easy half, once less often.
    assert standard.accuracy.value == pytest.approx(0.7)
    assert better.accuracy.value == pytest.approx(0.75)
    assert worse.accuracy.value == pytest.approx(0.65)
    # Each is as sure as it should be on the easy half; the standard is made so there.
    gap = _expected_loss(0.95) - _expected_loss(0.9)
    assert better.log_loss.value == pytest.approx(standard.log_loss.value + gap, rel=1e-5)
    assert worse.log_loss.value > standard.log_loss.value
    low, high = worse.accuracy.interval
    before = found[2].trial.accuracy.interval
    assert (low, high) == pytest.approx((before[0] - 0.2, before[1] - 0.2))


def test_an_exponent_for_few_answers_alone_puts_nobody_ahead():
    standard, *_ = found = _found()
    same = _tried(Way("same", "input", (), 3, 3), _on_the_easy_half(0.9, 2))
    # As sure as is best on all, the standard is less so than would be best on the easy half.
    assert np.nanmean(same.losses) < standard.losses[EASY].mean() - 0.01
    levelled = recommending.levelled([*found, same], TRIER)
    assert levelled[-1].trial.log_loss.value == pytest.approx(standard.trial.log_loss.value, abs=1e-6)


def test_who_is_judged_to_the_end_is_chosen_by_what_both_have_answered(monkeypatch):
    judged = []

    def weighed(made, trier, way, rung, folds):
        judged.append(way.cut_point)
        return _tried(way, np.full(40, 0.9))

    monkeypatch.setattr(recommending, "weighed", weighed)
    trier = SimpleNamespace(lessons=SimpleNamespace(labels=LABELS, judged_by=(0, 1)), expected=lambda way, steps: 1.0)
    always = SimpleNamespace(allows=lambda seconds: True)
    recommending.completed(None, trier, _found(), always)
    assert judged == ["better"]
    judged.clear()
    # By its loss on the easy half alone the worse one would seem better than the standard.
    recommending.completed(None, trier, [_found()[0], _found()[2]], always)
    assert judged == []
    # What was judged on all at a better rate is not judged again at the one that it was looked at at.
    standard, better, _ = _found()
    standard = replace(standard, trial=replace(standard.trial, way=better.trial.way))
    recommending.completed(None, trier, [standard, better], always)
    assert judged == []


@pytest.mark.parametrize(
    ("same", "many", "said"),
    [
        (0, 1, ""),
        (0, 5, ""),
        (1, 2, "; the other way that was judged to the end cannot be told from it on these examples"),
        (3, 4, "; none of the 3 other ways that were judged to the end can be told from it on these examples"),
        (2, 5, "; 2 of the 4 other ways that were judged to the end cannot be told from it on these examples"),
    ],
)
def test_the_sentence_counts_the_ways_that_it_was_compared_with(same, many, said):
    figure = Metric(0.9, (0.8, 0.95))
    choice = Choice("all", "all", tuple(f"way {number}" for number in range(same)), figure, figure, {})
    made = recommending.recommended(_found()[0], choice, many)
    assert made.sentence.endswith(f"of new examples right (95 % interval 80.0% to 95.0%){said}.")
