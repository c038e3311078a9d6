"""Batches of examples on their way to the engine: in order, whole, and nothing lost where some cannot be read."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from regraft.activations import loading
from regraft.activations.engines import BATCH
from regraft.activations.loading import batches, load_prepared
from regraft.activations.resizing import compile_resizing
from regraft.activations.tasks import Block
from regraft.activations.views import view_of
from regraft.core.input_spec import InputSpec
from regraft.data import Examples, read_picture
from regraft.data import open as open_data

_SPEC = InputSpec((12, 10, 3))
_BAD = (3, 40, 41)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    """75 pictures, three of them cut off, one of the network's size."""
    folder, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for label in ("a", "b"):
        (folder / label).mkdir()
    for index in range(75):
        size = _SPEC.shape if index == 5 else (20 + index % 7, 15 + index % 4, 3)
        path = folder / "ab"[index > 50] / f"{index:02}.{'jpg' if index % 2 else 'png'}"
        Image.fromarray(random.integers(0, 256, size, dtype=np.uint8)).save(path)
        if index in _BAD:
            path.write_bytes(path.read_bytes()[:-200])
    return open_data(folder)


def _expected(examples: Examples, indices: Sequence[int], view: int) -> np.ndarray:
    resize, folder = compile_resizing(_SPEC), Path(examples.origin.strip("'"))
    made: list[Any] = []
    for index in indices:
        seen = view_of(read_picture(folder / examples.names[index]), view, examples.ids[index], 255.0)
        made.append(seen if seen.shape == _SPEC.shape else resize(seen))
    return np.asarray(made, np.float32)


def test_batches_are_in_order_and_smaller_by_what_cannot_be_read(examples: Examples) -> None:
    unreadable: list[tuple[int, str]] = []
    given = list(batches(examples, [Block(((0, np.arange(75)),))], [0], _SPEC, unreadable))
    assert [index for index, _ in unreadable] == list(_BAD)
    assert all(examples.names[index] in reason for index, reason in unreadable)
    *found, end = given
    assert end is None
    # Places of a batch belong to examples; who cannot be read leaves none to others.
    assert [len(one[1]) for one in found if one] == [BATCH - len(_BAD), 75 - BATCH]
    for one in found:
        assert one is not None
        task, indices, rows = one
        assert (task, rows.dtype) == (0, np.float32)
        np.testing.assert_array_equal(rows, _expected(examples, indices, 0))
    assert np.concatenate([one[1] for one in found if one]).tolist() == [i for i in range(75) if i not in _BAD]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Indices of the examples that were read."""
    found: list[int] = []
    load = Examples.load

    def counted(self: Examples, indices: list[int], channels: int | None = None) -> list[np.ndarray]:
        found.extend(indices)
        return load(self, indices, channels)

    monkeypatch.setattr(Examples, "load", counted)
    return found


def _rows(examples: Examples, indices: Sequence[int], spec: InputSpec = _SPEC, view: int = 0) -> np.ndarray:
    given = batches(examples, [Block(((0, np.asarray(indices)),))], [view], spec, [])
    return np.concatenate([one[2] for one in given if one])


def test_what_is_remembered_is_not_read_again_and_is_the_same(examples: Examples, read: list[int]) -> None:
    with loading.remembering(10**9):
        first = _rows(examples, range(50))
        assert sorted(read) == list(range(50))
        read.clear()
        again = _rows(examples.take(range(10, 75)), range(50))
        # Those cut off, and those that were not asked for before.
        assert sorted(read) == [30, 31, *range(40, 50)]
        np.testing.assert_array_equal(again[:38], first[9:])
        for other in (InputSpec((10, 12, 3)), InputSpec((12, 10, 1)), InputSpec((12, 10, 3), resizing="stretch")):
            read.clear()
            _rows(examples, [0, 1], other)
            assert sorted(read) == [0, 1]
        read.clear()
        _rows(examples, [0, 1], view=2)
        assert sorted(read) == [0, 1]
    read.clear()
    _rows(examples, range(50))
    assert len(read) == 50


def test_no_more_is_remembered_than_was_said(examples: Examples, read: list[int]) -> None:
    each = 4 * 12 * 10 * 3
    with loading.remembering(20 * each + 1):
        for _ in range(2):
            _rows(examples, range(4, 40))
    # 36 and then 16; threads may both see room for a last one.
    assert 72 - 20 - 2 <= len(read) <= 72 - 20


def test_tasks_of_a_block_share_what_is_decoded(examples: Examples, read: list[int]) -> None:
    some, others = np.arange(0, 75, 2), np.arange(10, 60)
    blocks = [Block(((1, some), (0, others))), Block(((1, np.arange(70, 75)),))]
    found: dict[int, list[Any]] = {0: [], 1: []}
    ends: list[int] = []
    for one in batches(examples, blocks, [2, 4], _SPEC, []):
        if one is None:
            ends.append(sum(map(len, found.values())))
        else:
            found[one[0]].append(one[1:])
    # One batch of the second task and two of the first in the first block, one of the second task in the other.
    assert ends == [3, 4]
    for task, asked, view in ((1, [*some.tolist(), *range(70, 75)], 4), (0, others.tolist(), 2)):
        indices = np.concatenate([one[0] for one in found[task]]).tolist()
        assert indices == [index for index in asked if index not in _BAD]
        np.testing.assert_array_equal(
            np.concatenate([one[1] for one in found[task]]), _expected(examples, indices, view)
        )
    assert sorted(read) == sorted([*set(some.tolist()) | set(others.tolist()), *range(70, 75)])


def test_a_batch_of_which_nothing_can_be_read_is_left_out(examples: Examples) -> None:
    unreadable: list[tuple[int, str]] = []
    blocks = [Block(((0, np.array([40, 41])),)), Block(((0, np.array([7])),))]
    given = list(batches(examples, blocks, [0], _SPEC, unreadable))
    assert [one and one[1].tolist() for one in given] == [None, [7], None]
    assert len(unreadable) == 2


def test_arrays_are_given_as_they_are() -> None:
    x = np.random.default_rng(0).normal(size=(70, 2, 3)).astype(np.float64)
    given = list(batches(open_data((x, [0, 1] * 35)), [Block(((0, np.arange(70)),))], [0], InputSpec((6,)), []))
    assert [one and one[2].shape for one in given] == [(BATCH, 6), (70 - BATCH, 6), None]
    rows = np.concatenate([one[2] for one in given if one])
    np.testing.assert_array_equal(rows, x.reshape(70, 6).astype(np.float32))


def test_single_examples_are_nobody_elses(examples: Examples) -> None:
    wanted = [9, 5, 40, 9]
    given = list(load_prepared(examples, wanted, _SPEC))
    assert [index for index, _ in given] == wanted
    first, same, bad, again = (item for _, item in given)
    assert "cannot be decoded" in str(bad)
    np.testing.assert_array_equal(np.stack([first, same]), _expected(examples, [9, 5], 0))  # pyright: ignore
    assert not np.shares_memory(first, again)  # pyright: ignore


def test_however_many_threads_there_are_each_has_files_to_read() -> None:
    assert loading._FILES >= 1
    assert max(loading._AHEAD, loading._THREADS) >= loading._FILES * loading._THREADS


def test_a_batch_is_where_an_earlier_one_was_once_nobody_holds_anything_of_it() -> None:
    x = np.random.default_rng(0).normal(size=(40 * BATCH, 6)).astype(np.float32)
    places, kept, part = set[int](), None, None
    for number, one in enumerate(batches(open_data((x, [0, 1] * 20 * BATCH)), [_all(x)], [0], InputSpec((6,)), [])):
        if one is None:
            continue
        _, indices, rows = one
        np.testing.assert_array_equal(rows, x[indices])
        places.add(rows.ctypes.data)
        if number == 3:
            kept, part = (rows, rows.copy()), rows[5:6].T
        if number == 4:
            # A part of it is enough.
            kept = (None, kept[1]) if kept else None
    assert len(places) <= loading._Memory._MOST
    assert kept is not None
    assert part is not None
    np.testing.assert_array_equal(part[:, 0], kept[1][5])


def test_batches_that_are_all_kept_are_all_their_own() -> None:
    x = np.arange(20 * BATCH * 2, dtype=np.float32).reshape(-1, 2)
    given = list(batches(open_data((x, [0, 1] * 10 * BATCH)), [_all(x)], [0], InputSpec((2,)), []))
    np.testing.assert_array_equal(np.concatenate([one[2] for one in given if one]), x)


def _all(x: np.ndarray) -> Block:
    return Block(((0, np.arange(len(x))),))


def test_one_thread_reads_alone_while_nobody_waits_for_it(examples: Examples, monkeypatch: pytest.MonkeyPatch) -> None:
    many, threads, load = examples.take([*range(4, 36)] * 18), list[int](), Examples.load

    def noted(self: Examples, indices: list[int], channels: int | None = None) -> list[np.ndarray]:
        threads.append(threading.get_ident())
        return load(self, indices, channels)

    monkeypatch.setattr(Examples, "load", noted)
    for number, _ in enumerate(batches(many, [_all(many.ids)], [0], _SPEC, [])):
        # So slow an engine that everything is there before it asks again.
        while len(threads) < min((number + 1) * BATCH + loading._AHEAD - loading._FILES, len(many)):
            threading.Event().wait(0.001)
    assert len(set(threads[: 4 * BATCH])) > 1
    assert len(set(threads[-4 * BATCH :])) == 1


def test_several_threads_read_where_somebody_waited_for_one_of_the_last_batch() -> None:
    waits = loading._Waits()
    found: list[bool] = []
    for ready in (False, True, True, True, True, True, True, False, True, True, True):
        found.append(waits.lately)
        waits.saw(BATCH // 2, ready)
    # The fourth batch has one that was not ready; before the first nobody knows.
    assert found == [True, True, True, True, False, False, False, False, True, True, False]
