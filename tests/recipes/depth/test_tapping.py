"""Heads that read a lower cut point as well: which are tried, that lessons and the plan that is left do the same."""

from dataclasses import replace

import numpy as np
import pytest

import regraft
from regraft.activations.store import Store
from regraft.core import plan as plans
from regraft.core.depth import Way
from regraft.core.plan import HeadSpec, Plan
from regraft.core.progress import collecting_warnings
from regraft.recipes.depth import halving, recommending
from regraft.recipes.depth.halving import Ladder, Rung, Study
from regraft.recipes.depth.searching import prepare
from regraft.training.heads import fit_head

STEPS, RATE = 8, 1e-2


@pytest.fixture(scope="module")
def prepared(digits, tmp_path_factory):
    source, data = digits
    examples, store = regraft.data.open(data), Store(tmp_path_factory.mktemp("cache"))
    return prepare(regraft.open(source), examples, Plan(str(source), baselines="no"), store, taps=True)


def _way(prepared, name):
    return next(way for way in prepared.ways if way.name == name)


def test_they_are_tried_beside_all_other_ways(prepared):
    names = [way.name for way in prepared.ways]
    tapped = ["high & low", "high & low < low", "high & low < input"]
    assert [name for name in names if "&" in name] == tapped
    assert {name for name in names if "&" not in name} == {"low", "high", "low < input", "high < low", "high < input"}


def test_it_is_said_where_there_are_none(digits, tmp_path):
    source, data = digits
    # This plan forbids them; tensors inside a nested model cannot be read either.
    plan = Plan(str(source), head=HeadSpec(taps=()))
    with collecting_warnings() as warned:
        made = prepare(regraft.open(source), regraft.data.open(data), plan, Store(tmp_path), taps=True)
    assert [line for line in warned if "no way with a tap is tried" in line]
    assert all(way.tap is None for way in made.ways)


def test_the_head_is_fitted_to_both_of_its_cut_points(prepared):
    trier, way = prepared.trier, _way(prepared, "high & low")
    rows, others = trier.lessons.left_out(1), trier.lessons.learnt(1)
    x = np.concatenate([trier.found.pooled([name], trier.lessons.indices) for name in ("low", "high")], axis=1)
    head = fit_head(x[others], trier.lessons.labels[others], 5, HeadSpec(taps=("low",)), seed=0)
    made = trier.answers(way, 1).probabilities[0]
    np.testing.assert_allclose(made, head.probabilities(x[rows]), atol=1e-6)
    assert np.abs(made - trier.answers(_way(prepared, "high"), 1).probabilities[0]).max() > 0.01


def test_what_they_answered_is_known_again_and_is_not_taken_for_that_of_others(prepared):
    trier, way = prepared.trier, _way(prepared, "high & low")
    key = trier._key(way, 0, 0, None, 1.0)
    assert key != trier._key(replace(way, tap=None), 0, 0, None, 1.0)
    trier.answers(way, 0)
    assert trier.kept.get(key) is not None


def _learnt(prepared, way):
    """A lesson of a few steps, and the plan that does the same."""
    study = Study(None, {way.name: way}, Ladder((STEPS,), (RATE,)))
    trier = prepared.trier
    item = recommending.weighed(study, trier, way, Rung(STEPS, RATE), (0,))
    return item, recommending.plan_of(item.trial, trier.plan, len(trier.found.examples.indices("train")))


@pytest.mark.parametrize("start", ["low", "input"])
def test_layers_learn_above_the_tap_or_below_it_too(start, prepared):
    item, plan = _learnt(prepared, _way(prepared, f"high & low < {start}"))
    assert 0.6 < item.trial.accuracy.value <= 1
    assert (plan.reads, plan.fine_tune.from_cut) == (("low", "high"), start)
    assert plans.from_toml(plans.to_toml(plan)) == plan


def test_fit_does_what_was_tried(prepared, digits, tmp_path):
    _, plan = _learnt(prepared, _way(prepared, "high & low < low"))
    made = regraft.fit(digits[1], plan=plan, out=tmp_path / "run", cache=tmp_path / "cache").record
    assert (made.plan.reads, made.cut_point, made.trained_from) == (("low", "high"), "high", "low")
    assert set(made.trainable_variables) == {"high/kernel", "high/bias", "head/kernel", "head/bias"}


def test_what_is_recommended_says_what_its_head_reads(digits, tmp_path, monkeypatch):
    # Heads take no time, and are tried in any case.
    monkeypatch.setattr(halving, "work", lambda *_: None)
    choose = recommending.choose

    def choosing(found, trier):
        """The head with a tap, whatever does best."""
        _, choice, by_way = choose(found, trier)
        return by_way["high & low"], choice, by_way

    monkeypatch.setattr(recommending, "choose", choosing)
    source, data = digits
    folder = tmp_path / "out"
    found = regraft.depth(data, source, out=folder, cache=tmp_path / "cache", taps=True, fit=False, forecast=False)
    assert found.recommended.way.tap == "low"
    assert "frozen; the head reads 'low' as well: " in found.recommended.sentence
    assert plans.read(folder / "plan.toml").head.taps == ("low",)
    assert "high &amp; low" in (folder / "depth.html").read_text().replace("<wbr>", "")


def test_a_way_without_a_tap_reads_where_it_stands():
    assert Way("high", "high").reads == ("high",)
