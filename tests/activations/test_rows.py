"""Gathering rows by id."""

import gc
import threading
from pathlib import Path

import numpy as np
import pytest

from regraft.activations import descriptors, mapped
from regraft.activations.rows import Rows
from regraft.activations.store import Store
from regraft.core import digest
from regraft.core.errors import StorageError

_KEY = "c0" * 16
_IDS = [digest.of_strings([str(number)]) for number in range(500)]
_ROWS = np.random.default_rng(0).normal(size=(500, 3, 7)).astype("float32")


def _filled(folder: Path, dtype: str = "float32", files: int = 7) -> Rows:
    store = Store(folder)
    for part in np.array_split(np.arange(500), files):
        store.append(_KEY, {"dtype": dtype}, [_IDS[number] for number in part], _ROWS[part])
    return store.open(_KEY)


@pytest.fixture(params=["mapped", "read"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to get at rows; the second one is for systems that do not map."""
    if request.param == "read":
        monkeypatch.setattr(mapped, "_LIBRARY", None)
    elif mapped._LIBRARY is None:
        pytest.skip("this system does not map files where it is told")
    return request.param


def test_rows_come_back_in_the_order_that_is_asked_for(way: str, tmp_path: Path) -> None:
    rows = _filled(tmp_path)
    assert (len(rows), rows.shape, rows.row_bytes, rows.dtype, len(rows.files)) == (500, (3, 7), 84, "float32", 7)
    random = np.random.default_rng(1)
    selected = rows.select(_IDS)
    for _ in range(40):
        order = random.integers(0, 500, 32)
        for found in (rows.gather([_IDS[number] for number in order]), selected.gather(order)):
            assert found.dtype == np.float32
            assert found.tobytes() == _ROWS[order].tobytes()
    assert (rows._mapped() is None) == (way == "read")
    assert rows.gather(_IDS).tobytes() == _ROWS.tobytes()
    assert rows.gather([]).shape == (0, 3, 7)
    assert len(selected) == 500


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_other_codings_are_decoded(way: str, dtype: str, tmp_path: Path) -> None:
    rows = _filled(tmp_path, dtype)
    order = np.random.default_rng(1).permutation(500)
    names = [_IDS[number] for number in order]
    first = rows.gather(names)
    assert first.dtype == np.float32
    # A half has 11 bits; a step of a byte is a 127th of the largest of 72 normal numbers in the first file, and few
    # numbers lie far beyond it.
    off = np.abs(first - _ROWS[order])
    assert np.median(off) < (3e-4 if dtype == "float16" else 3 / 127 / 2)
    assert 0 < rows.clipped < 0.02 if dtype == "int8" else rows.clipped == 0
    selected = rows.select(names)
    assert np.array_equal(selected.gather(np.arange(500)), first)
    assert np.array_equal(Store(tmp_path).open(_KEY).gather(names[:9]), first[:9])


def test_the_scale_of_a_key_is_that_of_its_first_file_in_another_process_too(tmp_path: Path) -> None:
    loud, quiet = np.full((2, 4), 10.0, "float32"), np.full((2, 4), 0.1, "float32")
    Store(tmp_path).append(_KEY, {"dtype": "int8"}, ["a", "b"], quiet)
    Store(tmp_path).append(_KEY, {"dtype": "int8"}, ["c", "d"], loud)
    rows = Store(tmp_path).open(_KEY)
    assert np.allclose(rows.gather(["c", "a"]), 0.1)
    assert rows.clipped == 0.5


def test_files_with_scales_of_their_own_are_decoded_each_with_its_own(tmp_path: Path) -> None:
    # What two processes that write the first file at the same moment leave.
    one, other = Store(tmp_path / "one"), Store(tmp_path / "other")
    quiet, loud = np.full((2, 2, 4), 0.5, "float32"), np.full((2, 2, 4), 10.0, "float32")
    made = [
        one.append(_KEY, {"dtype": "int8"}, ["a", "b"], quiet),
        other.append(_KEY, {"dtype": "int8"}, ["c", "d"], loud),
    ]
    rows = Rows()
    for shard in made:
        rows.add(shard)
    found = rows.gather(["c", "a", "b"])
    assert np.allclose(found[0], 10.0)
    assert np.allclose(found[1:], 0.5)


def test_what_is_not_there_is_said_and_refused(tmp_path: Path) -> None:
    rows = _filled(tmp_path)
    assert rows.holds([_IDS[3], "none", _IDS[0]]).tolist() == [True, False, True]
    with pytest.raises(KeyError, match="none"):
        rows.gather([_IDS[3], "none"])
    empty = Store(tmp_path).open("e0" * 16)
    assert (len(empty), empty.shape, empty.row_bytes, empty.clipped) == (0, (), 0, 0.0)
    assert empty.holds(["a"]).tolist() == [False]
    assert empty.holds([]).tolist() == []


def test_a_file_that_is_added_is_known_and_the_first_row_of_an_example_counts(tmp_path: Path) -> None:
    store = Store(tmp_path)
    rows = store.open(_KEY)
    rows.add(store.append(_KEY, {}, ["a", "b"], np.array([[1.0], [2.0]])))
    selected = rows.select(["b", "a"])
    rows.add(store.append(_KEY, {}, ["b", "c"], np.array([[3.0], [4.0]])))
    assert rows.gather(["c", "b", "a"]).tolist() == [[4.0], [2.0], [1.0]]
    assert selected.gather(np.array([0, 1])).tolist() == [[2.0], [1.0]]


def test_what_is_mapped_is_given_back_with_the_last_who_reads_it(tmp_path: Path) -> None:
    if not Path("/proc/self/maps").exists():
        pytest.skip("only Linux tells what is mapped")

    def count() -> int:
        return Path("/proc/self/maps").read_text().count(str(tmp_path))

    rows = _filled(tmp_path)
    selected = rows.select(_IDS)
    assert count() == 7
    del rows
    assert np.array_equal(selected.gather(np.arange(9)), _ROWS[:9])
    del selected
    gc.collect()
    assert count() == 0


def test_a_mapped_file_stays_readable_when_it_is_removed(tmp_path: Path) -> None:
    rows = _filled(tmp_path)
    selected = rows.select(_IDS)
    Store(tmp_path).clear()
    assert np.array_equal(selected.gather(np.arange(500)), _ROWS)


def test_more_files_than_may_be_open_are_read_all_the_same(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptors, "_ALLOWED", 8)
    monkeypatch.setattr(descriptors, "_OPEN", type(descriptors._OPEN)())
    rows = _filled(tmp_path, files=60)
    opened = [shard for shard in rows.files if shard._kept._descriptor is not None]
    assert len(opened) <= 8
    order = np.random.default_rng(3).permutation(500)
    assert np.array_equal(rows.gather([_IDS[number] for number in order]), _ROWS[order])
    closed = next(shard for shard in rows.files if shard._kept._descriptor is None)
    closed.path.unlink()
    if way == "mapped":
        assert np.array_equal(rows.gather(_IDS), _ROWS)
        return
    with pytest.raises(StorageError, match=r"was in use and cannot be opened any more: No such file .* run it again"):
        rows.gather(_IDS)


def test_threads_may_gather_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "_ALLOWED", 5)
    rows = _filled(tmp_path, files=40)
    wrong: list[object] = []

    def read(seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(60):
            order = random.integers(0, 500, 40)
            try:
                if not np.array_equal(rows.gather([_IDS[number] for number in order]), _ROWS[order]):
                    wrong.append(order)
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_file_cut_short_while_it_is_in_use_is_an_error_and_no_crash(tmp_path: Path) -> None:
    rows = _filled(tmp_path, files=1)
    assert rows.holds(_IDS).all()
    with rows.files[0].path.open("r+b") as file:
        file.truncate(20_000)
    with pytest.raises(OSError, match="it has become shorter"):
        rows.gather(_IDS)
