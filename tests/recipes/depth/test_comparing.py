"""A search takes the time of a network from scratch where that would be left out all the same."""

import dataclasses

import pytest

from regraft.activations.store import Store
from regraft.core.plan import Plan
from regraft.data import open as open_data
from regraft.recipes.baselines import scratch
from regraft.recipes.depth import comparing, halving, searching
from regraft.recipes.depth.timing import Deadline
from regraft.recipes.running import open_for


@pytest.fixture(scope="module")
def prepared(digits, tmp_path_factory):
    source, data = digits
    plan = Plan(str(source))
    store = Store(tmp_path_factory.mktemp("cache"))
    return searching.prepare(open_for(plan), open_data(data), plan, store)


def _found(prepared, monkeypatch, seconds, reason):
    """How much of the time was kept for a network from scratch at each turn to the ways; none learns."""
    asked, kept = [], []

    def left_out(task, lesson, judged):
        asked.append(task.within)
        return reason

    monkeypatch.setattr(scratch, "left_out", left_out)
    deadline = Deadline(seconds)
    deadline.reserve(compared=prepared.trier.plan.baselines != "no")
    # A lesson is expected to take longer than there is.
    monkeypatch.setattr("regraft.recipes.depth.timing._AROUND", 1000.0)

    def work(study):
        kept.append(deadline.comparing)
        halving.work(study, prepared.trier, deadline)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(searching, "warn", lambda text: kept.append(text))
        searching.search(prepared, deadline, work, forecasts=False)
    return asked, kept


def test_time_that_is_too_little_for_a_network_from_scratch_goes_to_the_search(prepared, monkeypatch):
    asked, (before, after, said) = _found(prepared, monkeypatch, 60.0, "which would take about 99 s, of 34 s")
    assert before == pytest.approx(12.0)
    assert after == 0
    assert "to fit it and to report may take" in said
    # It is asked whether there would be time if the search ended now.
    (within,) = asked
    assert 30 < within < 60


def test_time_that_is_enough_for_it_is_kept(prepared, monkeypatch):
    asked, (before, said) = _found(prepared, monkeypatch, 60.0, None)
    assert len(asked) == 1
    assert before == pytest.approx(12.0)
    assert "to train a network from scratch beside it and to report" in said


@pytest.mark.parametrize("baselines", ["yes", "no"])
def test_what_the_plan_says_of_it_is_not_asked(prepared, monkeypatch, baselines):
    trier = dataclasses.replace(prepared.trier, plan=dataclasses.replace(prepared.trier.plan, baselines=baselines))
    asked, (before, _) = _found(dataclasses.replace(prepared, trier=trier), monkeypatch, 60.0, "too long")
    assert not asked
    assert before == pytest.approx(12.0 if baselines == "yes" else 0.0)


def test_nothing_is_given_up_before_there_is_anything_to_fit(prepared, monkeypatch, tmp_path):
    monkeypatch.setattr(scratch, "left_out", lambda *_: "too long")
    study = halving.begin(tmp_path, prepared.ways)
    deadline = Deadline(60.0)
    deadline.reserve(compared=True)
    assert not comparing.kept_in_vain(study, prepared.trier, deadline)


def test_what_is_little_is_not_measured(prepared, monkeypatch):
    asked, (before, _) = _found(prepared, monkeypatch, 40.0, "too long")
    assert not asked
    assert before == pytest.approx(8.0)
