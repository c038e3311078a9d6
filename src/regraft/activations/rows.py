"""Activations of many examples, gathered by id straight from their files."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from regraft.activations import coding, mapped
from regraft.activations.descriptors import Descriptor, read_at
from regraft.activations.mapped import Part, Region
from regraft.activations.places import SIZE, index, numbers_of
from regraft.activations.shard import Shard
from regraft.core.errors import CorruptFileError, StorageError
from regraft.core.lookup import Lookup

Array = np.ndarray[Any, Any]

# Rows that are decoded at once: what lies between the file and the result stays small.
_DECODED_BYTES = 1 << 24
# An entry that is in use says so this often, in seconds: others do not evict it then.
_SAID_EVERY = 60.0
_LOOKED_AT = 1 << 16


@dataclass(frozen=True, slots=True)
class _Kind:
    """What all rows have in common."""

    shape: tuple[int, ...]
    dtype: str
    row_bytes: int


_NONE = _Kind((), "float32", 0)


class Rows:
    """Activations of examples at one cut point.

    Files are mapped, once they are verified, where the system can do that; elsewhere rows are read one by one.

    Args:
        damaged: is told of each file that turns out to be damaged, and removes it.
        used: is called now and then while rows are gathered.
    """

    def __init__(
        self,
        damaged: Callable[[Shard], None] = lambda shard: None,
        used: Callable[[], None] = lambda: None,
    ) -> None:
        self._damaged, self._used = damaged, used
        # Never removed from, so that the number of a row stays what it is; a damaged file leaves None.
        self._files: list[Shard | None] = []
        # The number of each file's first row, and last how many rows there are; where each file's rows begin, in it and
        # behind the first id.
        self._starts, self._offsets, self._heads = np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._kind = _NONE
        self._places: Lookup | None = None
        self._sound: set[int] = set()
        # Of the files that there were when they were mapped last, ids and rows; whether they were looked at since.
        self._region: Region | None = None
        self._is_mapped = self._is_whole = False
        self._said = time.monotonic()
        self._lock = threading.RLock()

    def __len__(self) -> int:
        """How many examples there are; those of damaged files count until somebody asks for them."""
        return len(self._index())

    @property
    def files(self) -> list[Shard]:
        """The files, in the order of their rows."""
        return [shard for shard in self._files if shard is not None]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one row; () where there are none."""
        return self._kind.shape

    @property
    def dtype(self) -> str:
        """What rows are coded as on disk."""
        return self._kind.dtype

    @property
    def row_bytes(self) -> int:
        """Of one row on disk; 0 where there are none."""
        return self._kind.row_bytes

    @property
    def clipped(self) -> float:
        """The share of all numbers that lay beyond what their coding can say."""
        files = self.files
        numbers = sum(prod(shard.head.shape) for shard in files)
        return sum(shard.head.clipped for shard in files) / numbers if numbers else 0.0

    def add(self, shard: Shard) -> None:
        """Make known the rows of one more file; an id that is known already keeps its row."""
        with self._lock:
            if not self._files:
                self._kind = _Kind(shard.head.shape[1:], shard.head.dtype, shard.head.row_bytes)
            self._files.append(shard)
            self._starts = np.append(self._starts, self._starts[-1] + len(shard))
            self._offsets = np.append(self._offsets, shard.head.start)
            self._heads = np.append(self._heads, shard.head.start - shard.head.ids)
            self._places = self._region = None
            self._is_mapped = self._is_whole = False

    def holds(self, ids: Sequence[str]) -> Array:
        """Of which examples the rows are there, bool (n,); the files that hold them are verified by that.

        A damaged file is removed, and its examples are not there.
        """
        return self._find(numbers_of(ids)) >= 0

    def select(self, ids: Sequence[str]) -> "Selection":
        """The rows of these examples, looked up once, for gathering batches of them.

        Raises:
            KeyError: an example has no row.
        """
        places = self._find(numbers_of(ids))
        if len(places) and places.min() < 0:
            raise KeyError(ids[int(np.argmin(places))])
        return Selection(self, places)

    def gather(self, ids: Sequence[str]) -> Array:
        """The rows (n, ...) of these examples, in this order, as a new float32 array.

        Raises:
            KeyError: an example has no row.
        """
        return self.select(ids).gather(slice(None))

    def located(self, places: Array) -> tuple[Region, Array] | None:
        """Where the files are mapped, and where in it the rows with these numbers begin; None: they are not mapped."""
        region = self._whole()
        if region is None or not self.row_bytes:
            return None
        files = self._file_of(places)
        begins = region.firsts[files] + self._heads[files]
        return region, begins + (places - self._starts[files]) * self.row_bytes

    def take(self, numbers: Callable[[], Array], located: tuple[Region, Array] | None) -> Array:
        """The rows (n, ...) with these numbers, as a new float32 array.

        Args:
            numbers: gives them where they are needed; what lies all over memory takes as long as a small row.
            located: what `located` says of them.
        """
        now = time.monotonic()
        if now - self._said > _SAID_EVERY:
            self._said = now
            self._used()
        if self._kind.dtype == "float32":
            return self._on_file(numbers()) if located is None else self._in_memory(*located)
        places = numbers()
        found = np.empty((len(places), *self.shape), np.float32)
        step = max(1, _DECODED_BYTES // max(1, 4 * prod(self.shape)))
        for start in range(0, len(places), step):
            part = slice(start, start + step)
            some = places[part]
            coded = self._on_file(some) if located is None else self._in_memory(located[0], located[1][part])
            found[part] = coding.decode(coded, self._scale(some))
        return found

    def _in_memory(self, region: Region, begins: Array) -> Array:
        """Rows as they are coded, from where they are mapped."""
        kind = self._kind
        return region.take(begins, kind.row_bytes, coding.DTYPES[kind.dtype]).reshape(-1, *kind.shape)

    def _on_file(self, places: Array) -> Array:
        """The same of rows with these numbers, read."""
        coded = np.empty((len(places), *self.shape), coding.DTYPES[self.dtype])
        self._read(places, coded)
        return coded

    def _mapped(self) -> Region | None:
        """The ids and rows of all files, mapped."""
        with self._lock:
            if not self._is_mapped:
                # The descriptors are held until all is mapped, so that none is closed for another one.
                held = [None if shard is None else shard.descriptor for shard in self._files]
                parts = [_part(shard, one) for shard, one in zip(self._files, held, strict=True)]
                self._region = mapped.mapped(parts) if self._none_is_short() else None
                self._is_mapped = True
            return self._region

    def _whole(self) -> Region | None:
        """What is mapped; rows of a file that was cut short meanwhile would end the process, and are read instead."""
        with self._lock:
            region = self._mapped()
            if region is not None and not self._is_whole:
                # One that is not there any more stays as it is mapped.
                with contextlib.suppress(StorageError):
                    self._region = region if self._none_is_short() else None
                self._is_whole = True
            return self._region

    def _none_is_short(self) -> bool:
        return all(shard.descriptor.size() >= shard.end for shard in self.files)

    def _scale(self, places: Array) -> Array | None:
        """The scale of these rows: one for all, or where two processes wrote first files at once, that of each row."""
        scales = [None if shard is None else shard.head.scale for shard in self._files]
        known = [scale for scale in scales if scale is not None]
        if not known or all(np.array_equal(known[0], scale) for scale in known[1:]):
            return known[0] if known else None
        table = np.stack([known[0] if scale is None else scale for scale in scales])
        return table[self._file_of(places)]

    def _file_of(self, places: Array) -> Array:
        return np.searchsorted(self._starts, places, "right") - 1

    def _read(self, places: Array, into: Array) -> None:
        """Read rows; those that lie side by side at once."""
        if not len(places):
            return
        size, files = self.row_bytes, self._file_of(places)
        offsets = self._offsets[files] + (places - self._starts[files]) * size
        new = np.flatnonzero((offsets[1:] - offsets[:-1] != size) | (files[1:] != files[:-1])) + 1
        begins, firsts = [0, *new.tolist()], np.concatenate([[0], new])
        ends = [*begins[1:], len(places)]
        from_each = files[firsts].tolist()
        held = {number: self._descriptor(number) for number in set(from_each)}
        numbers = {number: descriptor.number for number, descriptor in held.items()}
        buffer, read = memoryview(into.reshape(-1).view(np.uint8).data), read_at
        for begin, end, number, offset in zip(begins, ends, from_each, offsets[firsts].tolist(), strict=True):
            part = buffer[begin * size : end * size]
            # Straight to the system: a call between them would take as long as a small row does.
            if read(numbers[number], (part,), offset) != len(part):
                held[number].read_into(part, offset)

    def _descriptor(self, number: int) -> Descriptor:
        shard = self._files[number]
        if shard is None:
            raise StorageError("activations were found damaged while they were in use; run it again")
        return shard.descriptor

    def _find(self, numbers: Array) -> Array:
        """The numbers of rows in verified files, int64 (n,); -1 where there is none."""
        while True:
            places = self._index().find(numbers)
            if self._all_sound(places):
                return places

    def _all_sound(self, places: Array) -> bool:
        """Verify the files of these rows; false where one was damaged, and what was looked up is to be again."""
        with self._lock:
            if len(self._sound) == len(self._files):
                return True
            files: set[int] = set()
            for start in range(0, len(places), _LOOKED_AT):
                files.update(self._file_of(places[start : start + _LOOKED_AT]).tolist())
            return self._all_verified(sorted(files - self._sound - {-1}))

    def _all_verified(self, numbers: Iterable[int]) -> bool:
        """Verify all of these files, also where one of the first is damaged."""
        whole = True
        for number in numbers:
            whole &= self._verify(number)
        return whole

    def _verify(self, number: int) -> bool:
        shard = self._files[number]
        if shard is not None and number not in self._sound:
            try:
                shard.verify()
            except CorruptFileError:
                self._files[number] = self._places = None
                self._damaged(shard)
        self._sound.add(number)
        return self._files[number] is not None

    def _index(self) -> Lookup:
        with self._lock:
            if self._places is None:
                region = self._mapped()
                self._places = index(_Listed(self._starts, self._files), region and self._numbers_in(region))
            return self._places

    def _numbers_in(self, region: Region) -> Callable[[Array], Array]:
        """What gives the ids of rows, uint64 (m, 2), from where they are mapped."""
        # Both stay as they are: whoever shares the index looks into the same files.
        starts = self._starts

        def numbers(places: Array) -> Array:
            files = np.searchsorted(starts, places, "right") - 1
            return region.take(region.firsts[files] + (places - starts[files]) * SIZE, SIZE, "<u8").reshape(-1, 2)

        return numbers


@dataclass(frozen=True, slots=True)
class _Listed:
    """For each file the number of its first row, and its ids, read when they are asked for."""

    starts: Array
    files: Sequence[Shard | None]

    def __iter__(self) -> Iterator[tuple[int, Array]]:
        files = zip(self.starts.tolist(), self.files, strict=False)
        return ((start, shard.ids()) for start, shard in files if shard is not None)


def _part(shard: Shard | None, descriptor: Descriptor | None) -> Part:
    """The ids and rows of a file, which lie behind each other."""
    if shard is None or descriptor is None:
        return Part(0, 0, 0)
    return Part(descriptor.number, shard.head.ids, shard.end - shard.head.ids)


class Selection:
    """Rows of some examples, looked up once: what training draws its batches from.

    Attributes:
        places: the number of each one's row, int64 (n,).
    """

    __slots__ = ("_located", "_rows", "places")

    def __init__(self, rows: Rows, places: Array) -> None:
        self._rows, self.places = rows, places
        self._located = rows.located(places)

    def __len__(self) -> int:
        """How many examples there are."""
        return len(self.places)

    def gather(self, indices: Array | slice) -> Array:
        """The rows (m, ...) of the examples at these indices, in this order, as a new float32 array."""
        located = self._located
        if located is not None:
            located = (located[0], located[1][indices])
        return self._rows.take(lambda: self.places[indices], located)
