import json
import os
import re
import shutil
from pathlib import Path

import keras
import numpy as np

import regraft
from regraft.activations.compute import compute
from regraft.activations.engines import Wanted
from regraft.activations.store import Store
from regraft.activations.usage import Usage
from regraft.data import open as open_data


def test_info_and_clear(place, say, tmp_path):
    shutil.copytree(place / "cache", tmp_path / "cache")
    said = say("cache", "info", "--cache", tmp_path / "cache", "--json")
    assert said.status == 0
    made = said.document
    assert made["bytes"] == sum(entry["bytes"] for entry in made["entries"]) > 0
    assert {entry["examples"] for entry in made["entries"]} == {42}
    assert made["limit"] is None
    assert made["served"] == sum(entry["served"] for entry in made["entries"])
    for entry in made["entries"]:
        assert entry["data"]
        assert entry["about"]["dtype"] == "float32"
        assert all(Path(name).is_absolute() for name in (*entry["data"], *entry["sources"]))
    told = say("cache", "info", "--cache", tmp_path / "cache")
    network = f"{place / 'network.keras'} ('tiny'), for {place / 'pictures'}\n    "
    assert told.out.count(network) == 1
    assert re.search(r"\n    \d+ cut points; 42 examples at most; [\d.]+ kB in \d+ entries; used 20", told.out)
    every = say("cache", "info", "--all", "--cache", tmp_path / "cache")
    assert f"{place / 'network.keras'} ('tiny') at conv1\n    42 examples, " in every.out
    assert f"\n    for {place / 'pictures'}\n" in every.out
    assert ", view 0, float32, " in every.out
    freed = say("cache", "clear", "--cache", tmp_path / "cache", "--json").document["freed"]
    assert freed == made["bytes"]
    assert say("cache", "info", "--cache", tmp_path / "cache", "--json").document["entries"] == []


def test_the_folder_is_that_of_the_environment(say, tmp_path, monkeypatch):
    monkeypatch.setenv("REGRAFT_CACHE", str(tmp_path / "mine"))
    assert say("cache", "info", "--json").document["folder"].startswith(str(tmp_path / "mine"))


def test_what_was_saved_is_said(say, tmp_path):
    store = Store(tmp_path)
    store.append("a" * 32, {"network": "tiny", "cut_point": "top"}, ["one", "two"], np.eye(2, dtype="float32"))
    store.note("a" * 32, Usage(computed=2, seconds=5.0, data=("flowers",)))
    store.note("a" * 32, Usage(served=4, data=("flowers",)))
    with store.computing({"a" * 32: 1}):
        shown = [say("cache", "info", *more, "--cache", tmp_path).out for more in ((), ("--all",))]
    for told in shown:
        assert "    4 rows served, about 10.0 s saved\n" in told
        assert f"    process {os.getpid()} computes for it\n" in told
        assert told.endswith("4 rows served instead of computed: about 10.0 s saved\n")


def test_a_live_model_is_called_by_its_name_once(say, tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "relu", name="low")], name="mine")
    opened, examples = regraft.open(model), open_data(np.eye(3, dtype="float32"), labels=[0, 1, 1])
    wanted = [Wanted("low", True)]
    compute(opened.model, opened.inputs, examples, range(3), wanted, Store(tmp_path), source=opened.source)
    told = say("cache", "info", "--cache", tmp_path).out
    assert f"\n  model 'mine', for {examples.origin}\n    1 cut point; 3 examples at most; " in told
    assert "\n  model 'mine' at low\n    3 examples, " in say("cache", "info", "--all", "--cache", tmp_path).out


def test_entries_of_an_older_version_and_terminal_codes_are_shown_as_what_they_are(say, tmp_path):
    folder = tmp_path / "activations" / "aa" / ("a" * 32)
    folder.mkdir(parents=True)
    (folder / "about.json").write_text(json.dumps({"network": "\x1b[2J", "cut_point": "top"}))
    (folder / "0-1.rows").write_bytes(b"REGRAFT ROWS 2\n\0" + bytes(900))
    told = say("cache", "info", "--all", "--cache", tmp_path).out
    assert "\\x1b[2J at top\n    nothing that this version reads, " in told
    together = say("cache", "info", "--cache", tmp_path).out
    assert "\\x1b[2J\n    1 cut point; 0 examples at most; " in together
    assert "\x1b" not in told + together


def test_trimming_leaves_what_may_be_left(place, say, tmp_path, monkeypatch):
    shutil.copytree(place / "cache", tmp_path / "cache")
    words = ("cache", "trim", "--cache", tmp_path / "cache")
    said = say(*words)
    assert said.status == 2
    assert "expected how much is to be left, --cache-limit 20GB or REGRAFT_CACHE_LIMIT, found neither" in said.err
    before = say("cache", "info", "--cache", tmp_path / "cache", "--cache-limit", "10kB")
    assert (
        "\nabove the limit: the next run, or `regraft cache trim`, removes what was not used for longest" in before.out
    )
    assert "; what was used in the last ten minutes stays" in say(*words, "--cache-limit", "10kB").out
    for about in (tmp_path / "cache").rglob("about.json"):
        os.utime(about, (1000.0, 1000.0))
    held = say("cache", "info", "--cache", tmp_path / "cache", "--json").document["bytes"]
    made = say(*words, "--cache-limit", "10kB", "--json").document
    assert made["limit"] == 10_000 >= made["bytes"]
    assert made["freed"] == held - made["bytes"]
    told = say(*words, "--cache-limit", "10kB").out
    assert told.startswith("0 B freed in ")
    assert "above the limit" not in say("cache", "info", "--cache", tmp_path / "cache", "--cache-limit", "10kB").out


def test_an_action_that_there_is_not_names_those_that_there_are(say):
    said = say("cache", "foo")
    assert said.status == 2
    assert all(action in said.err for action in ("info", "trim", "clear"))


def test_the_limit_is_shown_and_what_is_no_size_is_one_line(say, tmp_path, monkeypatch):
    monkeypatch.setenv("REGRAFT_CACHE_LIMIT", "20GB")
    assert say("cache", "info", "--cache", tmp_path, "--json").document["limit"] == 20_000_000_000
    assert " of 20.0 GB in 0 entries in " in say("cache", "info", "--cache", tmp_path).out
    monkeypatch.setenv("REGRAFT_CACHE_LIMIT", "much")
    said = say("cache", "info", "--cache", tmp_path)
    assert said.status == 2
    assert "expected REGRAFT_CACHE_LIMIT such as 500MB or 2GB, found 'much'" in said.err
    said = say("fit", "flowers", "--source", "tiny.keras", "--cache-limit", "20 apples")
    assert said.status == 2
    assert "argument --cache-limit: expected a size such as 500MB or 2GB, found '20 apples'" in said.err
