"""Shuffled batches of activations from the store, beside fancy indexing of a memory-mapped copy of the same bytes."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.frame import Bar, Result, Settings, Table, ratios
from regraft.activations.store import Selection, Store
from regraft.core import digest

Array = np.ndarray[Any, Any]

LEAST = 0.8
ROWS, BATCHES = (256, 4096, 102_400), (32, 256)
# Of rows in all.
_BYTES = 400_000_000
_FILES = 16
# Bytes that each way reads, and between how many rounds.
_READ, _FEWEST, _MOST = 300_000_000, 15, 1500
_KEY = "a" * 32


def run(settings: Settings) -> Iterator[Result]:
    """Each size of rows, in batches of each size."""
    measured: dict[tuple[int, int], tuple[list[float], list[float]]] = {}
    for size in ROWS:
        with tempfile.TemporaryDirectory() as folder:
            mapped, selected = _made(Path(folder), size, _BYTES // 10 if settings.reduced else _BYTES)
            for batch in BATCHES:
                measured[size, batch] = _pairs(mapped, selected, batch)
        yield compare(measured, settings)


def compare(measured: Mapping[tuple[int, int], tuple[Sequence[float], Sequence[float]]], settings: Settings) -> Result:
    """Medians of the ratios, round by round, and the bar."""
    found = {name: statistics.median(ratios(*pair)) for name, pair in measured.items()}
    rows = tuple((f"{size:,}", str(batch), f"{ratio:.2f}") for (size, batch), ratio in found.items())
    title = f"Shuffled batches of rows from {_FILES} files: how many times as fast as one memory-mapped file"
    table = Table(title, ("bytes of a row", "batch", "ratio"), rows)
    least = min(found.values())
    bar = Bar(f"shuffled reading is at {LEAST} of a memory-mapped copy's rate or more", f"{least:.2f}", least >= LEAST)
    plain = tuple(
        {"bytes": size, "batch": batch, "map": list(pair[0]), "store": list(pair[1])}
        for (size, batch), pair in measured.items()
    )
    return Result("reading", str(__doc__), (table,), plain, (bar,), settings=settings)


def _made(folder: Path, size: int, total: int) -> tuple[Array, Selection]:
    """The same rows as one file that is mapped and all in memory, and in a store."""
    random, count, store = np.random.default_rng(0), total // size, Store(folder)
    names = [digest.of_strings([str(number)]) for number in range(count)]
    path = folder / "plain"
    with path.open("wb") as file:
        for part in np.array_split(np.arange(count), _FILES):
            rows = random.normal(size=(len(part), size // 4)).astype("float32")
            file.write(rows.data)
            store.append(_KEY, {}, [names[number] for number in part], rows)
    mapped = np.memmap(path, np.float32, "r", shape=(count, size // 4))
    for start in range(0, count, 1000):
        mapped[start : start + 1000].max()
    selected = store.open(_KEY).select(names)
    for start in range(0, count, 1000):
        selected.gather(np.arange(start, min(start + 1000, count)))
    return mapped, selected


def _pairs(mapped: Array, selected: Selection, batch: int) -> tuple[list[float], list[float]]:
    """Seconds of both ways in turn, each round with other rows."""
    random = np.random.default_rng(1)
    rounds = min(_MOST, max(_FEWEST, _READ // (batch * mapped[0].nbytes)))
    took: tuple[list[float], list[float]] = ([], [])
    ways: tuple[Callable[[Array], Array], ...] = (mapped.__getitem__, selected.gather)
    for _ in range(rounds):
        for way, times_of in zip(ways, took, strict=True):
            chosen = random.integers(0, len(selected), batch)
            started = time.perf_counter()
            way(chosen)
            times_of.append(time.perf_counter() - started)
    return took
