"""Files that are written as their rows come."""

import errno
import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from regraft.activations import coding, growing, room, shard
from regraft.activations.growing import Growing
from regraft.activations.places import numbers_of
from regraft.activations.store import Store
from regraft.activations.writing import Writing
from regraft.core import digest
from regraft.core.errors import StorageError
from regraft.data.ids import Ids

_IDS = [digest.of_strings([str(number)]) for number in range(40)]
_ROWS = np.random.default_rng(0).normal(size=(40, 30_001)).astype("float32")
_CUTS = [0, 1, 9, 10, 33, 40]


def _portions() -> list[slice]:
    return [slice(start, stop) for start, stop in itertools.pairwise(_CUTS)]


@pytest.mark.parametrize("dtype", coding.DTYPES)
def test_rows_in_portions_make_the_file_of_all_at_once(dtype: str, tmp_path: Path) -> None:
    # Over the ends of the blocks that checksums are of; int8 has the scale of the whole first file.
    assert _ROWS.nbytes > 4 * shard.BLOCK
    whole = Store(tmp_path / "whole").append("key", {"dtype": dtype}, _IDS, _ROWS)
    file = Store(tmp_path / "portions").begin("key", {"dtype": dtype}, len(_IDS))
    for part in _portions():
        file.add(_IDS[part], _ROWS[part])
    made = file.finish()
    assert made.path.name == whole.path.name
    assert made.path.read_bytes() == whole.path.read_bytes()
    assert [path.name for path in made.path.parent.iterdir() if path.name != "about.json"] == [made.path.name]


def test_fewer_rows_than_there_might_have_been_are_a_whole_file(tmp_path: Path) -> None:
    file = Store(tmp_path).begin("key", {}, 1000)
    file.add(_IDS[:3], _ROWS[:3])
    made = file.finish()
    again = shard.read(made.path)
    again.verify()
    assert (len(again), again.head.start % 64) == (3, 0)
    assert np.array_equal(Store(tmp_path).open("key").gather(_IDS[:3]), _ROWS[:3])


def test_more_rows_than_there_is_place_for_are_refused(tmp_path: Path) -> None:
    file = Store(tmp_path).begin("key", {}, 3)
    file.add(_IDS[:2], _ROWS[:2])
    with pytest.raises(ValueError, match="expected at most 3 rows in a file, found 4"):
        file.add(_IDS[2:4], _ROWS[2:4])
    file.drop()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["about.json"]


def test_a_file_whose_folder_is_removed_meanwhile_is_written_all_the_same(tmp_path: Path) -> None:
    store = Store(tmp_path)
    file = store.begin("key", {}, 40)
    file.add(_IDS[:20], _ROWS[:20])
    store.clear()
    file.add(_IDS[20:], _ROWS[20:])
    rows = Store(tmp_path).open("key")
    rows.add(file.finish())
    assert np.array_equal(rows.gather(_IDS), _ROWS)
    assert np.array_equal(Store(tmp_path).open("key").gather(_IDS), _ROWS)
    assert (store.folder / "ke" / "key" / room.ABOUT).exists()


def test_a_folder_that_is_removed_again_and_again_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "_PAUSE", 0.0)
    # Each time between the look whether it is there and the renaming.
    monkeypatch.setattr(Growing, "_found_again", lambda self: self._partial.unlink(missing_ok=True))
    file = Growing(tmp_path, (3,), "float32", None, 2)
    file.add(numbers_of(["a"]), coding.encode(np.ones((1, 3), "float32"), "float32"))
    with pytest.raises(StorageError, match=r"cannot write '.*it\.rows': No such file or directory"):
        file.finish(tmp_path / "it.rows")
    assert list(tmp_path.iterdir()) == []


def _written(store: Store, rows: object, ids: Ids) -> None:
    with Writing(store) as writing:
        collected = writing.key({"key": "key"}, rows, limit=10**9)  # pyright: ignore[reportArgumentType]
        collected.expect(len(ids))
        for start in range(0, len(ids), 4):
            collected.add(ids[start : start + 4], _ROWS[start : start + 4])
        writing.flush()


def test_rows_are_written_before_their_file_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    portions: list[int] = []
    add = Growing.add
    monkeypatch.setattr(Growing, "add", lambda self, ids, coded: portions.append(len(ids)) or add(self, ids, coded))
    rows = Store(tmp_path).open("key")
    _written(Store(tmp_path), rows, Ids.of(_IDS))
    assert portions == [4] * 10
    assert len(rows.files) == 1
    assert np.array_equal(rows.gather(_IDS), _ROWS)


def test_nothing_comes_behind_a_row_that_was_written_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 0
    write = os.write

    def full(file: int, content: memoryview) -> int:
        nonlocal count
        count += 1
        if count == 3:
            # Some of it is there, then the disk is full; afterwards somebody makes room.
            write(file, content[:100])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, content)

    monkeypatch.setattr(growing.os, "write", full)
    rows = Store(tmp_path).open("key")
    with pytest.raises(StorageError, match="no space left writing"):
        _written(Store(tmp_path), rows, Ids.of(_IDS))
    assert rows.files == []
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["about.json"]
