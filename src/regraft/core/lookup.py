"""From the ids of things to their places: a table of places alone, which looks at the ids where they are kept.

An id is a content digest of 128 bits. A sorted copy of a million of them, with the place of each, takes 20 MB, and
twice that while it is sorted; the table takes 6, is filled block by block, and the ids may lie in a file.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# For so many slots there are two ids: most are found at the first or second look.
_SLOTS, _FOR = 3, 2
# What is put in, or looked up, at once.
_BLOCK = 1 << 14
# Slots that are looked at together where few ids are looked up.
_FEW, _AT_ONCE = 256, 8
_EMPTY = 0xFFFFFFFF


class Lookup:
    """Where ids are; one that is there several times is where it was put first.

    Args:
        numbers: the ids at places, uint64 (m, 2), from the places (m,).
        count: how many are put in at most.

    >>> ids = np.array([[7, 1], [9, 1], [7, 1]], np.uint64)
    >>> lookup = Lookup(lambda places: ids[places], 3)
    >>> lookup.add(np.arange(3, dtype=np.uint32)), lookup.find(ids[[1, 0]]), len(lookup)
    (array([0, 1, 0], dtype=uint32), array([1, 0]), 2)
    """

    def __init__(self, numbers: Callable[[Array], Array], count: int) -> None:
        if count >= _EMPTY:
            raise ValueError(f"expected fewer than {_EMPTY} ids, found {count}")
        self._numbers = numbers
        self._slots = np.full(max(1, count * _SLOTS // _FOR + 1), _EMPTY, np.uint32)
        self._count = 0

    def __len__(self) -> int:
        """How many different ids were put in."""
        return self._count

    def add(self, places: Array) -> Array:
        """Put in the ids at these places; returns where each is found from now on, uint32 (m,).

        Args:
            places: uint32 (m,).
        """
        found = np.array(places, np.uint32)
        for start in range(0, len(places), _BLOCK):
            self._put(found[start : start + _BLOCK])
        return found

    def find(self, numbers: Array) -> Array:
        """The places of ids, int64 (m,); -1 where there is none.

        Args:
            numbers: uint64 (m, 2).
        """
        found = np.full(len(numbers), -1, np.int64)
        if self._count:
            for start in range(0, len(numbers), _BLOCK):
                part = slice(start, start + _BLOCK)
                self._look(numbers[part], found[part])
        return found

    def _look(self, numbers: Array, found: Array) -> None:
        """Write the places of ids over -1."""
        # Each look is some dozen calls of NumPy: what few ids cost.
        wide = np.arange(_AT_ONCE if len(numbers) <= _FEW else 1)
        left, slots = np.arange(len(numbers)), self._begins(numbers)
        while len(left):
            held = self._slots[(slots[:, np.newaxis] + wide) % len(self._slots)]
            taken = held != _EMPTY
            beside, held = np.nonzero(taken)[0], held[taken]
            same = self._same(held, numbers[left[beside]])
            found[left[beside[same]]] = held[same]
            # Behind an empty slot it cannot be.
            more = taken.all(axis=1)
            more[beside[same]] = False
            left, slots = left[more], slots[more] + len(wide)

    def _put(self, places: Array) -> None:
        """Put in the ids at these places, and write over them where each is found."""
        numbers = self._numbers(places)
        left, slots = np.arange(len(places)), self._begins(numbers)
        while len(left):
            free = np.flatnonzero(self._slots[slots] == _EMPTY)[::-1]
            # Of those that want the same slot the first is written last, and stays.
            self._slots[slots[free]] = places[left[free]]
            held = self._slots[slots]
            mine = held == places[left]
            self._count += int(np.count_nonzero(mine[free]))
            same = mine.copy()
            other = np.flatnonzero(~mine)
            same[other] = self._same(held[other], numbers[left[other]])
            places[left[same]] = held[same]
            left, slots = left[~same], (slots[~same] + 1) % len(self._slots)

    def _same(self, held: Array, numbers: Array) -> Array:
        """Whether the ids at these places are those, bool (m,)."""
        there = self._numbers(held)
        return (there[:, 0] == numbers[:, 0]) & (there[:, 1] == numbers[:, 1])

    def _begins(self, numbers: Array) -> Array:
        """The slot where looking for each id begins, int64 (m,)."""
        # Digests: any 32 bits of them are spread evenly.
        high = (numbers[:, 0] ^ numbers[:, 1]) >> np.uint64(32)
        return ((high * np.uint64(len(self._slots))) >> np.uint64(32)).astype(np.int64)
