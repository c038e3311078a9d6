"""What a million examples cost a pass and its reader: bytes for each, counted and not timed.

Ids, labels and splits take 21 bytes of each; the bar of the benchmark, a tenth of the memory of a small process, leaves
some 15 for all that is done with them.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from regraft import data
from regraft.activations import tasks
from regraft.activations.compute import compute
from regraft.activations.engines import Wanted
from regraft.activations.store import Store
from regraft.activations.writing import Writing
from regraft.core.input_spec import InputSpec
from regraft.data import Examples
from tests.data.test_compactness import FEW, MANY, bytes_each, kept_each, mapped

_WANTED = Wanted("hidden", True)
_SOME = 40_000


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Examples]:
    x, y = mapped(tmp_path_factory.mktemp("x"), (8,), np.float32), np.arange(MANY) % 7
    return {count: data.open((x[:count], y[:count])) for count in (100, FEW, _SOME, MANY)}


@pytest.fixture(scope="module")
def filled(opened: dict[int, Examples], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with rows of all examples under a key for each number of them, in files of a pass."""
    folder = tmp_path_factory.mktemp("cache")
    for count, examples in opened.items():
        for start in range(0, count, 8192):
            ids = examples.ids[start : start + 8192]
            Store(folder).append(str(count), {}, ids, np.zeros((len(ids), 2), "float32"))
    return folder


class _Nothing:
    def holds(self, ids: Any) -> np.ndarray:
        return np.zeros(len(ids), bool)


def test_labels_and_splits_take_five_bytes_beside_the_ids(opened: dict[int, Examples]) -> None:
    assert kept_each(opened[MANY]) < 16 + 4 + 1 + 0.1


def test_preparing_a_pass_takes_few_bytes_each(opened: dict[int, Examples]) -> None:
    def prepare(count: int) -> object:
        examples = opened[count]
        chosen = tasks.first_of_each(examples.ids, tasks.ascending(range(count), count))
        found = tasks.lacking([_WANTED], {_WANTED: _Nothing()}, examples.ids, chosen)
        starts = (["seam"], lambda _: _Nothing(), {"seam": 0, _WANTED.cut_point: 1}, examples.ids)
        return tasks.blocks_of([part for task in found for part in tasks.divided(task, *starts)])

    # The indices take four, and finding examples of the same content six beside them.
    assert bytes_each(prepare) < 16


def test_the_index_of_the_store_takes_few_bytes_each(filled: Path, opened: dict[int, Examples]) -> None:
    def look(count: int) -> None:
        assert Store(filled).open(str(count)).holds(opened[count].ids[:50]).all()

    assert bytes_each(look) < 10


def test_a_pass_takes_few_bytes_each(opened: dict[int, Examples], tmp_path: Path) -> None:
    inputs = keras.Input((8,))
    model = keras.Model(inputs, keras.layers.Dense(64, name="hidden")(inputs))

    def run(count: int) -> None:
        made = compute(model, InputSpec((8,)), opened[count], range(count), [_WANTED], Store(tmp_path / str(count)))
        assert made.computed == count

    # Of these rows 256 bytes each go to the disk.
    assert bytes_each(run, FEW, _SOME) < 24


def test_what_waits_for_the_disk_does_not_grow_with_the_file(opened: dict[int, Examples], tmp_path: Path) -> None:
    rows = np.zeros((32, 64), "float32")

    def write(count: int) -> None:
        store, ids = Store(tmp_path / str(count)), opened[count].ids
        with Writing(store) as writing:
            collected = writing.key({"key": "key"}, store.open("key"), limit=10**9)
            collected.expect(count)
            for start in range(0, count, 32):
                collected.add(ids[start : start + 32], rows[: count - start])

    # A row has 256 bytes. The ids, of 16, stand in the head, which is put together in the end.
    assert bytes_each(write) < 90
