"""How much the cache may take."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from regraft.activations import room
from regraft.activations.store import Store
from regraft.core import storage
from regraft.core.errors import StorageError
from tests.activations.said import saying

_ROWS = np.zeros((10, 2500), "float32")
_BYTES = 100_000


def _fill(folder: Path, names: str) -> None:
    """An entry of some 100 kB for each name, the first one used longest ago, of a process that is no more."""
    for name in names:
        Store(folder).append(name * 32, {}, [f"{number}" for number in range(10)], _ROWS)
    room._OPENED.clear()
    for place, name in enumerate(names):
        stamp = time.time() - 10_000 + place
        os.utime(folder / "activations" / (name * 2) / (name * 32) / "about.json", (stamp, stamp))


def _names(store: Store) -> str:
    return "".join(sorted(entry.key[0] for entry in store.entries()))


def test_the_least_recently_used_make_room_and_it_is_said_once(tmp_path: Path) -> None:
    _fill(tmp_path, "abcd")
    store = Store(tmp_path, limit=450_000)
    with saying() as said:
        store.require_room(2 * _BYTES)
    assert _names(store) == "cd"
    assert said == ["2 of the least recently used of the kept activations removed, 208 kB: 450 kB is the limit"]
    with saying() as said:
        store.append("e" * 32, {}, [str(number) for number in range(10)], _ROWS)
        store.append("f" * 32, {}, [str(number) for number in range(10)], _ROWS)
    assert said == []
    assert _names(store) == "cdef"
    assert sum(entry.bytes for entry in store.entries()) <= 450_000


def test_writing_keeps_to_the_limit_without_having_asked_before(tmp_path: Path) -> None:
    _fill(tmp_path, "abc")
    store = Store(tmp_path, limit=350_000)
    for name in "de":
        store.append(name * 32, {}, [str(number) for number in range(10)], _ROWS)
    assert _names(store) == "cde"


def test_what_is_in_use_stays(tmp_path: Path) -> None:
    _fill(tmp_path, "abc")
    store = Store(tmp_path, limit=320_000)
    assert len(store.open("a" * 32)) == 10
    Store(tmp_path).open("b" * 32)
    room._OPENED.clear()
    room.opened(store.folder / "cc" / ("c" * 32))
    # `a` and `b` were used just now, `c` is open in this process.
    message = (
        r"the activations need 100 kB, the limit of '.*activations' is 320 kB, of which 312 kB are in use; raise it "
        "with --cache-limit or REGRAFT_CACHE_LIMIT, keep less with --cache-budget, or use smaller pictures"
    )
    with pytest.raises(StorageError, match=message):
        store.require_room(_BYTES)
    assert _names(store) == "abc"


def test_an_error_says_what_the_whole_pass_still_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    store.require_room(5_000_000)
    store.append("a" * 32, {}, [str(number) for number in range(10)], _ROWS)
    monkeypatch.setattr(storage, "free_bytes", lambda path: 50_000)
    message = (
        r"the activations need 4.9 MB, '.*' has 50 kB free; free some space, name another folder with --cache or "
        "REGRAFT_CACHE, keep less with --cache-budget, or use smaller pictures"
    )
    with pytest.raises(StorageError, match=message):
        store.append("b" * 32, {}, [str(number) for number in range(10)], _ROWS)


def test_trimming_keeps_to_the_limit_but_for_what_is_in_use(tmp_path: Path) -> None:
    _fill(tmp_path, "abcd")
    assert Store(tmp_path).trim() == 0
    assert Store(tmp_path, limit=500_000).trim() == 0
    store = Store(tmp_path, limit=250_000)
    store.open("a" * 32)
    assert 200_000 < store.trim() < 210_000
    assert _names(store) == "ad"
    room._OPENED.clear()
    assert Store(tmp_path, limit=50_000).trim() > 100_000
    assert _names(store) == "a", "used in the last minutes"


def test_a_run_may_take_what_it_would_be_granted_and_what_it_has(tmp_path: Path) -> None:
    _fill(tmp_path, "abc")
    entries = {entry.key[0]: entry.bytes for entry in Store(tmp_path).entries()}
    store = Store(tmp_path, limit=450_000)
    # All of it could go.
    assert (store.left().bytes, store.left().own) == (450_000, 0)
    store.open("a" * 32)
    store.open("b" * 32)
    assert store.left().bytes == 450_000 - entries["a"] - entries["b"]
    ids = [str(number) for number in range(5)]
    found = store.left(lambda about: about["key"] == "b" * 32, ids)
    assert found.own == entries["b"] // 2
    assert found.bytes == 450_000 - entries["a"] - entries["b"] + found.own
    store.require_room(450_000 - entries["a"] - entries["b"])
    with pytest.raises(StorageError):
        store.require_room(450_001 - entries["a"] - entries["b"])
    assert Store(tmp_path, limit=50_000).left().bytes == 0


def test_without_a_limit_all_that_is_there_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fill(tmp_path, "ab")
    monkeypatch.setattr(storage, "total_bytes", lambda path: 600_000)
    taken = sum(entry.bytes for entry in Store(tmp_path).entries())
    assert Store(tmp_path).left().bytes == 300_000 - taken


def test_an_entry_that_is_being_read_is_said_to_be_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fill(tmp_path, "a")
    rows = Store(tmp_path).open("a" * 32)
    about = tmp_path / "activations" / "aa" / ("a" * 32) / "about.json"
    os.utime(about, (1000.0, 1000.0))
    rows.gather(["1"])
    assert about.stat().st_mtime == 1000.0
    rows._said -= 61
    rows.gather(["1"])
    assert time.time() - about.stat().st_mtime < 100


def test_whoever_reads_what_is_removed_reads_on(tmp_path: Path) -> None:
    _fill(tmp_path, "ab")
    rows = Store(tmp_path).open("a" * 32)
    room._OPENED.clear()
    os.utime(tmp_path / "activations" / "aa" / ("a" * 32) / "about.json", (1000.0, 1000.0))
    store = Store(tmp_path, limit=250_000)
    store.require_room(_BYTES)
    assert _names(store) == "b"
    assert rows.holds(["3"]).all()
    assert np.array_equal(rows.gather(["3", "7"]), _ROWS[:2])


def test_without_a_limit_nothing_goes_and_a_share_of_the_disk_is_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(tmp_path, "ab")
    monkeypatch.setattr(storage, "total_bytes", lambda path: 500_000_000_000)
    monkeypatch.setattr(storage, "free_bytes", lambda path: 400_000_000_000)
    store = Store(tmp_path)
    store.require_room(200_000_000_000)
    message = (
        r"the activations need 300 GB, '.*activations' has 20\d kB already, and takes no more than 50% of its disk, "
        r"250 GB; say --cache-limit, so that old ones make room, keep less with --cache-budget, or remove all with "
        "`regraft cache clear`"
    )
    with pytest.raises(StorageError, match=message):
        store.require_room(300_000_000_000)
    with pytest.raises(StorageError, match=r"need 390 GB, '.*' has 400 GB free; free some space, name another folder"):
        store.require_room(390_000_000_000)
    assert _names(store) == "ab"


def test_what_a_killed_removal_left_is_removed_by_the_next(tmp_path: Path) -> None:
    _fill(tmp_path, "ab")
    folder = tmp_path / "activations" / "aa"
    (folder / ("a" * 32)).rename(folder / ".removed-x-1")
    store = Store(tmp_path, limit=400_000)
    assert _names(store) == "b"
    store.require_room(2 * _BYTES)
    assert not list(folder.iterdir())
