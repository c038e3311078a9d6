"""What a million examples cost: bytes for each, counted and not timed."""

import pickle
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from regraft import data
from regraft.core.progress import collecting_warnings
from regraft.data import Examples

FEW, MANY = 20_000, 60_000


def bytes_each(work: Callable[[int], Any], few: int = FEW, many: int = MANY) -> float:
    """How many bytes more each further example takes at the worst moment."""
    work(100)
    peaks = []
    for count in (few, many):
        tracemalloc.start()
        work(count)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return (peaks[1] - peaks[0]) / (many - few)


def kept_each(examples: Examples) -> float:
    """The bytes for each example that ids, labels, splits and names hold."""
    return len(pickle.dumps((examples.ids, examples.labels, examples.split, examples.names))) / len(examples)


def mapped(folder: Path, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", dtype, (MANY, *shape))
    x[:] = np.random.default_rng(0).integers(0, 256, x.shape, dtype=np.uint8)
    return np.load(folder / "x.npy", mmap_mode="r")


def test_opening_a_mapped_array_takes_few_bytes_each(tmp_path: Path) -> None:
    x, y = mapped(tmp_path, (16,), np.float32), np.arange(MANY) % 7
    # 64 bytes of each lie in the file: they are looked at there. What is worked on in blocks does not grow.
    assert bytes_each(lambda count: data.open((x[:count], y[:count]))) < 37
    assert kept_each(data.open((x, y))) < 22


def test_all_that_is_done_with_examples_takes_few_bytes_each(tmp_path: Path) -> None:
    x, y = mapped(tmp_path, (3,), np.uint8), np.arange(MANY) % 7
    opened = {count: data.open((x[:count], y[:count])) for count in (100, FEW, MANY)}
    half = {count: np.arange(0, count, 2) for count in opened}
    assert bytes_each(lambda count: opened[count].digest()) < 26
    assert bytes_each(lambda count: opened[count].take(half[count])) < 40
    assert bytes_each(lambda count: opened[count].summary()) < 20
    assert bytes_each(lambda count: sum(1 for _ in opened[count].ids)) < 1
    assert kept_each(opened[MANY].take(half[MANY]).take(half[FEW])) < 30


def test_words_and_one_hot_rows_as_labels_cost_no_more() -> None:
    x = np.arange(2 * MANY, dtype=np.float32).reshape(MANY, 2) / MANY
    words = np.array(["rose", "tulip", None] * (MANY // 3), dtype=object)
    rows = np.eye(5)[np.arange(MANY) % 5]
    assert bytes_each(lambda count: data.open((x[:count], rows[:count]))) < 45
    # Without a label of one in three, each of which is left out with a line of its own.
    lines = sum(len(line) for line in data.open((x, words)).left_out) / MANY
    assert bytes_each(lambda count: data.open((x[:count], words[:count]))) < 60 + lines + 60 / 3


def test_identical_examples_cost_little_more() -> None:
    x, y = np.zeros((MANY, 2), np.float32), np.arange(MANY) % 2
    x[: MANY // 2, 0] = np.arange(MANY // 2) / MANY
    with collecting_warnings() as warned:
        assert bytes_each(lambda count: data.open((x[:count], y[:count]))) < 80
    assert warned == [
        "identical examples have different labels in the arrays given: 'index 0' (0) and 'index 30001' (1)"
    ]


def test_paths_take_their_text(tmp_path: Path) -> None:
    names = [f"pictures/of/class_{index % 7}/{index:07}.png" for index in range(MANY)]
    for name in names[:7]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names[:300]):
        (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n" + index.to_bytes(2, "little"))
    table = tmp_path / "table.csv"
    # Few files, each named often.
    table.write_text("path,label\n" + "".join(f"{names[index % 300]},{index % 300 % 7}\n" for index in range(6000)))
    assert kept_each(data.open(table)) < 26 + 4 + len(names[0])
    # The folder's names and those of its sub-folders are there, and a few hundred bytes for each kind of thing.
    assert kept_each(data.open(tmp_path / "pictures" / "of")) < 26 + 4 + len("class_0/0000000.png") + 1000 / 300


def test_examples_of_arrays_and_files_go_to_another_process(tmp_path: Path) -> None:
    x, y = mapped(tmp_path, (4,), np.float32)[:40], np.arange(40) % 2
    for index in range(6):
        path = tmp_path / "pictures" / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 3), (index, 0, 0)).save(path)
    for examples in (data.open((x, y)), data.open(tmp_path / "pictures").take([4, 0])):
        there = pickle.loads(pickle.dumps(examples))
        assert (there.ids, there.names) == (examples.ids, examples.names)
        assert (there.split == examples.split).all()
        assert there.digest() == examples.digest()
        np.testing.assert_array_equal(there.load([1])[0], examples.load([1])[0])
