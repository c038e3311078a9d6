"""`regraft zoo`, and `zoo:NAME` as a source."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import regraft
from tests.cli.conftest import QUICK, network


@pytest.fixture(scope="module")
def zoo(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue with the network and the run that was made of it."""
    from regraft.cli import main

    folder = tmp_path_factory.mktemp("filled")
    assert main(["zoo", "add", str(place / "network.keras"), "--zoo", str(folder), "--tag", "tiny"]) == 0
    words = ["zoo", "add", str(place / "run"), "--name", "colours", "--zoo", str(folder), "--licence", "MIT"]
    assert main(words) == 0
    return folder


def test_a_network_that_was_added_is_listed_and_opens_as_it_was(place, say, tmp_path, monkeypatch):
    monkeypatch.setenv("REGRAFT_ZOO", str(tmp_path))
    said = say("zoo", "add", place / "network.keras", "--json")
    assert said.status == 0, said.err
    assert (said.document["name"], said.document["version"], said.document["is_new"]) == ("network", 1, True)
    (listed,) = say("zoo", "list", "--json").document["models"]
    assert (listed["name"], listed["kind"], listed["parameters"]) == ("network", "network", 444)
    file, ours = regraft.open(place / "network.keras"), regraft.open("zoo:network")
    pictures = np.random.default_rng(0).uniform(0, 255, (3, 16, 16, 3)).astype(np.float32)
    # Not close: the same network with the same weights.
    assert np.array_equal(file.model.predict(pictures, verbose=0), ours.model.predict(pictures, verbose=0))
    assert ours.source == "zoo:network@1"
    assert file.inputs == ours.inputs


def test_a_run_shares_its_frozen_layers_with_its_source_and_names_it(zoo, say):
    card = say("zoo", "show", "colours", "--zoo", zoo, "--json").document["card"]
    assert (card["kind"], card["task"], card["licence"]) == ("run", "image-classification", "MIT")
    assert card["classes"] == ["blue", "green", "red"]
    assert card["lineage"]["parent"] == "network@1"
    assert card["lineage"]["shared"] == 2
    assert card["data"]["examples"] == {"train": 31, "validation": 5, "test": 6}
    assert card["metrics"]["test"]["examples"] == 6
    assert card["certificate"]["frozen_unchanged"] is True
    shown = say("zoo", "show", "network", "--zoo", zoo, "--json").document
    assert shown["children"] == ["colours@1"]
    assert shown["sharing"] == {"colours@1": 2}
    assert "made of" in say("zoo", "show", "colours", "--zoo", zoo).out


def test_fit_takes_a_model_of_the_catalogue_and_writes_down_its_version(zoo, place, say, tmp_path):
    zoo = shutil.copytree(zoo, tmp_path / "zoo")
    said = say("fit", place / "pictures", "--source", "zoo:network", "--zoo", zoo, "--out", tmp_path / "run", *QUICK)
    assert said.status == 0, said.err
    assert 'source = "zoo:network@1"' in (tmp_path / "run" / "plan.toml").read_text()
    added = say("zoo", "add", tmp_path / "run", "--zoo", zoo, "--name", "again", "--json").document
    assert added["card"]["lineage"]["parent"] == "network@1"


def test_inspect_tells_the_same_of_a_model_as_of_its_file(zoo, place, say):
    ours = say("inspect", "zoo:network", "--zoo", zoo, "--json").document
    file = say("inspect", place / "network.keras", "--json").document
    assert ours["path"] == "zoo:network@1"
    for key in ("parameters", "tensors", "layers", "cut_points"):
        assert ours[key] == file[key]


def test_models_are_found_by_words_and_filters(zoo, say):
    def found(*words: Any) -> list[str]:
        return [model["name"] for model in say("zoo", *words, "--zoo", zoo, "--json").document["models"]]

    assert found("search", "green") == ["colours"]
    assert found("search", "TINY") == ["network"]
    assert "colours" in found("search", "conv")
    assert found("search", "nothing-of-the-kind") == []
    assert found("list", "--kind", "network") == ["network"]
    assert found("list", "--licence", "MIT", "--kind", "run") == ["colours"]
    assert found("list", "--most-parameters", "0.1k") == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--tag", "tinny"], "none has the tag 'tinny'; nearest known names: tiny"),
        (["--licence", "BSD"], "none has the licence 'BSD'; known names: MIT"),
        (["--task", "image-clasification"], "none has the task 'image-clasification'; nearest known names: image-cl"),
        (["--kind", "pretraining"], "none has the kind 'pretraining'; known names: network, run"),
        (["--classes", "7"], "none tells 7 classes apart; some tell 3"),
        (["--most-parameters", "0.1k"], "the smallest has "),
        (["--least-accuracy", "1", "--tag", "a"], "none has the tag 'a'"),
        (["--licence", "MIT", "--tag", "tiny"], "no one has all of it"),
    ],
)
def test_filters_that_leave_nothing_say_what_there_is(zoo, say, words, expected):
    for action in (["list"], ["search", "conv"]):
        said = say("zoo", *action, *words, "--zoo", zoo)
        assert said.status == 0
        assert "none of 2 models fits: " in said.out
        assert expected in said.out
    assert "puts one there" not in said.out


def test_an_empty_catalogue_says_how_it_is_filled_and_words_that_nothing_has_find_nothing(zoo, say, tmp_path):
    assert "0 models in" in (said := say("zoo", "list", "--tag", "a", "--zoo", tmp_path / "new").out)
    assert "regraft zoo add MODEL puts one there" in said
    assert "0 models for 'zebra'" in say("zoo", "search", "zebra", "--tag", "a", "--zoo", zoo).out


def test_licences_tags_and_tasks_are_compared_without_regard_to_case(zoo, say):
    def found(*words: str) -> list[str]:
        return [model["name"] for model in say("zoo", "list", *words, "--zoo", zoo, "--json").document["models"]]

    assert found("--licence", "mit") == ["colours"]
    assert found("--tag", "Tiny") == ["network"]
    assert found("--task", "Image-Classification", "--kind", "run") == ["colours"]


def test_an_accuracy_in_percent_is_refused_with_the_part_of_one(zoo, say):
    refusal = say("zoo", "list", "--least-accuracy", "93", "--zoo", zoo).refusal
    assert "expected an accuracy from 0 to 1, such as 0.9, found '93'; 93 % is 0.93" in refusal
    for wrong in ("-0.1", "nan", "93%", "101"):
        refusal = say("zoo", "list", f"--least-accuracy={wrong}", "--zoo", zoo).refusal
        assert f"such as 0.9, found '{wrong}';" in refusal
        assert " % is" not in refusal


def test_filters_that_leave_no_published_network_say_what_there_is(say):
    said = say("zoo", "list", "--zoo", "keras", "--licence", "MTI")
    assert "networks fits: none has the licence 'MTI'" in said.out
    assert "the smallest has " in say("zoo", "list", "--zoo", "keras", "--most-parameters", "1k").out
    assert "the best is " in say("zoo", "search", "mobilenet", "--zoo", "keras", "--least-accuracy", "1").out
    assert "no network that is called so" in say("zoo", "search", "zebra", "--zoo", "keras").out


def test_what_is_not_there_is_told_with_what_is(zoo, say):
    said = say("zoo", "show", "netwrk", "--zoo", zoo)
    assert said.status == 2
    assert said.refusal.endswith("found 'netwrk'; nearest known names: network")
    assert str(zoo) in said.refusal
    assert "'network' has no version 7" in say("inspect", "zoo:network@7", "--zoo", zoo).refusal
    assert "expected NAME or NAME@VERSION" in say("zoo", "show", "network@x", "--zoo", zoo).refusal
    assert say("fit", "nowhere", "--source", "zoo:nothing", "--zoo", zoo).status == 2


def test_a_name_that_belongs_to_other_weights_is_refused_unless_it_is_said(zoo, say, tmp_path):
    other = network(channels=1)
    (tmp_path / "x").mkdir()
    other.save(tmp_path / "x" / "network.keras")
    said = say("zoo", "add", tmp_path / "x" / "network.keras", "--zoo", zoo)
    assert said.status == 2
    assert "'network@1' in" in said.refusal
    assert "say --name network to make this version 2 of it" in said.refusal


def test_adding_again_changes_nothing(zoo, place, say):
    said = say("zoo", "add", place / "network.keras", "--zoo", zoo, "--tag", "tiny", "--json").document
    assert (said["version"], said["is_new"], said["stored"]) == (1, False, 0)


def test_a_damaged_part_is_named_with_its_layer_and_healed_by_adding_again(place, say, tmp_path):
    words = ("--zoo", tmp_path)
    added = say("zoo", "add", place / "network.keras", *words, "--json").document
    layer = next(layer for layer in added["card"]["architecture"]["layers"] if layer["name"] == "conv2")
    part = tmp_path / "parts" / layer["digest"][:2] / layer["digest"]
    content = bytearray(part.read_bytes())
    content[-1] ^= 1
    part.write_bytes(bytes(content))
    said = say("inspect", "zoo:network", *words)
    assert said.status == 0
    said = say("convert", "zoo:network", tmp_path / "out.keras", *words)
    assert said.status == 1
    assert "was altered: layer 'conv2' of 'network@1'; add the model again" in said.refusal
    verified = say("zoo", "verify", *words, "--json")
    assert verified.status == 1
    assert verified.document["holds"] is False
    assert verified.document["damage"][0]["models"] == ["network@1"]
    assert say("zoo", "verify", "--repair", *words).status == 1
    assert say("zoo", "add", place / "network.keras", *words).status == 0
    assert say("zoo", "verify", *words).status == 0


def test_a_version_that_was_removed_is_not_given_again(place, say, tmp_path):
    words = ("--zoo", tmp_path)
    say("zoo", "add", place / "network.keras", *words)
    removed = say("zoo", "remove", "network", *words, "--json").document
    assert removed["removed"] == ["network@1"]
    assert removed["freed"] > 0
    assert not [path for path in (tmp_path / "parts").rglob("*") if path.is_file()]
    assert say("zoo", "list", *words, "--json").document["models"] == []
    assert say("zoo", "add", place / "network.keras", *words, "--json").document["version"] == 2
    assert "'network@1' was removed" in say("zoo", "show", "network@1", *words).refusal
