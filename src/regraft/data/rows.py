"""Arrays that come block by block, put into one as they come: nothing is there twice."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_GROWTH = 1.25


class Rows:
    """Rows that are put one after the other.

    Args:
        expected: how many will come, if that is known; a wrong number costs time only.

    >>> rows = Rows()
    >>> rows.add(np.zeros((2, 3)))
    >>> rows.add(np.ones((1, 3)))
    >>> rows.joined()[:, 0]
    array([0., 0., 1.])
    """

    def __init__(self, expected: int = 0) -> None:
        self._expected = expected
        self._whole: Array | None = None
        self._count = 0
        self._apart: list[Array] | None = None

    def add(self, block: Array) -> None:
        """Add rows (k, ...); those of an array of objects are arrays of any shape."""
        if self._whole is None:
            self._whole = np.empty((max(self._expected, len(block)), *block.shape[1:]), block.dtype)
        alike = (block.dtype, block.shape[1:]) == (self._whole.dtype, self._whole.shape[1:]) and block.dtype != object
        if self._apart is None and not alike:
            self._apart = list(self._whole[: self._count])
        if self._apart is not None:
            self._apart += [np.asarray(row) for row in block]
            return
        needed = self._count + len(block)
        if needed > len(self._whole):
            # In place, where the system can move pages instead of bytes; nobody else has seen the array.
            size = max(needed, int(_GROWTH * len(self._whole)))
            self._whole.resize((size, *self._whole.shape[1:]), refcheck=False)
        self._whole[self._count : needed] = block
        self._count = needed

    def joined(self) -> Array | list[Array]:
        """All rows (n, ...), or a list of them where their shapes or dtypes differ; the end of adding."""
        if self._apart is not None:
            return self._apart
        if self._whole is None:
            return np.empty(0)
        self._whole.resize((self._count, *self._whole.shape[1:]), refcheck=False)
        return self._whole
