"""Ways that were judged on some folds are compared with the others on what both have answered."""

from types import SimpleNamespace

import numpy as np
import pytest

from regraft.core import metrics
from regraft.core.depth import Trial, Way
from regraft.recipes.depth import recommending
from regraft.recipes.depth.halving import Rung
from regraft.recipes.depth.recommending import Tried

LABELS = np.zeros(40, np.int64)
EASY = np.arange(40) < 20


def _tried(way, given):
    """A way by the probability that it gives to the right one of two classes; NaN: not asked."""
    answers = np.stack([given, 1 - given], axis=1).astype(np.float32)
    rows = ~np.isnan(given)
    measured = metrics.measure(answers[rows], LABELS[rows], 0)
    complete = bool(rows.all())
    trial = Trial(way, 256, 2e-3, 1.0, 1, int(rows.sum()), measured.accuracy, measured.log_loss, 1.0, complete)
    return Tried(trial, Rung(256, 2e-3), answers, -np.log(given), complete, False)


def _found():
    """One that was judged on all, a better one, and a worse one; the others on the easy half alone."""
    alternating = np.where(np.arange(40) % 2, 0.6, 0.4)
    standard = np.where(EASY, 0.9, alternating)
    worse = np.where(EASY, 0.8, np.nan)
    worse[:2] = 0.3
    return [
        _tried(Way("all", "input", (), 3, 3), standard),
        _tried(Way("better", "input", (), 3, 3), np.where(EASY, 0.95, np.nan)),
        _tried(Way("worse", "input", (), 3, 3), worse),
    ]


TRIER = SimpleNamespace(lessons=SimpleNamespace(labels=LABELS))


def test_figures_of_an_easy_fold_are_levelled_by_what_the_best_came_to_on_it():
    found = _found()
    assert found[2].trial.accuracy.value > found[0].trial.accuracy.value
    standard, better, worse = (item.trial for item in recommending.levelled(found, TRIER))
    assert standard == found[0].trial
    # As often right as the standard on the easy half, twice of twenty less often.
    assert standard.accuracy.value == pytest.approx(0.75)
    assert better.accuracy.value == pytest.approx(0.75)
    assert worse.accuracy.value == pytest.approx(0.65)
    assert better.log_loss.value == pytest.approx(standard.log_loss.value - np.log(0.95 / 0.9), rel=1e-5)
    low, high = worse.accuracy.interval
    before = found[2].trial.accuracy.interval
    assert (low, high) == pytest.approx((before[0] - 0.25, min(before[1] - 0.25, 1.0)))


def test_who_is_judged_to_the_end_is_chosen_by_what_both_have_answered(monkeypatch):
    monkeypatch.setattr(recommending, "_FINALISTS", 1)
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
