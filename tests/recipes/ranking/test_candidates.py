"""What is a source among files, folders, runs and addresses, and what is known of it before it is opened."""

import json
import shutil

import numpy as np
import pytest

import regraft
from regraft.core import safetensors
from regraft.core.errors import RequestError
from regraft.core.ranking import Refused
from regraft.recipes.ranking import candidates
from tests.recipes.ranking.sources import learnt


@pytest.fixture(scope="module")
def run(examples, nets, tmp_path_factory):
    """A finished run, in a folder of runs."""
    out = tmp_path_factory.mktemp("runs") / "mine"
    regraft.fit(examples, nets / "labelled.keras", out=out, fine_tune="no", baselines="no", cache=out.parent / "cache")
    return out


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A folder where Keras keeps the weights that it downloads, with one file in it."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mobilenet_2_5_224_tf_no_top.h5").write_bytes(b"not really weights")


@pytest.fixture
def catalogue(run, tmp_path, monkeypatch):
    """The folder of a catalogue with the run in it."""
    from regraft.recipes.cataloguing.adding import add

    monkeypatch.setenv("REGRAFT_ZOO", str(tmp_path / "zoo"))
    add(run, name="numbers")
    return tmp_path / "zoo"


def names(found):
    return [candidate.name for candidate in found.found]


def test_a_folder_is_looked_through_and_what_is_no_network_is_passed_over(nets, tmp_path):
    shutil.copytree(nets, tmp_path / "nets")
    (tmp_path / "nets" / ".hidden").mkdir()
    shutil.copy(nets / "labelled.keras", tmp_path / "nets" / ".hidden" / "copy.keras")
    (tmp_path / "nets" / "loop").symlink_to(tmp_path)
    found = candidates.gather([tmp_path])
    inside = tmp_path / "nets"
    assert names(found) == [
        str(inside / "deep" / "deeper" / "constant.keras"),
        str(inside / "deep" / "nothing.keras"),
        str(inside / "labelled.keras"),
    ]
    (refused,) = found.refused
    assert refused.source == str(inside / "cut.keras")


def bare(path):
    """A file of tensors that says nothing of what they are of."""
    path.write_bytes(safetensors.to_bytes({"weight": np.zeros((2, 3), np.float32)}))
    return path


def test_bare_tensors_hide_no_network_beside_them(nets, tmp_path):
    shutil.copy(nets / "labelled.keras", tmp_path / "a.keras")
    bare(tmp_path / "b.safetensors")
    (tmp_path / "deep").mkdir()
    shutil.copy(nets / "labelled.keras", tmp_path / "deep" / "c.keras")
    bare(tmp_path / "deep" / "d.safetensors")
    expected = [str(tmp_path / name) for name in ("a.keras", "b.safetensors", "deep/c.keras", "deep/d.safetensors")]
    assert names(candidates.gather([tmp_path])) == expected
    # Two files without an index are two sets of tensors.
    shutil.copytree(tmp_path / "deep", tmp_path / "two")
    (tmp_path / "two" / "c.keras").unlink()
    bare(tmp_path / "two" / "e.safetensors")
    assert names(candidates.gather([tmp_path / "two"])) == [
        str(tmp_path / "two" / name) for name in ("d.safetensors", "e.safetensors")
    ]


def test_what_is_damaged_beside_bare_tensors_is_told(nets, tmp_path):
    bare(tmp_path / "b.safetensors")
    shutil.copy(nets / "cut.keras", tmp_path)
    found = candidates.gather([tmp_path])
    assert names(found) == [str(tmp_path / "b.safetensors")]
    assert [each.source for each in found.refused] == [str(tmp_path / "cut.keras")]


@pytest.mark.parametrize("described", ["config.json", "regraft.json"])
def test_a_folder_of_tensors_with_what_describes_them_is_one_source(described, nets, tmp_path):
    for number in (1, 2):
        bare(tmp_path / f"model-{number}.safetensors")
    shutil.copy(nets / "labelled.keras", tmp_path / "tf_model.keras")
    (tmp_path / described).write_text("{}")
    assert names(candidates.gather([tmp_path])) == [str(tmp_path)]


def test_shards_are_one_source_with_their_index_and_so_is_a_checkpoint(nets, tmp_path):
    shards = tmp_path / "shards"
    shards.mkdir()
    for number in (1, 2):
        bare(shards / f"model-{number}.safetensors")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (shards / "model.safetensors.index.json").write_text(json.dumps(index))
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "step.index").write_bytes(bytes(40) + bytes.fromhex("57fb808b247547db"))
    (checkpoint / "step.data-00000-of-00001").write_bytes(bytes(40))
    assert names(candidates.gather([shards])) == [str(shards)]
    assert names(candidates.gather([checkpoint])) == [str(checkpoint)]
    for folder, file in ((shards, "model.safetensors.index.json"), (checkpoint, "step.index")):
        shutil.copy(nets / "labelled.keras", folder / "beside.keras")
        assert names(candidates.gather([folder])) == [str(folder / "beside.keras"), str(folder / file)]


def test_a_run_is_a_source_that_tells_what_it_is(run, examples):
    (found,) = candidates.gather([run]).found
    assert found.name == str(run / "model.keras")
    assert found.classes == ("0", "1", "2", "3", "4")
    assert found.data_digest == regraft.open_data(examples).digest()
    assert found.measured_on == "test"
    assert found.accuracy == regraft.load(run).record.metrics["test"].accuracy


def test_runs_are_found_below_a_folder_and_one_that_is_damaged_is_told(run, tmp_path):
    shutil.copytree(run, tmp_path / "good")
    shutil.copytree(run, tmp_path / "torn")
    (tmp_path / "torn" / "run.json").write_text('{"run": ')
    found = candidates.gather([tmp_path])
    assert names(found) == [str(tmp_path / "good" / "model.keras")]
    (refused,) = found.refused
    assert refused == Refused(str(tmp_path / "torn"), refused.reason)
    assert "is not the record of a run" in refused.reason


def test_a_source_that_is_named_twice_is_one(nets):
    path = nets / "labelled.keras"
    assert names(candidates.gather([path, str(path), path])) == [str(path)]


def test_models_have_names_and_addresses_stay_as_they_are():
    model = learnt("nothing")
    found = candidates.gather([model, "keras:MobileNet?alpha=0.25"])
    assert names(found) == ["model 'nothing'", "keras:MobileNet?alpha=0.25"]
    # As its authors published it.
    assert found.found[1].quality == pytest.approx(0.506, abs=0.01)
    assert found.found[0].quality is None
    assert candidates.gather(["keras:MobileNet?alpha=0.25&weights=none"]).found[0].quality is None


def test_without_a_word_it_is_what_is_here(weights, catalogue):
    assert names(candidates.gather(None)) == ["zoo:numbers@1", "keras:MobileNet?alpha=0.25"]


def test_nothing_here_is_told_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("REGRAFT_ZOO", str(tmp_path / "zoo"))
    with pytest.raises(
        RequestError, match="found no network in the catalogue and none that Keras has downloaded; name"
    ):
        candidates.require(None)


def test_models_of_the_catalogue_tell_what_their_cards_say(catalogue, run):
    for source in ("zoo:", "zoo:numbers", "zoo:numbers@1"):
        (found,) = candidates.gather([source]).found
        assert found.source == found.name == "zoo:numbers@1"
        assert found.classes == ("0", "1", "2", "3", "4")
        assert found.accuracy == regraft.load(run).record.metrics["test"].accuracy
        assert found.data_digest == candidates.gather([run]).found[0].data_digest


def test_a_damaged_card_and_one_that_is_not_there_are_told(catalogue, nets):
    (path,) = (catalogue / "cards").rglob("1.json")
    found = candidates.gather([nets / "labelled.keras", "zoo:number", "zoo:numbers@7"])
    assert [each.source for each in found.refused] == ["zoo:number", "zoo:numbers@7"]
    assert "nearest known names: numbers" in found.refused[0].reason
    assert "has no version 7" in found.refused[1].reason
    path.write_text(path.read_text()[:500])
    found = candidates.gather([nets / "labelled.keras", "zoo:numbers"])
    assert len(found.found) == 1
    assert "numbers@1" in found.refused[0].reason
