"""Rows on their way to the store: collected until a file is worth writing, written while the next are computed."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

import numpy as np

from regraft.activations.store import Rows, Store
from regraft.data.ids import Ids

Array = np.ndarray[Any, Any]


class Writing:
    """Writes rows of several keys, one file at a time, in a thread of its own.

    At the end of the block everything that was added is written, whatever happened in it. Memory stays flat: where
    the disk is slower than the network, `add` waits.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._last: Future[None] | None = None
        self._keys: list[_Collected] = []

    def key(self, about: Mapping[str, Any], known: Rows, limit: int) -> "_Collected":
        """What collects the rows of one key.

        Args:
            about: what the rows depend on, with its digest as `key`.
            known: is told of the rows once they are written.
            limit: bytes of a file.
        """
        self._keys.append(_Collected(self, about, known, limit))
        return self._keys[-1]

    def flush(self) -> None:
        """Write all that there is, each key to a file of its own."""
        for collected in self._keys:
            collected.flush()

    def write(self, collected: "_Collected", names: list[Ids], parts: list[Array]) -> None:
        """Hand over one file, once the one before it is written.

        Raises:
            StorageError: no space is left, or the folder cannot be written to.
        """
        self._wait()
        self._last = self._pool.submit(self._append, collected, names, parts)

    def _append(self, collected: "_Collected", names: list[Ids], parts: list[Array]) -> None:
        about = collected.about
        rows = np.concatenate(parts) if len(parts) > 1 else parts[0]
        ids = Ids(np.concatenate([some.digests for some in names]))
        collected.known.add(self._store.append(about["key"], about, ids, rows))

    def _wait(self) -> None:
        last, self._last = self._last, None
        if last is not None:
            last.result()

    def __enter__(self) -> "Writing":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.flush()
            self._wait()
        finally:
            self._pool.shutdown()


class _Collected:
    """The rows of one key that are in no file yet."""

    def __init__(self, writing: Writing, about: Mapping[str, Any], known: Rows, limit: int) -> None:
        self.about, self.known = about, known
        self._writing, self._limit = writing, limit
        self._names: list[Ids] = []
        self._rows: list[Array] = []

    def add(self, names: Ids, rows: Array) -> None:
        """Add the rows (n, ...) of n examples."""
        self._names.append(names)
        self._rows.append(rows)
        if sum(part.nbytes for part in self._rows) >= self._limit:
            self.flush()

    def flush(self) -> None:
        """Write what there is."""
        if self._rows:
            names, rows = self._names, self._rows
            self._names, self._rows = [], []
            self._writing.write(self, names, rows)
