"""The folder of activations."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from regraft.activations import shard
from regraft.activations.store import Store, default_folder
from regraft.core.errors import StorageError
from regraft.core.progress import collecting_warnings

_ROWS = np.arange(8, dtype="float32").reshape(4, 2)


def test_rows_of_several_files_are_gathered_in_the_order_that_is_asked_for(tmp_path: Path) -> None:
    store = Store(tmp_path)
    mapped = store.append("key", {}, ["a", "b"], _ROWS[:2])
    store.append("key", {}, ["c", "d"], _ROWS[2:])
    assert isinstance(mapped, np.memmap)
    assert np.array_equal(mapped, _ROWS[:2])
    found = store.open("key")
    assert np.array_equal(found.gather(["d", "a", "a"]), _ROWS[[3, 0, 0]])
    assert found.gather([]).shape == (0, 2)
    with pytest.raises(KeyError):
        found.gather(["e"])


def test_nothing_is_kept_under_an_unknown_key(tmp_path: Path) -> None:
    assert Store(tmp_path).open("key").places == {}
    assert not list(tmp_path.iterdir())


def test_entries_say_what_they_hold_most_recently_used_first(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append("old", {"cut_point": "conv"}, ["a"], _ROWS[:1])
    store.append("new", {"cut_point": "top"}, ["a", "b"], _ROWS[:2])
    stamp = time.time()
    for key, age in (("old", 10), ("new", 5)):
        os.utime(store.folder / key[:2] / key / "about.json", (stamp - age, stamp - age))
    assert [(entry.key, entry.about["cut_point"], entry.examples) for entry in store.entries()] == [
        ("new", "top", 2),
        ("old", "conv", 1),
    ]
    assert json.loads((store.folder / "ol" / "old" / "about.json").read_text()) == {"key": "old", "cut_point": "conv"}
    store.open("old")
    assert store.entries()[0].key == "old"


def test_entries_can_be_told_when_their_files_are_damaged(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append("key", {}, ["a"], _ROWS[:1])
    (store.folder / "ke" / "key" / "about.json").write_text("{")
    next(store.folder.rglob("*.rows")).write_bytes(b"nothing")
    (entry,) = store.entries()
    assert (entry.key, entry.about, entry.examples, entry.bytes) == ("key", {"key": "key"}, 0, 7)


def test_clearing_says_what_was_freed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append("key", {}, ["a"], _ROWS[:1])
    size = next(store.folder.rglob("*.rows")).stat().st_size
    assert store.clear() == size
    assert store.clear() == 0
    assert store.open("key").places == {}


def test_a_file_that_goes_away_while_the_folder_is_read_is_nobodys_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    store.append("key", {}, ["a"], _ROWS[:1])
    read = shard.read

    def removed(path: Path) -> shard.Shard:
        path.unlink()
        return read(path)

    monkeypatch.setattr(shard, "read", removed)
    with collecting_warnings() as warnings:
        assert store.open("key").places == {}
    assert warnings == []


def test_the_folder_is_the_one_that_the_environment_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGRAFT_CACHE", str(tmp_path))
    assert default_folder() == tmp_path
    assert Store().folder == tmp_path / "activations"
    monkeypatch.delenv("REGRAFT_CACHE")
    assert default_folder().name == "regraft"


def test_a_place_that_cannot_be_written_to_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "activations").write_text("a file")
    with pytest.raises(StorageError, match=r"cannot write '.*': Not a directory; name another place"):
        Store(tmp_path).append("key", {}, ["a"], _ROWS[:1])
