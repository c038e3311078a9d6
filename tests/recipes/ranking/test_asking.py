"""`regraft.rank`: the order it finds, what it shares with `fit`, what it says, and how it goes on when sources fail."""

import json
import shutil
import signal
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest

import regraft
from regraft.activations.store import Store
from regraft.core import plain
from regraft.core.errors import RequestError, SourceError
from regraft.core.plan import FineTuneSpec, Plan
from regraft.core.ranking import RankRecord
from regraft.recipes.depth import halving
from regraft.recipes.ranking import asking, confirming, rounds
from tests.recipes.ranking.sources import digits, learnt


def names(record):
    return [item.source.rpartition("/")[2] for item in record.ranking]


def test_what_has_learnt_a_like_task_is_first_and_what_sees_nothing_last(record):
    assert names(record) == ["labelled.keras", "nothing.keras", "constant.keras"]
    first, *_, last = record.ranking
    assert first.score > 0.85
    assert first.interval[0] < first.score < first.interval[1]
    assert first.scores["probe"] > record.baselines["majority"].accuracy.value
    assert last.told_apart
    assert last.score < 0.3


def test_each_says_where_and_how_it_was_looked_at(record):
    for item in record.ranking:
        assert item.inputs.shape == (8, 8, 1)
        assert item.input_size == 8
        assert item.examples == 200 == record.rounds[-1]
        assert item.cut_point in {"conv1", "conv2", "hidden", "top"}
        assert item.seconds > 0


def test_a_damaged_file_is_refused_and_the_others_go_on(record):
    (refused,) = record.refused
    assert refused.source.endswith("cut.keras")
    assert "is cut off" in refused.reason


def test_what_does_without_a_source_stands_beside(record):
    assert set(record.baselines) == {"majority", "raw_inputs", "random_trunk"}
    assert record.verdict.startswith("Reuse '")


def test_the_record_survives_json(record):
    assert plain.from_plain(RankRecord, json.loads(plain.to_json(record))) == record


def test_fit_finds_what_the_ranking_computed(mine):
    points = len(mine.record.probes)
    # The 200 training examples are there at every cut point; validation and test examples are computed.
    assert mine.record.cache.hits == 200 * points
    assert mine.record.cache.computed == 180 * points


def test_the_scores_are_those_of_the_probe_of_fit(record, mine):
    first = record.ranking[0]
    probes = {probe.cut_point: probe.accuracy.value for probe in mine.record.probes}
    assert mine.record.cut_point == first.cut_point
    assert first.scores["probe"] == max(probes.values())


def test_one_seed_gives_one_ranking(record, nets, examples, kept):
    again = regraft.rank(examples, [nets], cache=kept)

    def timeless(found):
        return [replace(item, seconds=0.0) for item in found.ranking], found.verdict, found.baselines

    assert timeless(again) == timeless(record)


def test_the_order_of_sources_does_not_matter(record, nets, examples, kept):
    paths = [nets / "deep" / "deeper" / "constant.keras", nets / "labelled.keras", nets / "deep" / "nothing.keras"]
    again = regraft.rank(examples, paths, cache=kept)
    assert [(item.source, item.score) for item in again.ranking] == [
        (item.source, item.score) for item in record.ranking
    ]


def test_live_models_and_opened_sources_are_sources(examples, nets, kept):
    live = learnt("nothing")
    opened = regraft.open(keras.models.load_model(nets / "labelled.keras"))
    found = regraft.rank(examples, [live, opened], cache=kept)
    assert [item.source for item in found.ranking] == ["model 'labelled'", "model 'nothing'"]


def test_a_source_that_takes_something_else_is_refused(examples, nets, kept, tmp_path):
    keras.Sequential([keras.Input((7,)), keras.layers.Dense(3, name="dense")], name="rows").save(
        tmp_path / "rows.keras"
    )
    found = regraft.rank(examples, [nets / "labelled.keras", tmp_path / "rows.keras", tmp_path / "absent"], cache=kept)
    assert names(found) == ["labelled.keras"]
    assert "expected an input that takes pictures" in found.refused[0].reason
    assert "no file or folder" in found.refused[1].reason


def test_sources_that_all_fail_are_an_error(examples, kept, tmp_path):
    (tmp_path / "net.keras").write_bytes(b"")
    with pytest.raises(SourceError, match=r"the only source cannot be used for these examples: .* is empty"):
        regraft.rank(examples, tmp_path / "net.keras", cache=kept)


def test_a_folder_without_sources_is_an_error(examples, tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(RequestError, match="expected at least one source to rank, found none"):
        regraft.rank(examples, tmp_path)


def test_useless_sources_are_called_poor(nets, kept):
    x, y = digits()
    shuffled = np.random.default_rng(0).permutation(y)
    found = regraft.rank((x[:200], shuffled[:200]), nets / "labelled.keras", cache=kept)
    assert "All sources are poor: the best is no better than the most frequent class." in found.verdict


def test_a_forced_size_is_that_of_all(examples, nets, kept):
    found = regraft.rank(examples, nets / "labelled.keras", input_size=8, cache=kept)
    assert found.ranking[0].input_size == 8
    found = regraft.rank(examples, [nets / "labelled.keras", learnt("nothing")], input_size=8, cache=kept)
    assert {item.input_size for item in found.ranking} == {8}


def test_a_model_for_the_same_classes_is_named_first(mine, examples, nets, kept):
    found = regraft.rank(examples, [mine.folder.parent, nets / "deep" / "nothing.keras"], cache=kept)
    (known,) = found.known
    assert known.source == str(mine.folder / "model.keras")
    assert known.same_data
    assert known.accuracy == mine.record.metrics["test"].accuracy
    assert found.verdict.startswith(f"There is a model for classes of these names already: '{known.source}', ")
    assert found.verdict.split(". ")[1].startswith("It was made from these very examples")
    # It remembers these examples, so that its probe says nothing.
    assert [item.trained_on_these for item in found.ranking] == [False, True]
    assert "learnt from these very examples" in found.ranking[-1].note


def test_a_copy_of_what_has_learnt_from_these_examples_is_told_to_know_them(mine, examples, nets, kept, tmp_path):
    original, copy = mine.folder / "model.keras", tmp_path / "copy.keras"
    shutil.copy(original, copy)
    found = regraft.rank(examples, [copy, mine.folder.parent, nets / "deep" / "nothing.keras"], cache=kept)
    assert [each.source for each in found.refused] == [str(original)]
    assert [(item.source, item.trained_on_these) for item in found.ranking] == [
        (str(nets / "deep" / "nothing.keras"), False),
        (str(copy), True),
    ]


def test_networks_that_differ_in_their_answer_alone_are_both_ranked(examples, nets, kept, tmp_path):
    trunk = keras.models.load_model(nets / "labelled.keras")
    hidden = trunk.get_layer("hidden").output
    # No cut is made above a layer of this name: what is computed for the ranking is the same in both.
    for name in ("one", "two"):
        answer = keras.layers.Dense(5, name="head")(hidden)
        keras.Model(trunk.inputs, answer, name=name).save(tmp_path / f"{name}.keras")
    found = regraft.rank(examples, tmp_path, cache=kept)
    assert {item.source for item in found.ranking} == {str(tmp_path / f"{name}.keras") for name in ("one", "two")}
    assert len({tuple(item.scores.items()) for item in found.ranking}) == 1


def test_a_model_for_classes_of_these_names_is_asked_what_it_answers_as_it_is(mine, nets, kept):
    x, y = digits()
    # The test examples of the run, now to learn from: other data than it was made from.
    given = (x[260:380], y[260:380])
    found = regraft.rank(given, [nets / "labelled.keras", mine.folder.parent], cache=kept)
    (known,) = found.known
    assert not known.same_data
    assert known.classes == 5
    looked_at = found.ranking[0].examples
    assert known.here.value == pytest.approx(mine.record.metrics["test"].accuracy.value, abs=0.05)
    assert 60 < looked_at < 120
    assert f"and about {known.here.value:.1%} of these as it is." in found.verdict
    note = {item.source: item.note for item in found.ranking}
    assert note[known.source] == "it tells classes of these names apart already"


@pytest.fixture
def one_rate(monkeypatch):
    """What is fitted to confirm a ranking is fitted at one rate, with nothing beside it."""
    monkeypatch.setattr(confirming, "RATES", confirming.RATES[:1])
    monkeypatch.setattr(asking, "Plan", partial(Plan, baselines="no"))


@pytest.mark.usefixtures("one_rate")
def test_confirmed_sources_come_first_with_what_fitting_gave(examples, nets, kept, tmp_path, monkeypatch):
    # What is compared is the same whatever learns.
    monkeypatch.setattr(confirming, "FineTuneSpec", partial(FineTuneSpec, "no"))
    found = regraft.rank(examples, nets, confirm=2, out=tmp_path / "runs", cache=kept)
    first, second, third = found.ranking
    assert first.confirmed.value >= second.confirmed.value
    assert third.confirmed is None
    for item in (first, second):
        run = regraft.load(item.run).record
        assert item.confirmed == run.metrics["validation"].accuracy
    assert f"Reuse '{first.source}'. Fitted, '{first.source}' has {first.confirmed.value:.1%}" in found.verdict
    assert "120 test examples" in found.verdict


def test_with_a_time_budget_the_first_is_fitted_by_searching(examples, nets, kept, tmp_path, monkeypatch):
    # Heads are tried in any case, and that is a search.
    monkeypatch.setattr(halving, "work", lambda *_: None)
    found = regraft.rank(
        examples, nets / "labelled.keras", confirm=1, time_budget=25, out=tmp_path / "runs", cache=kept, seed=3
    )
    run = regraft.load(found.ranking[0].run).record
    assert found.ranking[0].confirmed == run.metrics["validation"].accuracy
    assert run.seconds["search"] > 0
    assert (run.plan.seed, run.plan.baselines) == (3, "no")


def test_time_that_is_up_before_anything_is_known_is_told(examples, nets, tmp_path, monkeypatch):
    monkeypatch.setattr(rounds, "SIZES", ())
    with pytest.raises(SourceError, match="time was up before this was looked at"):
        regraft.rank(examples, nets, time_budget=0.01, cache=tmp_path)


@pytest.mark.usefixtures("hearing")
def test_ctrl_c_shows_what_is_known(examples, nets, tmp_path, monkeypatch):
    from regraft.recipes.ranking.looking import Looker

    look, seen = Looker.look, []

    def interrupted(self, candidate, size):
        if len(seen) == 1:
            signal.raise_signal(signal.SIGINT)
        seen.append(candidate.name)
        return look(self, candidate, size)

    monkeypatch.setattr(Looker, "look", interrupted)
    found = regraft.rank(examples, [nets / "labelled.keras", nets / "deep"], cache=tmp_path)
    assert found.interrupted
    assert names(found) == ["labelled.keras"]
    assert [each.reason for each in found.refused] == ["it was ended by hand before this was looked at"] * 2
    assert "There was no time to look at 2 more." in found.verdict


def test_the_cache_is_where_it_was_said(ranked):
    _, cache = ranked
    assert Store(cache).entries()


def test_counts_below_zero_are_refused(examples, nets):
    with pytest.raises(RequestError, match="expected to confirm 0 sources or more, found -1"):
        regraft.rank(examples, nets, confirm=-1)


@pytest.mark.usefixtures("one_rate")
def test_the_catalogue_is_ranked_and_what_is_fitted_from_it_is_the_same(examples, nets, kept, tmp_path, monkeypatch):
    monkeypatch.setattr(confirming, "FineTuneSpec", partial(FineTuneSpec, epochs=2))
    from regraft.recipes.cataloguing.adding import add

    zoo = tmp_path / "zoo"
    for path in (nets / "labelled.keras", nets / "deep" / "nothing.keras"):
        add(path, name=path.stem, zoo=zoo)
    found = regraft.rank(examples, "zoo:", zoo=zoo, confirm=1, out=tmp_path / "runs", cache=kept)
    assert [item.source for item in found.ranking] == ["zoo:labelled@1", "zoo:nothing@1"]
    assert found.ranking[0].confirmed is not None
    # The same network under another address is the same activations: nothing of them is computed again.
    direct = regraft.rank(examples, [nets / "labelled.keras", nets / "deep" / "nothing.keras"], cache=kept)
    assert [item.scores for item in direct.ranking] == [item.scores for item in found.ranking]


def test_texts_are_not_given_to_what_its_card_says_takes_pictures(examples, nets, kept, tmp_path):
    from regraft.recipes.cataloguing.adding import add

    rows = [f"{word} {number},{word}" for number in range(20) for word in ("good", "bad")]
    (tmp_path / "texts.csv").write_text("\n".join(["text,label", *rows]))
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    hidden = keras.layers.GlobalMaxPooling1D(name="pool")(keras.layers.Embedding(80, 8, name="embedding")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(4, activation="relu", name="dense")(hidden), name="words")
    run = regraft.fit(tmp_path / "texts.csv", model, out=tmp_path / "run", fine_tune="no", baselines="no", cache=kept)
    add(run.folder, name="words", zoo=tmp_path / "zoo")
    found = regraft.rank(examples, ["zoo:", nets / "labelled.keras"], zoo=tmp_path / "zoo", cache=kept)
    assert [each.reason for each in found.refused] == ["it takes texts, and these examples are pictures or arrays"]
