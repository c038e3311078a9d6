"""Shuffled batches of activations from the store, beside fancy indexing of a memory-mapped copy of the same bytes."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.frame import Bar, Result, Settings, Table, ratios
from regraft.activations import resident
from regraft.activations.store import Selection, Store
from regraft.core import digest

Array = np.ndarray[Any, Any]

LEAST = 0.8
ROWS, BATCHES = (256, 4096, 102_400), (32, 256)
# Of rows in all, when they are to be held in memory and when they are not to be.
_HELD, _LARGE = 100_000_000, 400_000_000
_FILES = 16
# Bytes that each way reads, and between how many rounds.
_READ, _FEWEST, _MOST = 300_000_000, 15, 1500
_KEY = "a" * 32


def run(settings: Settings) -> Iterator[Result]:
    """Each size of rows, held in memory and read from files."""
    measured: dict[tuple[str, int, int], tuple[list[float], list[float]]] = {}
    for size in ROWS:
        for kind, total in (("held in memory", _HELD), ("read from files", _LARGE)):
            with tempfile.TemporaryDirectory() as folder:
                mapped, selected = _made(Path(folder), size, total)
                for batch in BATCHES:
                    measured[kind, size, batch] = _pairs(mapped, selected, batch)
            yield compare(measured, settings)


def compare(
    measured: Mapping[tuple[str, int, int], tuple[Sequence[float], Sequence[float]]], settings: Settings
) -> Result:
    """Medians of the ratios, round by round, and the bar for what is held in memory."""
    found = {name: statistics.median(ratios(*pair)) for name, pair in measured.items()}
    rows = tuple((kind, f"{size:,}", str(batch), f"{ratio:.2f}") for (kind, size, batch), ratio in found.items())
    table = Table("How many times as fast as the map", ("rows are", "bytes of a row", "batch", "ratio"), rows)
    held = [ratio for (kind, _, _), ratio in found.items() if kind == "held in memory"]
    bar = Bar(
        f"rows held in memory are read at {LEAST} of the map's rate or more", f"{min(held):.2f}", min(held) >= LEAST
    )
    plain = tuple(
        {"rows": kind, "bytes": size, "batch": batch, "map": list(pair[0]), "store": list(pair[1])}
        for (kind, size, batch), pair in measured.items()
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
    if total <= resident.LIMIT:
        for start in range(0, count, 100):
            selected.gather(np.arange(start, min(start + 100, count)))
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
