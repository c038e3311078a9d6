"""Ids of examples: digests of their content, held as bytes, and written in hexadecimal when somebody asks."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex, overload

import numpy as np

from regraft.core.errors import DataError
from regraft.core.lookup import Lookup

Array = np.ndarray[Any, Any]

SIZE = 16
# Written as text at once: some megabytes whatever there is.
_BLOCK = 4096
_COMPARED = 1 << 14


@dataclass(frozen=True, slots=True, eq=False)
class Ids(Sequence[str]):
    """A sequence of digests: text of 32 hexadecimal digits to look at, 16 bytes to keep.

    A list of such strings takes 90 bytes of memory for each.

    Attributes:
        digests: uint8 (n, 16).

    >>> ids = Ids.of(["00" * 16, "ff" * 16])
    >>> ids[1], ids.take([1, 1]) == ["ff" * 16] * 2
    ('ffffffffffffffffffffffffffffffff', True)
    """

    digests: Array

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Ids":
        """Ids from their texts; ids are taken as they are.

        Raises:
            DataError: a text is no digest.
        """
        if isinstance(texts, Ids):
            return texts
        made = bytearray()
        for text in texts:
            try:
                digest = bytes.fromhex(text)
            except ValueError:
                digest = b""
            if len(digest) != SIZE:
                raise DataError(f"expected a digest of {2 * SIZE} hexadecimal digits as an id, found '{text[:80]}'")
            made += digest
        return cls(np.frombuffer(made, np.uint8).reshape(-1, SIZE))

    def __len__(self) -> int:
        """How many there are."""
        return len(self.digests)

    @overload
    def __getitem__(self, index: SupportsIndex) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> "Ids": ...
    def __getitem__(self, index: SupportsIndex | slice) -> "str | Ids":
        """One as text, or some."""
        chosen = self.digests[index]
        return Ids(chosen) if isinstance(index, slice) else chosen.tobytes().hex()

    def __iter__(self) -> Iterator[str]:
        """All as text."""
        width = 2 * SIZE
        for start in range(0, len(self), _BLOCK):
            text = self.digests[start : start + _BLOCK].tobytes().hex()
            yield from (text[at : at + width] for at in range(0, len(text), width))

    def __eq__(self, other: object) -> bool:
        """Whether the other is a sequence of the same ids."""
        if isinstance(other, Ids):
            return np.array_equal(self.digests, other.digests)
        if not isinstance(other, (tuple, list)):
            return NotImplemented
        return len(self) == len(other) and all(one == text for one, text in zip(self, other, strict=True))

    def __contains__(self, text: object) -> bool:
        """Whether one of them is this."""
        return isinstance(text, str) and len(self.places(text)) > 0

    def index(self, value: str, start: int = 0, stop: int | None = None) -> int:
        """Where the first one is that is this.

        Raises:
            ValueError: none is.
        """
        places = self[slice(start, stop)].places(value)
        if not len(places):
            raise ValueError(f"'{value}' is none of {len(self)} ids")
        return int(places[0]) + range(len(self))[slice(start, stop)].start

    def places(self, text: str) -> Array:
        """The int64 indices of all that are this."""
        try:
            wanted = Ids.of([text]).digests
        except DataError:
            return np.empty(0, np.int64)
        # The first byte leaves one in 256 to be compared whole.
        some = np.flatnonzero(self.digests[:, 0] == wanted[0, 0])
        return some[(self.digests[some] == wanted).all(axis=1)]

    def take(self, indices: Any) -> "Ids":
        """Those at these indices, in that order."""
        return Ids(self.digests[np.asarray(indices, np.int64)])

    def numbers(self) -> Array:
        """Each as two numbers, little-endian uint64 (n, 2); nothing is copied."""
        return np.ascontiguousarray(self.digests, np.uint8).view("<u8").reshape(-1, 2)

    def keys(self) -> Array:
        """The first eight bytes of each as a number, uint64 (n,), in the order of the texts where they differ."""
        return np.ascontiguousarray(self.digests).view(">u8")[:, 0].astype(np.uint64)

    def sorted_with(self, numbers: Array) -> Iterator[tuple[str, int]]:
        """Each as text with its number, in the order of the ids, those of one id by number.

        Args:
            numbers: integers (n,).
        """
        keys = self.keys()
        order = np.argsort(keys, kind="stable")
        # Beyond that the same ids are to be told apart, and ids whose first halves are the same by chance.
        if len(unclear := _beside_equals(keys, order)):
            rows = order[unclear]
            order[unclear] = rows[np.lexsort((numbers[rows], self._rest(rows), keys[rows]))]
        del keys
        for start in range(0, len(order), _BLOCK):
            rows = order[start : start + _BLOCK]
            yield from zip(self.take(rows), numbers[rows].tolist(), strict=True)

    def repeats(self) -> tuple[Array, Array]:
        """Of each that was there before: its index, and that of the first one; ordered by the first.

        >>> a, b = "00" * 16, "ff" * 16
        >>> Ids.of([a, b, a, b, a]).repeats()
        (array([2, 4, 3]), array([0, 0, 1]))
        """
        lookup = Lookup(self.numbers().__getitem__, len(self))
        index, first = [np.empty(0, np.uint32)], [np.empty(0, np.uint32)]
        for start in range(0, len(self), _COMPARED):
            places = np.arange(start, min(start + _COMPARED, len(self)), dtype=np.uint32)
            found = lookup.add(places)
            again = found != places
            index.append(places[again])
            first.append(found[again])
        index, first = np.concatenate(index).astype(np.int64), np.concatenate(first).astype(np.int64)
        order = np.lexsort((index, first))
        return index[order], first[order]

    def _rest(self, rows: Array) -> Array:
        """The last eight bytes of some, as numbers."""
        return np.ascontiguousarray(self.digests[rows, 8:]).view(">u8")[:, 0]


def _beside_equals(keys: Array, order: Array) -> Array:
    """The places in a sorting order at which the key is the same as at the place before or behind."""
    beside = np.zeros(len(order), bool)
    for start in range(0, len(order), _COMPARED):
        block = keys[order[start : start + _COMPARED + 1]]
        equal = start + np.flatnonzero(block[1:] == block[:-1])
        beside[equal] = beside[equal + 1] = True
    return np.flatnonzero(beside)


def among(values: Array, wanted: Array) -> Array:
    """The int64 indices of the values that are among the wanted ones, which are sorted and at least one."""
    found = [np.empty(0, np.int64)]
    for start in range(0, len(values), _COMPARED):
        block = values[start : start + _COMPARED]
        places = np.minimum(np.searchsorted(wanted, block), len(wanted) - 1)
        found.append(start + np.flatnonzero(wanted[places] == block))
    return np.concatenate(found)
