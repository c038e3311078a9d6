"""Where the rows of examples are: a compact index from ids to numbers of rows, in memory once for all keys alike.

An id is a content digest of 128 bits, held as two numbers of 64. A million of them take 20 MB, and keys that hold the
same examples in the same order share one index.
"""

import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# Bytes and hexadecimal digits of an id.
SIZE = 16
_DIGITS = 2 * SIZE
# Ids that are turned into numbers, or looked up, at once: memory for them is bounded.
_BLOCK = 1 << 16


def numbers_of(ids: Sequence[str]) -> Array:
    """Ids as pairs of numbers, little-endian uint64 (n, 2).

    A digest of 32 lower-case hexadecimal digits is itself; any other text is digested first.

    Args:
        ids: n texts, or anything that has `digests`, uint8 (n, 16), beside them: then no text is made.

    >>> numbers_of(["01" + "00" * 15, "any text"]).shape, int(numbers_of(["01" + "00" * 15])[0, 0])
    ((2, 2), 1)
    """
    held = getattr(ids, "digests", None)
    if isinstance(held, np.ndarray):
        return np.ascontiguousarray(held, np.uint8).view("<u8").reshape(-1, 2)
    if len(ids) <= _BLOCK:
        return np.frombuffer(_bytes_of(ids), "<u8").reshape(-1, 2)
    found = np.empty((len(ids), 2), "<u8")
    for start in range(0, len(ids), _BLOCK):
        found[start : start + _BLOCK] = np.frombuffer(_bytes_of(ids[start : start + _BLOCK]), "<u8").reshape(-1, 2)
    return found


def _bytes_of(ids: Sequence[str]) -> bytes:
    text = "".join(ids)
    # `fromhex` passes over spaces and takes capitals: such texts are other ids.
    if len(text) == _DIGITS * len(ids) and set(map(len, ids)) <= {_DIGITS} and text == text.lower():
        try:
            made = bytes.fromhex(text)
        except ValueError:
            made = b""
        if len(made) == SIZE * len(ids):
            return made
    return b"".join(map(_one, ids))


def _one(name: str) -> bytes:
    try:
        made = bytes.fromhex(name)
    except ValueError:
        made = b""
    if made.hex() == name and len(made) == SIZE:
        return made
    return blake2b(name.encode(errors="surrogatepass"), digest_size=SIZE, person=b"not a digest").digest()


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Places:
    """An index: for an id, the number of its row. Made by `index`.

    Attributes:
        first: the first half of each id, ascending, uint64 (n,).
        second: the other half, of the same ids, uint64 (n,).
        row: the number of its row, uint32 or int64 (n,).
    """

    first: Array
    second: Array
    row: Array

    def __len__(self) -> int:
        """How many different ids there are."""
        return len(self.first)

    def find(self, numbers: Array) -> Array:
        """The rows of ids, int64 (m,); -1 where there is none.

        Args:
            numbers: uint64 (m, 2), see `numbers_of`.
        """
        if not len(self):
            return np.full(len(numbers), -1, np.int64)
        if len(numbers) <= _BLOCK:
            return self._find(numbers)
        found = np.empty(len(numbers), np.int64)
        for start in range(0, len(numbers), _BLOCK):
            part = numbers[start : start + _BLOCK]
            # In order: the search then walks through the index instead of jumping about in it.
            order = np.argsort(part[:, 0])
            found[start : start + _BLOCK][order] = self._find(part[order])
        return found

    def _find(self, numbers: Array) -> Array:
        wanted, rest = np.ascontiguousarray(numbers[:, 0]), numbers[:, 1]
        at = np.searchsorted(self.first, wanted)
        last = len(self) - 1
        at = np.minimum(at, last)
        same = self.first[at] == wanted
        right = same & (self.second[at] == rest)
        found = np.where(right, self.row[at], np.int64(-1))
        # Ids that differ in their second half only stand side by side.
        undecided = np.flatnonzero(same & ~right)
        while len(undecided):
            at[undecided] += 1
            undecided = undecided[at[undecided] <= last]
            here = at[undecided]
            undecided = undecided[self.first[here] == wanted[undecided]]
            here = at[undecided]
            right = self.second[here] == rest[undecided]
            found[undecided[right]] = self.row[here[right]]
            undecided = undecided[~right]
        return found


# All that is in use, by the digest of the ids in their order: keys that hold the same share it.
_KNOWN: "weakref.WeakValueDictionary[bytes, Places]" = weakref.WeakValueDictionary()
_KNOWN_LOCK = threading.Lock()


def index(parts: Iterable[tuple[int, Array]]) -> Places:
    """The index of ids that stand in files one after the other; of several rows of one id it has the first.

    Args:
        parts: for each file the number of its first row, and its ids, uint64 (n, 2).
    """
    held = [(start, numbers) for start, numbers in parts if len(numbers)]
    name = _name(held)
    with _KNOWN_LOCK:
        found = _KNOWN.get(name)
        if found is None:
            found = _KNOWN[name] = _made(held)
    return found


def _name(parts: Sequence[tuple[int, Array]]) -> bytes:
    state = blake2b(digest_size=SIZE)
    following = 0
    for start, numbers in parts:
        if start != following:
            # A gap, where a file is missing.
            state.update(b"gap" + (start - following).to_bytes(SIZE - 3, "little"))
        state.update(np.ascontiguousarray(numbers).data)
        following = start + len(numbers)
    return state.digest()


def _made(parts: list[tuple[int, Array]]) -> Places:
    count = sum(len(numbers) for _, numbers in parts)
    end = max((start + len(numbers) for start, numbers in parts), default=0)
    first = np.empty(count, np.uint64)
    for at, numbers in _laid_out(parts):
        first[at : at + len(numbers)] = numbers[:, 0]
    # Stable: of equal ids the first comes first.
    order = np.argsort(first, kind="stable").astype(np.uint32 if count < 1 << 32 else np.int64)
    first = first[order]
    second = np.empty(count, np.uint64)
    for at, numbers in _laid_out(parts):
        second[at : at + len(numbers)] = numbers[:, 1]
    second = second[order]
    row = np.empty(count, np.uint32 if end < 1 << 32 else np.int64)
    for (at, numbers), (start, _) in zip(_laid_out(parts), parts, strict=True):
        row[at : at + len(numbers)] = np.arange(start, start + len(numbers), dtype=row.dtype)
    row = row[order]
    doubtful = np.flatnonzero(first[1:] == first[:-1])
    if len(doubtful):
        kept = _firsts(first, second, doubtful)
        first, second, row = first[kept], second[kept], row[kept]
    return Places(first, second, row)


def _laid_out(parts: Sequence[tuple[int, Array]]) -> Iterator[tuple[int, Array]]:
    """The ids of each file, and how many there are before them."""
    at = 0
    for _, numbers in parts:
        yield at, numbers
        at += len(numbers)


def _firsts(first: Array, second: Array, doubtful: Array) -> Array:
    """Which entries are no repetition of an id that stands before them, bool (n,).

    Args:
        first: ascending, uint64 (n,).
        second: the other halves.
        doubtful: places at which the next entry has the same first half.
    """
    kept = np.ones(len(first), bool)
    seen: set[tuple[int, int]] = set()
    for at in np.union1d(doubtful, doubtful + 1).tolist():
        pair = (int(first[at]), int(second[at]))
        kept[at] = pair not in seen
        seen.add(pair)
    return kept
