"""Which entries' rows are held in memory: small ones that are read again and again, together up to a limit.

Whatever the size of the data, memory for rows stays below a limit. Who was not used for a while makes room.
"""

import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# By default of all entries together: so much, on any machine, whatever the data. See `allow`.
LIMIT = 128_000_000
# Seconds without use after which an entry makes room for another. Sooner, entries that are read in turn would push
# each other out at every turn.
_IDLE = 10.0

_LOCK = threading.Lock()
_allowed = LIMIT


def allow(size: int) -> None:
    """Let this process hold rows of so many bytes in memory, for plans that have decided for memory."""
    global _allowed
    _allowed = size


class Held:
    """Rows in memory, until another entry needs the room.

    Attributes:
        rows: None once they are not held any more.
        used: when they were used last, by `time.monotonic`.
    """

    __slots__ = ("__weakref__", "rows", "used")

    def __init__(self, rows: Array) -> None:
        self.rows: Array | None = rows
        self.used = time.monotonic()


_HELD: "weakref.WeakSet[Held]" = weakref.WeakSet()


def admit(size: int, read: Callable[[], Array]) -> Held | None:
    """Hold the rows of an entry, as long as the result lives, if there is room for them.

    Args:
        size: of the rows in bytes.
        read: gives them.
    """
    if size > _allowed:
        return None
    with _LOCK:
        idle = time.monotonic() - _IDLE
        total = sum(_size(held) for held in _HELD)
        for held in sorted(_HELD, key=lambda held: held.used):
            if total + size > _allowed and held.used < idle:
                total -= _size(held)
                held.rows = None
        if total + size > _allowed:
            return None
        made = Held(read())
        _HELD.add(made)
        return made


def _size(held: Held) -> int:
    rows = held.rows
    return 0 if rows is None else rows.nbytes
