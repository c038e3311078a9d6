"""Rows in memory: the manners of the store on disk, and nothing on it."""

from pathlib import Path

import numpy as np

from regraft.activations import coding
from regraft.activations.memory import MemoryStore
from regraft.activations.store import Store

_ROWS = np.random.default_rng(0).normal(size=(6, 2, 3)).astype("float32")
_IDS = list("abcdef")


def test_rows_come_back_as_they_were_and_beside_those_on_disk(tmp_path: Path) -> None:
    Store(tmp_path).append("key", {}, _IDS[:2], _ROWS[:2])
    store = MemoryStore(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert list(store.open("key").holds(_IDS)) == [True] * 2 + [False] * 4
    store.append("key", {}, _IDS[2:4], _ROWS[2:4])
    store.append("key", {}, _IDS[4:], _ROWS[4:])
    rows = store.open("key")
    assert rows.holds([*_IDS, "x"]).tolist() == [True] * 6 + [False]
    assert rows.gather(_IDS[::-1]).tobytes() == _ROWS[::-1].tobytes()
    assert rows.gather(["b"]).tobytes() == _ROWS[1:2].tobytes()
    assert sorted(tmp_path.rglob("*")) == before


def test_rounded_rows_share_the_scale_of_the_first(tmp_path: Path) -> None:
    store = MemoryStore(tmp_path)
    for start in (0, 3):
        store.append("key", {"dtype": "int8"}, _IDS[start : start + 3], _ROWS[start : start + 3])
    scale = coding.encode(_ROWS[:3], "int8").scale
    expected = coding.decode(*_fields(coding.encode(_ROWS, "int8", scale)))
    assert np.array_equal(store.open("key").gather(_IDS), expected)
    assert store.open("key").row_bytes == 6


def _fields(coded: coding.Coded) -> tuple[np.ndarray, np.ndarray | None]:
    return coded.rows, coded.scale
