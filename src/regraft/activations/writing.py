"""Rows on their way to the store: written in portions, in a thread of its own, while the next are computed."""

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any

import numpy as np

from regraft.activations.engines import BATCH
from regraft.activations.store import Rows, Store
from regraft.data.ids import Ids

Array = np.ndarray[Any, Any]

# Of one key, before they are written; and of all keys on their way to the disk.
_PORTION, _ON_THEIR_WAY = 1 << 19, 1 << 22
# A file that grows is open: where more keys than this are written, each file waits in memory until it is whole.
_OPEN = 128


class Writing:
    """Writes rows of several keys, portion by portion.

    At the end of the block everything that was added is written, whatever happened in it. Memory stays flat: where
    the disk is slower than the network, `add` waits.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._handed: deque[tuple[Future[None], int]] = deque()
        self._keys: list[Collected] = []

    def key(self, about: Mapping[str, Any], known: Rows, limit: int) -> "Collected":
        """What collects the rows of one key.

        Args:
            about: what the rows depend on, with its digest as `key`.
            known: is told of the rows once they are written.
            limit: bytes of a file.
        """
        self._keys.append(Collected(self, about, known, limit))
        return self._keys[-1]

    @property
    def portion(self) -> float:
        """Bytes of a key's rows that are worth writing."""
        return _PORTION if len(self._keys) <= _OPEN else float("inf")

    def flush(self) -> None:
        """Make files of all that there is, one for each key."""
        for collected in self._keys:
            collected.flush()

    def hand_over(self, write: Callable[[], None], size: int) -> None:
        """Have it done in the thread, after all that was handed over before.

        Raises:
            StorageError: from what was handed over before: no space is left, or the folder cannot be written to.
        """
        while self._handed and sum(other for _, other in self._handed) + size > _ON_THEIR_WAY:
            self._handed.popleft()[0].result()
        self._handed.append((self._pool.submit(write), size))

    def __enter__(self) -> "Writing":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.flush()
            while self._handed:
                self._handed.popleft()[0].result()
        finally:
            self._pool.shutdown()
            for collected in self._keys:
                collected.drop()


class Collected:
    """The rows of one key that are in no file yet."""

    def __init__(self, writing: Writing, about: Mapping[str, Any], known: Rows, limit: int) -> None:
        self.about, self.known = about, known
        self._writing, self._limit = writing, limit
        self._waiting: list[tuple[Ids, Array]] = []
        self._size = self._handed = self._expected = 0
        # Of the thread alone: what is being written, and whether that went wrong.
        self._file: Any = None
        self._failed = False

    def expect(self, count: int) -> None:
        """Say how many examples come at most until the next flush; without that no file is begun before its end."""
        self._expected = count

    def add(self, ids: Ids, rows: Array) -> None:
        """Add the rows (n, ...) of n examples."""
        self._waiting.append((ids, rows))
        self._size += rows.nbytes
        if self._size >= self._limit:
            self.flush()
        elif self._size - self._handed >= self._writing.portion and self._expected:
            # A file ends with the batch that fills it.
            self._hand_over(min(self._expected, -(-self._limit * len(rows) // rows.nbytes) + BATCH), ends=False)

    def flush(self) -> None:
        """Make a file of what there is."""
        if self._size:
            self._hand_over(sum(len(rows) for _, rows in self._waiting), ends=True)
            self._size = self._handed = 0

    def drop(self) -> None:
        """Leave nothing of a file that could not be finished."""
        if self._file is not None:
            self._file.drop()

    def _hand_over(self, most: int, *, ends: bool) -> None:
        waiting, self._waiting = self._waiting, []
        size, self._handed = self._size - self._handed, self._size
        self._expected -= sum(len(rows) for _, rows in waiting)
        self._writing.hand_over(partial(self._write, waiting, most, ends), size)

    def _write(self, waiting: list[tuple[Ids, Array]], most: int, ends: bool) -> None:
        if self._failed:
            return
        try:
            if self._file is None:
                self._file = self._writing.store.begin(self.about["key"], self.about, most)
            for ids, rows in waiting:
                self._file.add(ids, rows)
            if ends:
                self.known.add(self._file.finish())
                self._file = None
        except BaseException:
            # A part of a row may be in the file: nothing is to come behind it.
            self._failed = True
            raise
