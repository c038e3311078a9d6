"""A whole search: what comes of it, that nothing is tried twice, that time is kept, and what is refused."""

import dataclasses
import html
import json
import re
import time
from pathlib import Path

import pytest

import regraft
from regraft.core import plan as plans
from regraft.core.errors import RequestError
from regraft.core.plan import FineTuneSpec, HeadSpec, Plan
from regraft.recipes import early, run_folder, running
from regraft.recipes.depth import asking, halving, recommending, searching, timing
from regraft.recipes.depth.folder import PLAN, RECORD, begun_with, keep, read
from regraft.recipes.depth.halving import Ladder
from regraft.recipes.depth.recording import gone_on_from
from regraft.recipes.depth.trying import Interrupted
from regraft.report.plots.depth import DEPTH_PLOTS
from regraft.training.again import Again

FEW = Ladder((8, 32), (1e-3,))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def searched(digits, cache, tmp_path_factory):
    """A search with few steps, all of it."""
    source, data = digits
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(halving, "LADDER", FEW)
        plan = Plan(str(source), baselines="no")
        yield regraft.depth(data, plan=plan, out=tmp_path_factory.mktemp("out") / "search", cache=cache)


def test_it_recommends_a_way_of_the_source_with_its_interval(searched):
    answer = searched.recommended
    assert answer.frozen + answer.tuned == answer.way.reused
    low, high = answer.interval
    assert 0 <= low < answer.accuracy < high <= 1
    assert searched.table[0].way == answer.way
    assert len({trial.way.name for trial in searched.table}) == len(searched.table)
    # Heads on both hidden layers, with nothing learning, are judged on all folds; none stands on the old answers.
    assert {trial.way.cut_point for trial in searched.table if not trial.steps} == {"low", "high"}
    assert all(trial.folds == 5 for trial in searched.table if not trial.steps)


def test_lower_layers_of_an_unlike_task_are_worth_more(searched):
    heads = {trial.way.cut_point: trial.accuracy.value for trial in searched.table if not trial.steps}
    assert heads["low"] > heads["high"] + 0.02


def test_the_plan_that_it_leaves_is_obeyed_by_fit(searched, digits, cache, tmp_path):
    plan = plans.read(Path(searched.folder) / PLAN)
    assert plan == searched.plan
    assert plan.cut_point == searched.recommended.cut_point
    again = regraft.fit(digits[1], plan=plan, out=tmp_path / "run", cache=cache).record
    first = json.loads((Path(searched.run) / "run.json").read_text())
    assert again.metrics["test"].accuracy.value == first["metrics"]["test"]["accuracy"]["value"]
    assert again.cut_point == searched.recommended.cut_point


def test_what_was_fitted_is_judged_by_what_the_simpler_ways_are(searched):
    made = run_folder.read(Path(searched.run))
    assert made.evaluated_on == "test"
    assert searched.fitted == made.metrics["test"].accuracy


def test_the_record_is_what_the_folder_holds(searched):
    kept = json.loads((Path(searched.folder) / RECORD).read_text())
    assert kept["recommended"]["cut_point"] == searched.recommended.cut_point
    assert set(kept["recommended"]) >= {"cut_point", "frozen", "tuned", "accuracy", "interval"}
    assert kept["seconds"]["total"] > kept["seconds"]["search"] > 0


def test_the_run_shows_the_search_that_led_to_it_and_keeps_it(searched):
    run = Path(searched.run)
    assert read(run) == read(Path(searched.folder)) == searched
    page = (run / "report.html").read_text(encoding="utf-8")
    figure = DEPTH_PLOTS["cuts"](searched)
    assert str(figure.drawing) in page
    assert (run / re.search(r'href="([^"#]*depth\.html)"', page)[1]).exists()
    # The page that lies with the run has its links from there.
    assert 'href="report.html"' in (run / "depth.html").read_text(encoding="utf-8")
    assert 'href="run/report.html"' in (Path(searched.folder) / "depth.html").read_text(encoding="utf-8")


def test_the_forecast_begins_with_what_there_is(searched):
    assert searched.forecast is not None
    # Each fold left out a fifth of them, and what is fitted learns from all.
    today = 180
    assert searched.forecast.sizes[-1] == 144
    assert f"({2 * today} instead of {today})" in searched.forecast.text
    assert set(searched.forecast.at) == {today, 2 * today, 4 * today}
    assert len(searched.forecast.accuracies) == len(searched.forecast.sizes) == 3


def test_the_forecast_tells_of_more_layers_whatever_was_tried(searched):
    said = searched.forecast.text
    assert ("Every layer that is reused learns already" in said) == (not searched.recommended.frozen)
    assert re.search("learns already|No way in which more layers|to pay for learning|not expected to overtake", said)
    page = (Path(searched.folder) / "depth.html").read_text(encoding="utf-8")
    assert html.escape(said, quote=False).replace("'", "&#39;") in page


def test_ctrl_c_while_it_is_asked_what_more_labels_would_bring_ends_the_search(
    searched, digits, cache, tmp_path, monkeypatch
):
    monkeypatch.setattr(halving, "LADDER", FEW)

    def ended(*_):
        raise Interrupted

    monkeypatch.setattr(searching, "forecast", ended)
    source, data = digits
    found = regraft.depth(data, source, out=tmp_path / "out", cache=cache, fit=False)
    assert found.interrupted
    assert found.forecast is None
    assert found.recommended == searched.recommended
    assert any("ended by hand before it could be said what more labels" in warning for warning in found.warnings)
    page = (tmp_path / "out" / "depth.html").read_text()
    assert "was not asked for, or the search was ended by hand before it was known." in page


def test_another_search_of_the_same_tries_nothing_again(searched, digits, cache, tmp_path, monkeypatch):
    monkeypatch.setattr(halving, "LADDER", FEW)
    source, data = digits

    def refused(*_, **__):
        raise AssertionError("was learnt again")

    monkeypatch.setattr("regraft.recipes.depth.trying.Again", refused)
    monkeypatch.setattr("regraft.recipes.depth.trying.fit_head", refused)
    again = regraft.depth(data, source, out=tmp_path / "again", cache=cache, fit=False)
    assert again.recommended == searched.recommended
    assert again.table == searched.table
    assert again.reused_trials == len(again.trials) > 0


def test_what_is_chosen_among_is_judged_on_as_many_divisions_as_asked_for(
    searched, digits, cache, tmp_path, monkeypatch
):
    monkeypatch.setattr(halving, "LADDER", FEW)
    source, data = digits
    found = regraft.depth(data, source, out=tmp_path / "out", cache=cache, repeats=2, fit=False, forecast=False)
    finalists = [trial for trial in found.table if trial.folds == 5]
    assert {trial.divisions for trial in finalists} == {2}
    assert {trial.examples for trial in finalists} == {180}
    assert {trial.divisions for trial in found.table if trial.folds < 5} <= {1}
    once = {trial.way: trial for trial in searched.table}
    assert all(trial.log_loss != once[trial.way].log_loss for trial in finalists)
    assert "judged on 2 divisions of the examples" in (tmp_path / "out" / "depth.html").read_text()


def test_a_search_that_is_ended_by_hand_says_so(digits, tmp_path, monkeypatch):
    source, data = digits
    learn = Again.train

    def ending(*given, **more):
        return dataclasses.replace(learn(*given, **more), interrupted=True)

    monkeypatch.setattr(Again, "train", ending)
    found = regraft.depth(data, source, out=tmp_path / "out", cache=tmp_path / "cache", fit=False)
    assert found.interrupted
    assert any("ended by hand" in warning for warning in found.warnings)
    assert json.loads((tmp_path / "out" / RECORD).read_text())["interrupted"]


def _ending_once(work):
    """The same work, which the user ends the first time."""
    times = iter([True])

    def ending(*given):
        if next(times, False):
            raise Interrupted
        return work(*given)

    return ending


@pytest.mark.parametrize("where", ["completed", "with_heads"])
def test_whoever_ends_it_while_the_best_are_judged_gets_what_is_known(
    where, searched, digits, cache, tmp_path, monkeypatch
):
    monkeypatch.setattr(halving, "LADDER", FEW)
    monkeypatch.setattr(recommending, where, _ending_once(getattr(recommending, where)))
    source, data = digits
    found = regraft.depth(data, source, out=tmp_path / "out", cache=cache, fit=False)
    assert found.interrupted
    assert found.table == searched.table
    assert found.warnings == ("the search was ended by hand before all that was ahead was judged on all folds",)


def test_whoever_ends_it_again_where_nothing_is_known_gets_no_answer(searched, digits, cache, tmp_path, monkeypatch):
    def ending(*given):
        raise Interrupted

    monkeypatch.setattr(halving, "LADDER", FEW)
    monkeypatch.setattr(recommending, "with_heads", ending)
    source, data = digits
    with pytest.raises(KeyboardInterrupt):
        regraft.depth(data, source, out=tmp_path / "out", cache=cache, fit=False)


def test_a_time_budget_is_kept(digits, tmp_path):
    source, data = digits
    started = time.perf_counter()
    found = regraft.depth(data, source, out=tmp_path / "out", cache=tmp_path / "cache", time_budget="14s", fit=False)
    # Nothing is begun that would not be done; what comes after is short.
    assert time.perf_counter() - started < 14 + 8
    assert any("time was up" in warning for warning in found.warnings) or found.seconds["total"] < 14
    assert found.recommended.cut_point


def test_a_search_that_is_short_of_time_says_what_the_rest_is_for(digits, tmp_path, monkeypatch):
    source, data = digits
    given = {"cache": tmp_path / "cache", "time_budget": 600, "forecast": False}
    # One lesson is expected to take longer than there is.
    monkeypatch.setattr(timing, "_AROUND", 1000.0)
    # What is said of the fit is said before it begins.
    monkeypatch.setattr(asking, "_fitted", lambda *given: given[2])
    found = regraft.depth(data, source, out=tmp_path / "search", fit=False, **given)
    assert len(found.table) == 2
    (said,) = (warning for warning in found.warnings if "time was up" in warning)
    assert said.startswith(
        "time was up before 3 of the 5 ways were tried: to judge one more on all folds may take longer"
    )
    assert said.endswith("s that were left; the same command with more time goes on from here")
    assert ("the other way that was judged to the end" in found.recommended.sentence) == bool(
        found.recommended.indistinguishable
    )
    fitted = regraft.depth(data, source, out=tmp_path / "fitted", **given)
    assert any(", to fit it, to train a network from scratch beside it and" in warning for warning in fitted.warnings)
    given["plan"] = Plan(str(source), baselines="no")
    alone = regraft.depth(data, source, out=tmp_path / "alone", **given)
    assert any("on all folds, to fit it and to report may take" in warning for warning in alone.warnings)


def test_a_search_that_is_short_of_time_recalls_what_another_one_has_judged(
    searched, digits, cache, tmp_path, monkeypatch
):
    monkeypatch.setattr(halving, "LADDER", FEW)
    # Another search has some of the same ways.
    monkeypatch.setattr(searching, "_FORMAT", -1)
    monkeypatch.setattr(timing, "_AROUND", 1000.0)
    source, data = digits
    given = {"cache": cache, "time_budget": 600, "fit": False, "forecast": False}
    found = regraft.depth(data, source, out=tmp_path / "out", **given)
    known = {trial.way: trial for trial in searched.table if trial.folds == 5}
    assert any(way.tuned for way in known)
    assert {trial.way: trial for trial in found.table if trial.way in known} == known
    assert found.recommended.way == searched.recommended.way


def test_the_sentence_speaks_of_the_ways_that_are_shown(searched, digits, cache, tmp_path, monkeypatch):
    """Ways that were not tried are not among those that it could be told from."""
    monkeypatch.setattr(halving, "LADDER", FEW)
    monkeypatch.setattr(recommending, "choose", _with_all_alike(recommending.choose))
    source, data = digits
    found = regraft.depth(data, source, out=tmp_path / "out", cache=cache, fit=False, forecast=False)
    judged = sum(trial.folds == 5 for trial in found.table)
    assert 2 < judged < len(found.table)
    assert (
        f"; none of the {judged - 1} other ways that were judged to the end can be told" in found.recommended.sentence
    )


def _with_all_alike(choose):
    """A choice after which nothing can be told from what was chosen."""

    def choosing(found, trier):
        item, choice, by_way = choose(found, trier)
        others = tuple(name for name in by_way if name != choice.name)
        return item, dataclasses.replace(choice, indistinguishable=others), by_way

    return choosing


def test_a_fit_with_a_time_budget_searches_first(digits, cache, tmp_path):
    source, data = digits
    made = regraft.fit(data, source, out=tmp_path / "run", cache=cache, time_budget=12).record
    assert made.plan.cut_point in {"low", "high"}
    assert made.seconds["search"] > 0
    # What else was tried is kept beside the run, which is a run all the same.
    kept = json.loads((tmp_path / "run" / RECORD).read_text())
    assert kept["recommended"]["cut_point"] == made.plan.cut_point
    assert 'href="report.html"' in (tmp_path / "run" / "depth.html").read_text()
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert str(DEPTH_PLOTS["cuts"](read(tmp_path / "run")).drawing) in page
    assert 'href="depth.html"' in page
    assert run_folder.read(tmp_path / "run").metrics == made.metrics
    assert set(kept["warnings"]) == set(made.warnings)


@pytest.fixture
def killed(request, searched, digits, cache, tmp_path, monkeypatch):
    """The folder of a run that was killed after its search, and the words that it was asked for with."""
    where = {"fit": "regraft.recipes.transfer.grow", "record": "regraft.recipes.run_folder.evidence.write"}
    monkeypatch.setattr(halving, "LADDER", FEW)
    given = {"plan": Plan(str(digits[0]), baselines="no"), "cache": cache, "time_budget": 600}
    with monkeypatch.context() as patched:
        patched.setattr(where[request.param], _dying)
        with pytest.raises(MemoryError):
            regraft.fit(digits[1], out=tmp_path / "run", **given)
    return tmp_path / "run", given


def _dying(*_):
    raise MemoryError


def _timeless(search):
    return dataclasses.replace(search, folder="", run="", seconds={})


@pytest.mark.parametrize(("killed", "again"), [("fit", "the same command"), ("record", "resume")], indirect=["killed"])
def test_a_run_that_is_killed_after_its_search_ends_with_what_that_found(killed, digits, tmp_path, monkeypatch, again):
    folder, given = killed
    kept = begun_with(folder)
    assert not kept.run
    assert not (folder / "run.json").exists()
    with pytest.raises(RequestError, match=r"is not finished; `regraft resume .*run` finishes it"):
        regraft.load(folder)
    whole = regraft.fit(digits[1], out=tmp_path / "whole", **given).record
    # It is not searched again, nor does the budget begin anew.
    monkeypatch.setattr(running, "_searched", None)
    if again == "resume":
        made = regraft.resume(folder, cache=given["cache"]).record
    else:
        made = regraft.fit(digits[1], out=folder, **given).record
    found = read(folder)
    assert _timeless(found) == _timeless(read(tmp_path / "whole"))
    assert found.run == made.run == str(folder)
    assert made.metrics == whole.metrics
    assert made.seconds["search"] == found.seconds["search"] == kept.seconds["search"]
    assert found.seconds["total"] == pytest.approx(kept.seconds["total"] + found.seconds["fit"])
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert str(DEPTH_PLOTS["cuts"](found).drawing) in page
    assert (folder / re.search(r'href="([^"#]*depth\.html)"', page)[1]).exists()
    assert 'href="report.html"' in (folder / "depth.html").read_text(encoding="utf-8")
    assert {path.name for path in folder.iterdir()} == {path.name for path in (tmp_path / "whole").iterdir()}


@pytest.mark.parametrize("killed", ["record"], indirect=True)
def test_a_run_that_goes_by_another_plan_has_nothing_of_the_search_before(killed, digits):
    folder, given = killed
    other = Plan(str(digits[0]), cut_point="low", baselines="no", fine_tune=FineTuneSpec("no"), seed=1)
    regraft.fit(digits[1], plan=other, out=folder, cache=given["cache"])
    assert read(folder) is None
    assert "depth.html" not in (folder / "report.html").read_text(encoding="utf-8")


def test_a_search_is_gone_on_from_where_the_same_is_asked_for(searched, tmp_path):
    kept = dataclasses.replace(searched, budget=60.0)
    keep(tmp_path, kept)
    found, training = kept.plan, kept.data.examples["train"]
    assert gone_on_from(tmp_path, found, None, training) == kept
    moved = dataclasses.replace(found, data="/elsewhere/data.npz")
    assert gone_on_from(tmp_path, moved, None, training).plan == moved
    assert gone_on_from(tmp_path, dataclasses.replace(found, seed=1), None, training) is None
    asked = Plan(found.source, baselines="no", data=found.data, data_digest=found.data_digest)
    assert gone_on_from(tmp_path, asked, 60.0, training) == kept
    assert gone_on_from(tmp_path, asked, 61.0, training) is None
    assert gone_on_from(tmp_path, dataclasses.replace(asked, seed=1), 60.0, training) is None
    keep(tmp_path, None)
    assert gone_on_from(tmp_path, found, None, training) is None


def test_new_layers_that_a_plan_asks_for_stand_below_every_head(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(halving, "LADDER", FEW)
    source, data = digits
    given = Plan(str(source), head=HeadSpec(hidden=(8,)))
    where = {"out": tmp_path / "out", "cache": tmp_path / "cache"}
    found = regraft.depth(data, source, plan=given, time_budget=1, fit=False, forecast=False, **where)
    assert found.plan.head.hidden == (8,)
    assert {trial.way.hidden for trial in (*found.table, *found.trials)} == {(8,)}
    assert any("time was up before" in warning for warning in found.warnings)


def test_two_processes_find_what_one_does(searched, digits, tmp_path, monkeypatch):
    monkeypatch.setattr(halving, "LADDER", FEW)
    source, data = digits
    found = regraft.depth(
        data, source, out=tmp_path / "two", cache=tmp_path / "cache", jobs=2, fit=False, forecast=False
    )
    here, there = (
        {(trial.way.name, trial.steps): trial.log_loss for trial in done.table} for done in (searched, found)
    )
    heads = {key for key in here if not key[1]}
    assert heads < there.keys()
    # What learns is judged on more folds or on fewer, as it comes before others or after them.
    assert all(there[key] == here[key] for key in heads)
    assert {way for way, _ in there} == {way for way, _ in here}
    # Whatever other processes made was not known before.
    assert found.reused_trials == 0


def test_a_search_is_no_run_and_none_is_begun_in_its_folder(searched, tmp_path):
    folder = Path(searched.folder)
    before = sorted(path.name for path in folder.iterdir())
    for ask in (run_folder.read, early.require_run, regraft.resume, regraft.load):
        with pytest.raises(RequestError, match=r"expected a run folder, found a search at '.*'; its run is '.*run'"):
            ask(folder)
    with pytest.raises(RequestError, match="holds a search; name another folder with --out"):
        run_folder.require_free(folder)
    assert sorted(path.name for path in folder.iterdir()) == before
    (tmp_path / RECORD).write_text("{}")
    with pytest.raises(RequestError, match=r"found a search at '.*'; `regraft fit DATA --plan .*plan.toml` makes a"):
        run_folder.read(tmp_path)


def test_what_cannot_be_is_refused_in_one_line(digits, searched, tmp_path):
    source, data = digits
    with pytest.raises(RequestError, match="holds a finished search"):
        regraft.depth(data, source, out=searched.folder)
    (tmp_path / "something").write_text("")
    with pytest.raises(RequestError, match="is not empty and holds no search"):
        regraft.depth(data, source, out=tmp_path)
    with pytest.raises(RequestError, match="a time budget is for finding what to reuse"):
        regraft.fit(data, source, plan=Plan(str(source), head=HeadSpec(taps=("low",))), time_budget=5)
    with pytest.raises(RequestError, match="expected a time budget such as 90s, 10m or 1h, found 'soon'"):
        regraft.depth(data, source, time_budget="soon")
    with pytest.raises(RequestError, match=r"one division into folds or more \(repeats\), found 0"):
        regraft.depth(data, source, repeats=0)
    with pytest.raises(RequestError, match="examples and a source that are files"):
        regraft.depth(([[0.0]], [0]), source, jobs=2)
    with pytest.raises(RequestError, match="the plan says that already"):
        regraft.fit(data, source, plan=Plan(str(source), cut_point="low"), time_budget=5)


def test_what_is_recommended_is_fitted_as_it_was_tried(searched):
    assert searched.plan.views == 1
    # Lessons begin with a new optimizer, whatever a half-trained source's own had learnt.
    assert (searched.plan.fine_tune.enabled, searched.plan.fine_tune.state) == ("yes", "reset")
