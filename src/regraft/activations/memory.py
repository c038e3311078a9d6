"""Activations in memory, with the same manners as the store on disk: for a pass whose rows the disk has no room for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from regraft.activations import coding
from regraft.activations.places import index, numbers_of
from regraft.activations.store import Rows, Store
from regraft.core.lookup import Lookup

Array = np.ndarray[Any, Any]


class MemoryRows:
    """Rows of one key, coded as their key says, and float32 again when they are gathered.

    Args:
        below: rows of the same key that are on disk.
    """

    def __init__(self, below: Rows) -> None:
        self._below = below
        self._parts: list[coding.Coded] = []
        self._ids: list[Array] = []
        self._places: Lookup | None = None

    def append(self, ids: Array, rows: Array, dtype: str) -> None:
        """Keep float32 rows (n, ...) of ids uint64 (n, 2); an id that is known already keeps its row."""
        scale = self._parts[0].scale if self._parts else None
        self._parts.append(coding.encode(rows, dtype, scale))
        self._ids.append(ids)
        self._places = None

    def add(self, *_: Any) -> None:
        """Nothing: what is written to a store on disk has to be made known here, what was appended is known."""

    def holds(self, ids: Sequence[str]) -> Array:
        """Of which of these examples there is a row: bool (n,)."""
        return self._below.holds(ids) | (self._find(ids) >= 0)

    @property
    def row_bytes(self) -> int:
        """Of one row; 0 where there is none."""
        return self._parts[0].rows[0].nbytes if self._parts else self._below.row_bytes

    def gather(self, ids: Sequence[str]) -> Array:
        """The rows, float32 (n, ...), of these examples, in this order."""
        found = self._find(ids)
        if not (found >= 0).any() and (len(ids) or not self._parts):
            return self._below.gather(ids)
        gathered = np.empty((len(ids), *self._parts[0].rows.shape[1:]), np.float32)
        below = np.flatnonzero(found < 0)
        if len(below):
            gathered[below] = self._below.gather([ids[place] for place in below.tolist()])
        parts = np.searchsorted(self._starts(), found, "right") - 1
        for part in np.unique(parts[found >= 0]).tolist():
            members = np.flatnonzero((parts == part) & (found >= 0))
            coded = self._parts[part]
            gathered[members] = coding.decode(coded.rows[found[members] - self._starts()[part]], coded.scale)
        return gathered

    def _find(self, ids: Sequence[str]) -> Array:
        """The numbers of their rows here, int64 (n,); -1 where there is none."""
        if self._places is None:
            self._places = index(list(zip(self._starts().tolist(), self._ids, strict=True)))
        return self._places.find(numbers_of(ids))

    def _starts(self) -> Array:
        """The number of the first row of each part."""
        return np.cumsum([0, *map(len, self._ids)])[: len(self._ids)]


class _Collected:
    """Rows that come in portions: together they are what a file on disk would be, and are coded as that is."""

    def __init__(self, rows: MemoryRows, dtype: str) -> None:
        self._kept, self._dtype = rows, dtype
        self._parts: list[tuple[Array, Array]] = []

    def add(self, ids: Sequence[str], rows: Array) -> None:
        """Add the rows (n, ...) of n examples."""
        self._parts.append((numbers_of(ids), rows))

    def finish(self) -> Array:
        """Keep them, and give them back."""
        ids, rows = (np.concatenate(each) for each in zip(*self._parts, strict=True))
        self._kept.append(ids, rows, self._dtype)
        return rows

    def drop(self) -> None:
        """Nothing: what was not finished was not kept."""


class MemoryStore(Store):
    """A store whose new rows stay in memory; what the folder holds already is read from there.

    Args:
        folder: of the store on disk beside it.
        limit: of that, in bytes; see `Store`.
    """

    def __init__(self, folder: Path | None = None, limit: int | None = None) -> None:
        super().__init__(folder, limit)
        self._kept: dict[str, MemoryRows] = {}

    def open(self, key: str) -> Any:
        """What is kept under a key, on disk and in memory."""
        if key not in self._kept:
            self._kept[key] = MemoryRows(super().open(key))
        return self._kept[key]

    def begin(self, key: str, about: Mapping[str, Any], most: int) -> Any:
        """Begin to keep rows under a key, which are kept when all have come."""
        return _Collected(self.open(key), str(about.get("dtype", "float32")))

    def require_room(self, needed: int) -> None:
        """Nothing: whoever chose memory has looked at what it has."""
