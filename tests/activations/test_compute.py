"""The pass over the examples: what is computed, what is left out, what is said."""

import contextlib
import dataclasses
import shutil
from collections.abc import Generator
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from regraft.activations.compute import compute
from regraft.activations.engines import BATCH, Wanted
from regraft.activations.loading import load_prepared
from regraft.activations.store import Store
from regraft.core.errors import StorageError
from regraft.core.input_spec import InputSpec
from regraft.data import Examples, UnreadableExample
from regraft.data import open as open_data
from tests.laws.networks import built

_SPEC = InputSpec((12, 12, 3))
_WANTED = [Wanted("relu0", False), Wanted("relu1", True)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for index in range(5):
            size = (20 + index, 15, 3)
            Image.fromarray(random.integers(0, 256, size, dtype=np.uint8)).save(
                tmp_path / "data" / label / f"{index}.png"
            )
    return tmp_path / "data"


@pytest.fixture
def model() -> keras.Model:
    return built("chain")


def test_pictures_are_resized_and_kept_by_their_content(model: keras.Model, folder: Path, tmp_path: Path) -> None:
    data = open_data(folder)
    found = compute(model, _SPEC, data, range(len(data)), _WANTED, Store(tmp_path))
    assert (found.computed, found.hits, found.unreadable) == (20, 0, ())
    assert found.rows[_WANTED[0]].gather(data.ids).shape == (10, 12, 12, 4)
    assert found.bytes == 10 * 4 * (12 * 12 * 4 + 6)
    (folder / "cat" / "0.png").rename(folder / "dog" / "renamed.png")
    again = compute(model, _SPEC, open_data(folder), range(10), _WANTED, Store(tmp_path))
    assert (again.computed, again.hits) == (0, 20)


def test_an_unreadable_picture_is_named_and_the_rest_is_used(model: keras.Model, folder: Path, tmp_path: Path) -> None:
    bad = folder / "dog" / "3.png"
    bad.write_bytes(bad.read_bytes()[:100])
    data = open_data(folder)
    found = compute(model, _SPEC, data, range(len(data)), _WANTED, Store(tmp_path))
    ((index, reason),) = found.unreadable
    assert data.names[index] in reason
    assert found.computed == 18
    assert not found.rows[_WANTED[0]].holds([data.ids[index]]).any()


def test_examples_of_the_same_content_are_computed_once(model: keras.Model, tmp_path: Path) -> None:
    x = np.zeros((6, 12, 12, 3), "float32")
    x[::2] = 1.0
    data = _twins(x)
    found = compute(model, _SPEC, data, range(6), _WANTED, Store(tmp_path))
    assert found.computed == 2 * len(set(data.ids))


def _twins(x: np.ndarray) -> Examples:
    """Examples as they are, repeated ones with the same id."""
    data = open_data((np.random.default_rng(0).normal(size=x.shape).astype("float32"), [0, 1] * 3))
    return data.take([0, 1, 0, 1, 0, 1])


def test_views_are_other_activations_of_the_same_pictures(model: keras.Model, folder: Path, tmp_path: Path) -> None:
    data = open_data(folder)
    wanted = [dataclasses.replace(_WANTED[1], view=view) for view in range(3)]
    found = compute(model, _SPEC, data, range(10), wanted, Store(tmp_path))
    assert (found.computed, found.hits) == (30, 0)
    rows = [found.rows[item].gather(data.ids) for item in wanted]
    assert not np.array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[1], rows[2])


def test_views_of_one_pass_are_those_of_a_pass_for_each(model: keras.Model, folder: Path, tmp_path: Path) -> None:
    data = open_data(folder)
    views = [dataclasses.replace(item, view=view) for item in _WANTED for view in (2, 0, 1)]
    store = Store(tmp_path / "one by one")
    alone = {item: compute(model, _SPEC, data, range(10), [item], store).rows[item] for item in views}
    together = Store(tmp_path / "together")
    # Some of one view is known already: the rest of it goes in another batch than the other views.
    compute(model, _SPEC, data, range(4), [dataclasses.replace(_WANTED[0], view=1)], together)
    found = compute(model, _SPEC, data, range(10), views, together)
    # One view's group is computed anew for all that lack some of it.
    assert found.computed + found.hits == 60
    for item in views:
        assert np.array_equal(found.rows[item].gather(data.ids), alone[item].gather(data.ids))


def test_a_disk_that_fills_while_rows_are_written_is_told(
    model: keras.Model, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StorageError("no space left")

    monkeypatch.setattr(Store, "begin", full)
    with pytest.raises(StorageError, match="no space left"):
        compute(model, _SPEC, open_data(folder), range(10), _WANTED, Store(tmp_path))


def test_prepared_examples_come_in_order_with_what_cannot_be_read(folder: Path) -> None:
    bad = folder / "cat" / "1.png"
    bad.write_bytes(b"no picture")
    data = open_data(folder)
    indices = list(range(len(data)))[::-1]
    prepared = list(load_prepared(data, indices, _SPEC))
    assert [index for index, _ in prepared] == indices
    kinds = {type(item).__name__ for _, item in prepared}
    assert kinds <= {"ndarray", UnreadableExample.__name__}
    assert all(item.shape == (12, 12, 3) for _, item in prepared if isinstance(item, np.ndarray))


def test_whatever_was_computed_before_an_interruption_is_kept(
    model: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = open_data((np.random.default_rng(0).normal(size=(80, 12, 12, 3)).astype("float32"), [0, 1] * 40))
    read, seen = data.read, []

    def interrupted(index: int, channels: int | None) -> np.ndarray:
        seen.append(index)
        if len(seen) > 70:
            raise KeyboardInterrupt
        return read(index, channels)

    with pytest.raises(KeyboardInterrupt):
        compute(model, _SPEC, dataclasses.replace(data, read=interrupted), range(80), _WANTED, Store(tmp_path))
    kept = compute(model, _SPEC, data, range(80), _WANTED, Store(tmp_path))
    assert kept.hits == 2 * BATCH
    assert kept.computed == 2 * (80 - BATCH)


def test_what_an_entry_was_good_for_is_noted(model: keras.Model, folder: Path, tmp_path: Path) -> None:
    store = Store(tmp_path)
    compute(model, _SPEC, open_data(folder), range(10), _WANTED, store)
    assert [(entry.served, entry.saved_seconds) for entry in store.entries()] == [(0, 0.0)] * len(_WANTED)
    compute(model, _SPEC, open_data(folder), range(10), _WANTED, store)
    for entry in store.entries():
        assert (entry.served, entry.data) == (10, (str(folder),))
        assert entry.saved_seconds > 0


def test_what_another_process_computes_meanwhile_is_not_computed_again(
    model: keras.Model, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = open_data(folder)
    wanted = compute(model, _SPEC, data, range(10), _WANTED, Store(tmp_path / "other"))

    @contextlib.contextmanager
    def waited(self: Store, keys: dict[str, int]) -> Generator[bool]:
        # The other process, which is waited for, is done when the lease is had.
        assert sorted(keys.values()) == [10] * len(_WANTED)
        shutil.copytree(tmp_path / "other", tmp_path / "mine")
        yield True

    monkeypatch.setattr(Store, "computing", waited)
    found = compute(model, _SPEC, data, range(10), _WANTED, Store(tmp_path / "mine"))
    assert (found.computed, found.hits) == (0, 10 * len(_WANTED))
    for item in _WANTED:
        assert np.array_equal(found.rows[item].gather(data.ids[:10]), wanted.rows[item].gather(data.ids[:10]))
