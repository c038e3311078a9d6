"""Ways that are judged on several divisions: means of each example's answers, and no example counts more than once."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from regraft import data
from regraft.core import metrics
from regraft.core.depth import Trial, Way
from regraft.core.plan import Plan
from regraft.core.progress import collecting_warnings
from regraft.recipes.depth import recommending, repeating
from regraft.recipes.depth.halving import Rung
from regraft.recipes.depth.lessons import lessons
from regraft.recipes.depth.recommending import Tried
from regraft.recipes.depth.timing import Pace
from regraft.recipes.depth.trying import Interrupted, Trier

COUNT = 60
LABELS = np.arange(COUNT) % 2
RUNG = Rung(256, 2e-3)


def _tried(way, seed, skill=1.0, rows=None):
    """Answers of some skill, to these rows."""
    logits = np.random.default_rng(seed).standard_normal((COUNT, 2))
    logits[np.arange(COUNT), LABELS] += skill
    answers = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)
    losses = metrics.losses(answers, LABELS)
    if rows is not None:
        answers[~rows], losses[~rows] = np.nan, np.nan
    there = ~np.isnan(losses)
    measured = metrics.measure(answers[there], LABELS[there], 0)
    trial = Trial(way, 256, 2e-3, 1.0, 5, int(there.sum()), measured.accuracy, measured.log_loss, 1.0, True)
    return Tried(trial, RUNG, answers, losses, True, True)


class _Trier:
    """Of one division, or of another one."""

    def __init__(self, number=0, expected=1.0):
        fold = np.random.default_rng(number).permutation(COUNT) % 5
        self.lessons = SimpleNamespace(labels=LABELS, judged=np.arange(COUNT), judged_by=(0, 1, 2, 3, 4), fold=fold)
        self.plan, self.number, self.each = Plan("source"), number, expected

    def divided(self, number):
        return _Trier(number, self.each)

    def expected(self, way, steps):
        return self.each


GOOD, BAD = Way("good", "input", (), 2, 2), Way("bad", "bad", (), 2, 0)


def _weighed(made, trier, way, rung, folds):
    return _tried(way, [trier.number, way.tuned], 2.0 if way is GOOD else 0.2)


def _repeated(monkeypatch, found, repeats, allowed=1e9, weighed=_weighed):
    monkeypatch.setattr(repeating, "weighed", weighed)
    deadline = SimpleNamespace(allows=lambda seconds: seconds <= allowed)
    return repeating.repeated(None, _Trier(), found, repeats, deadline)


def test_a_figure_is_the_mean_of_each_examples_and_there_are_as_many_examples_as_before():
    parts = [_tried(GOOD, seed) for seed in range(3)]
    made = repeating.together(parts[0], parts[1:], _Trier())
    assert (made.trial.divisions, made.trial.examples, made.trial.seconds) == (3, COUNT, 3.0)
    assert made.trial.accuracy.value == pytest.approx(np.mean([part.trial.accuracy.value for part in parts]))
    assert made.trial.log_loss.value == pytest.approx(np.mean([part.trial.log_loss.value for part in parts]))
    # As wide as that of so many examples, whatever the number of answers.
    right = round(made.trial.accuracy.value * COUNT)
    usual = metrics.accuracy(np.arange(COUNT) < right).interval
    assert np.diff(made.trial.accuracy.interval) == pytest.approx(np.diff(usual), abs=0.01)
    assert repeating.together(parts[0], (), _Trier()) is parts[0]


def test_examples_that_only_some_divisions_judge_count_once_as_well():
    halves = [np.arange(COUNT) < 40, np.arange(COUNT) >= 20]
    one, other = (_tried(GOOD, seed, rows=rows) for seed, rows in enumerate(halves))
    made = repeating.together(one, [other], _Trier())
    assert made.trial.examples == COUNT
    each = np.concatenate([one.losses[:20], (one.losses[20:40] + other.losses[20:40]) / 2, other.losses[40:]])
    assert made.trial.log_loss.value == pytest.approx(each.mean())


def test_the_same_answers_again_tell_no_more_than_they_did():
    found = [_tried(GOOD, 1, 1.0), _tried(BAD, 2, 0.6)]
    again = [repeating.together(item, [item] * 4, _Trier()) for item in found]
    (_, once, _), (_, often, _) = (recommending.choose(items, _Trier()) for items in (found, again))
    assert (often.name, often.best, often.indistinguishable) == (once.name, once.best, once.indistinguishable)
    assert often.accuracy.value == pytest.approx(once.accuracy.value)
    assert often.accuracy.interval == pytest.approx(once.accuracy.interval)
    assert often.log_loss.interval == pytest.approx(once.log_loss.interval)
    for name in once.gains:
        assert often.gains[name].interval == pytest.approx(once.gains[name].interval)


def test_what_is_chosen_among_is_judged_on_every_division_and_nothing_else_is(monkeypatch):
    early = replace(_tried(Way("early", "input", (), 2, 2), 5), complete=False)
    # Of one way the number of steps that is better, even where the mean of the divisions is then above the other's.
    worse = replace(_tried(GOOD, 6, -1.0), rung=Rung(64, 2e-3))
    found = [worse, _tried(GOOD, 0, 3.0), early, _tried(BAD, 1, 0.2)]
    made, interrupted = _repeated(monkeypatch, found, 3)
    assert not interrupted
    assert [len(item.again) for item in made] == [0, 2, 0, 2]
    assert made[0] is worse
    assert made[2] is early
    item, choice, by_way = recommending.choose(made, _Trier())
    assert item is made[1]
    assert set(by_way) == {"good < input", "bad"}
    # The divisions are others, and so are the answers; their own are the ones that are compared.
    assert len({each.answers.tobytes() for each in (item, *item.again)}) == 3
    assert set(choice.gains) == {"bad"}


# Ten lessons of one second each and the fit, which takes as long as two.
@pytest.mark.parametrize(("allowed", "times"), [(12.0, 4), (11.9, 1)])
def test_a_division_that_would_take_too_long_is_not_begun(allowed, times, monkeypatch):
    with collecting_warnings() as warned:
        made, _ = _repeated(monkeypatch, [_tried(GOOD, 0), _tried(BAD, 1)], 4, allowed)
    assert [item.trial.divisions for item in made] == [times] * 2
    assert [line.partition(":")[0] for line in warned] == (
        ["ways were judged on 1 of 4 divisions into folds"] if times == 1 else []
    )


def test_whoever_ends_it_by_hand_gets_what_all_were_judged_on(monkeypatch):
    def ending(made, trier, way, rung, folds):
        if trier.number == 2 and way is BAD:
            raise Interrupted
        return _weighed(made, trier, way, rung, folds)

    made, interrupted = _repeated(monkeypatch, [_tried(GOOD, 0), _tried(BAD, 1)], 3, weighed=ending)
    assert interrupted
    assert [item.trial.divisions for item in made] == [2, 2]


def test_another_division_is_another_one_of_the_same_examples(tmp_path):
    x = np.random.default_rng(0).random((60, 6), np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(60) % 3)
    examples = data.open(tmp_path / "data.npz")
    trier = Trier(
        None, SimpleNamespace(examples=examples), Plan("source"), lessons(examples, 0), None, Pace(), frozenset()
    )
    trier._heads["of the first"] = None
    other = trier.divided(1)
    assert np.array_equal(other.lessons.indices, trier.lessons.indices)
    assert not np.array_equal(other.lessons.fold, trier.lessons.fold)
    assert np.array_equal(trier.divided(0).lessons.fold, trier.lessons.fold)
    # A head that has learnt from other folds is another one.
    assert not other._heads
    assert other.pace is trier.pace
