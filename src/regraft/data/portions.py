"""Work on a value of each example, in portions: NumPy makes eight bytes of every small code that it looks up."""

from collections.abc import Iterator
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_PORTION = 1 << 14


def portions(count: int) -> Iterator[slice]:
    """Slices that are all of so many examples, one after the other."""
    return (slice(start, min(start + _PORTION, count)) for start in range(0, count, _PORTION))


def smallest(count: int) -> np.dtype[Any]:
    """The smallest unsigned dtype for the numbers below `count`.

    >>> smallest(2), smallest(256), smallest(257)
    (dtype('uint8'), dtype('uint8'), dtype('uint16'))
    """
    return np.min_scalar_type(max(0, count - 1))


def looked_up(table: Array, *codes: Array) -> Array:
    """`table[codes]`, (n,) of the table's dtype."""
    found = np.empty(len(codes[0]), table.dtype)
    for part in portions(len(found)):
        found[part] = table[tuple(each[part] for each in codes)]
    return found


def counted(codes: Array, count: int) -> Array:
    """How many there are of each code below `count`, int64 (count,)."""
    found = np.zeros(count, np.int64)
    for part in portions(len(codes)):
        found += np.bincount(codes[part], minlength=count)
    return found
