"""The folder of activations."""

import json
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from regraft.activations import shard
from regraft.activations.store import Store, default_folder, default_limit
from regraft.activations.usage import Usage
from regraft.core.errors import RequestError, StorageError
from regraft.core.progress import collecting_warnings

_ROWS = np.arange(8, dtype="float32").reshape(4, 2)


def test_rows_of_several_files_are_gathered_in_the_order_that_is_asked_for(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = store.append("key", {}, ["a", "b"], _ROWS[:2])
    store.append("key", {}, ["c", "d"], _ROWS[2:])
    assert (made.path.parent, len(made)) == (store.folder / "ke" / "key", 2)
    found = store.open("key")
    assert np.array_equal(found.gather(["d", "a", "a"]), _ROWS[[3, 0, 0]])
    assert found.gather([]).shape == (0, 2)
    with pytest.raises(KeyError):
        found.gather(["e"])
    with pytest.raises(ValueError, match="expected a row for each of 1 ids, found 2 rows"):
        store.append("key", {}, ["e"], _ROWS[:2])


def test_nothing_is_kept_under_an_unknown_key(tmp_path: Path) -> None:
    found = Store(tmp_path).open("key")
    assert (len(found), found.files) == (0, [])
    assert not list(tmp_path.iterdir())


def test_the_same_examples_make_one_file_whoever_computes_them(tmp_path: Path) -> None:
    for _ in range(2):
        Store(tmp_path).append("key", {}, ["a", "b"], _ROWS[:2])
    assert len(list(tmp_path.rglob("*.rows"))) == 1
    Store(tmp_path).append("key", {}, ["b", "a"], _ROWS[:2])
    assert len(list(tmp_path.rglob("*.rows"))) == 2


def test_entries_say_what_they_hold_most_recently_used_first(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append("old", {"cut_point": "conv"}, ["a"], _ROWS[:1])
    store.append("new", {"cut_point": "top"}, ["a", "b"], _ROWS[:2])
    store.note("new", Usage(computed=2, seconds=4.0, data=("flowers",)))
    store.note("new", Usage(served=5, data=("birds",)))
    stamp = time.time()
    for key, age in (("old", 10), ("new", 5)):
        os.utime(store.folder / key[:2] / key / "about.json", (stamp - age, stamp - age))
    entries = store.entries()
    assert [(entry.key, entry.about["cut_point"], entry.examples) for entry in entries] == [
        ("new", "top", 2),
        ("old", "conv", 1),
    ]
    assert (entries[0].data, entries[0].served, entries[0].saved_seconds) == (("flowers", "birds"), 5, 10.0)
    assert (entries[1].data, entries[1].served, entries[1].saved_seconds, entries[1].in_use) == ((), 0, 0.0, "")
    assert json.loads((store.folder / "ol" / "old" / "about.json").read_text()) == {"key": "old", "cut_point": "conv"}
    store.open("old")
    assert store.entries()[0].key == "old"
    with store.computing({"old": 1}):
        assert store.entries()[0].in_use == f"process {os.getpid()}"


def test_entries_can_be_told_when_their_files_are_damaged(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append("key", {}, ["a"], _ROWS[:1])
    (store.folder / "ke" / "key" / "about.json").write_text("{")
    next(store.folder.rglob("*.rows")).write_bytes(b"nothing")
    (entry,) = store.entries()
    assert (entry.key, entry.about, entry.examples, entry.bytes) == ("key", {"key": "key"}, 0, 8)


def test_clearing_says_what_was_freed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append("key", {}, ["a"], _ROWS[:1])
    size = sum(path.stat().st_size for path in store.folder.rglob("*") if path.is_file())
    assert store.clear() == size
    assert store.clear() == 0
    assert len(store.open("key")) == 0


def test_who_has_opened_an_entry_reads_on_when_it_is_cleared(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append("key", {}, list("abcd"), _ROWS)
    found = Store(tmp_path).open("key")
    store.clear()
    assert found.holds(["a", "e"]).tolist() == [True, False]
    assert np.array_equal(found.gather(list("dcba")), _ROWS[::-1])


def test_writing_goes_on_while_another_clears(tmp_path: Path) -> None:
    over = threading.Event()

    def clear() -> None:
        while not over.wait(0.01):
            Store(tmp_path).clear()

    thread = threading.Thread(target=clear)
    thread.start()
    store = Store(tmp_path)
    rows = store.open("key")
    try:
        for number in range(100):
            rows.add(store.append("key", {}, [str(number)], np.full((1, 2), number, "float32")))
    finally:
        over.set()
        thread.join()
    wanted = np.repeat(np.arange(100.0)[:, None], 2, axis=1)
    assert np.array_equal(rows.gather([str(number) for number in range(100)]), wanted)


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
        assert len(store.open("key")) == 0
    assert warnings == []


def test_the_folder_and_the_limit_are_those_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGRAFT_CACHE", str(tmp_path))
    assert default_folder() == tmp_path
    assert Store().folder == tmp_path / "activations"
    monkeypatch.delenv("REGRAFT_CACHE")
    assert default_folder().name == "regraft"
    monkeypatch.setenv("REGRAFT_CACHE_LIMIT", "2.5GB")
    assert default_limit() == 2_500_000_000
    monkeypatch.setenv("REGRAFT_CACHE_LIMIT", "much")
    with pytest.raises(RequestError, match="expected REGRAFT_CACHE_LIMIT such as 500MB or 2GB, found 'much'"):
        Store()
    monkeypatch.delenv("REGRAFT_CACHE_LIMIT")
    assert default_limit() is None


def test_a_place_that_cannot_be_written_to_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "activations").write_text("a file")
    with pytest.raises(StorageError, match=r"cannot write '.*': Not a directory; name another place"):
        Store(tmp_path).append("key", {}, ["a"], _ROWS[:1])
