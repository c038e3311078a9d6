"""With more labels, would more layers pay for learning? The best way in which more do is asked, or it is said why."""

from types import SimpleNamespace

import numpy as np
import pytest

from regraft.core.depth import Way
from regraft.recipes.depth.answers import Answers
from regraft.recipes.depth.forecasting import deeper, forecast
from regraft.recipes.depth.halving import Ladder, Rung, Study
from regraft.recipes.depth.recommending import levelled, weighed
from regraft.recipes.depth.timing import Deadline

LABELS = np.zeros(100, np.int64)
EVERYONE = (0, 1, 2, 3, 4)
RUNG = Rung(256, 2e-3)
STUDY = Study(None, {}, Ladder((256,), (2e-3,)))
HEAD = Way("conv", "conv", (), 4, 0)
UPPER, MORE = Way("conv", "low", (), 4, 2), Way("conv", "input", (), 4, 4)
# How often a way is right that learns from a quarter of the labels, from half of them, and from all.
FLAT, RISING, POOR = (0.7, 0.7, 0.7), (0.3, 0.45, 0.65), (0.3, 0.4, 0.5)
SECONDS = 10.0


class Learning:
    """Stands in for what lets ways learn: how often each is right is given; a lesson is expected to take a while."""

    plan = SimpleNamespace(seed=0)
    lessons = SimpleNamespace(
        labels=LABELS,
        judged_by=EVERYONE,
        indices=np.arange(100),
        classes=2,
        left_out=lambda fold: np.arange(20) + 20 * fold,
        learnt=lambda fold, part: np.arange(round(80 * part)),
    )

    def __init__(self, rights):
        self.rights, self.asked = rights, []

    def answers(self, way, fold, *, steps=0, rate=None, part=1.0):
        self.asked.append((way.name, fold, part))
        share = self.rights[way.name][(0.25, 0.5, 1.0).index(part)]
        right = np.where(np.arange(20) < round(20 * share), 0.8, 0.2)
        return Answers((1.0,), np.stack([right, 1 - right], axis=1)[None].astype(np.float32), 1.0)

    def expected(self, way, steps):
        return SECONDS

    def knew(self, *_, **__):
        return False


def _tried(trier, *ways):
    """Ways, each with how many of the folds it was judged on."""
    found = [weighed(STUDY, trier, way, RUNG, EVERYONE[:folds]) for way, folds in ways]
    trier.asked.clear()
    return levelled(found, trier)


def _said(rights, *ways, time=None):
    trier = Learning(rights)
    item, *_ = found = _tried(trier, *ways)
    return forecast(item, found, STUDY, trier, Deadline(time)), trier


def test_the_best_way_with_more_layers_is_judged_on_all_folds_and_asked():
    rights = {HEAD.name: FLAT, UPPER.name: POOR, MORE.name: RISING}
    made, trier = _said(rights, (HEAD, 5), (UPPER, 5), (MORE, 1))
    assert made.text.endswith(
        "With 4 times the labels, 4 more layers could be expected to pay for learning, as in 'conv < input'."
    )
    assert {fold for name, fold, part in trier.asked if (name, part) == (MORE.name, 1.0)} == set(EVERYONE)
    assert made.sizes == (20, 40, 80)
    rights[MORE.name] = POOR
    made, _ = _said(rights, (HEAD, 5), (MORE, 1))
    assert made.text.endswith(
        "let more layers learn: the best way in which more do, 'conv < input' with 4 more layers, is not expected to "
        "overtake."
    )


def test_what_was_ahead_by_luck_is_not_taken():
    trier = Learning({HEAD.name: FLAT, UPPER.name: RISING, MORE.name: FLAT})
    _, upper, more = _tried(trier, (HEAD, 5), (UPPER, 5), (MORE, 1))
    assert deeper([upper, more], STUDY, trier, Deadline(None)).trial.way == MORE
    # On the folds that it was not judged on yet it is worse.
    trier.rights[MORE.name] = POOR
    assert deeper([upper, more], STUDY, trier, Deadline(None)).trial.way == UPPER


@pytest.mark.parametrize(
    ("lessons", "asked"),
    # Four for a curve; the four folds that it was not judged on, and four for its own curve.
    [(3.9, ""), (7.9, "recommended"), (8.1, "both")],
)
def test_it_takes_no_more_time_than_there_is_and_says_so(lessons, asked):
    rights = {HEAD.name: FLAT, MORE.name: RISING}
    made, trier = _said(rights, (HEAD, 5), (MORE, 1), time=lessons * SECONDS)
    ways = {name for name, _, _ in trier.asked}
    assert ways == {"": set(), "recommended": {HEAD.name}, "both": set(rights)}[asked]
    if not asked:
        assert (made.sizes, made.accuracies, dict(made.at)) == ((), (), {})
        assert made.text == "There was no time to ask what more labels would bring."
    else:
        unasked = "There was no time to ask whether it would then pay to let more layers learn."
        assert made.text.endswith(unasked) == (asked == "recommended")


def test_where_there_is_no_time_for_the_best_that_which_is_judged_is_asked():
    rights = {HEAD.name: FLAT, UPPER.name: POOR, MORE.name: RISING}
    _, trier = _said(rights, (HEAD, 5), (UPPER, 5), (MORE, 1), time=7.9 * SECONDS)
    assert {name for name, _, _ in trier.asked} == {HEAD.name, UPPER.name}


def test_where_no_more_layers_could_learn_or_none_did_it_says_that():
    made, _ = _said({HEAD.name: FLAT}, (HEAD, 5))
    assert made.text.endswith(". No way in which more layers learn was tried.")
    made, _ = _said({MORE.name: FLAT}, (MORE, 5))
    assert made.text.endswith(". Every layer that is reused learns already.")
    # One whose head stands higher has more of them.
    higher = Way("top", "input", (), 5, 5)
    made, _ = _said({MORE.name: FLAT, higher.name: RISING}, (MORE, 5), (higher, 5))
    assert "Every layer that is reused learns already. With 4 times the labels, 1 more layer could" in made.text
