"""A file of activations that is written as its rows come, and is there when all are: whole, or not at all.

Its place in front is left for the head, for as many rows as there may be. So what waits in memory for the disk does not
grow with the file.
"""

import contextlib
import os
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from regraft.activations import shard
from regraft.activations.coding import Coded
from regraft.activations.descriptors import Descriptor
from regraft.activations.shard import Shard
from regraft.core import storage
from regraft.core.errors import StorageError

Array = np.ndarray[Any, Any]
T = TypeVar("T")

_NAME = "partial.rows"
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_COPIED = 1 << 20
# How often it is tried again where another process clears the cache at that moment.
_ATTEMPTS, _PAUSE = 20, 0.01


class Growing:
    """Rows on their way into a file.

    Args:
        folder: where the file will be.
        shape: of a row.
        dtype: what rows are coded as.
        scale: of int8, float32 (channels,).
        most: how many rows there will be at most.

    Raises:
        StorageError: of every method: no space is left, or the place cannot be written to.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...], dtype: str, scale: Array | None, most: int) -> None:
        self._folder, self._shape, self._dtype, self._scale = folder, shape, dtype, scale
        self._most = most
        self._start = shard.start_of(most, shape, dtype, scale)
        self._ids: list[Array] = []
        # CRC-32 of the blocks that are whole, and of the one that is not.
        self._checks: list[int] = []
        self._check = self._size = self._clipped = self._count = 0
        self._held = contextlib.ExitStack()
        self._file, self._partial = self._opened(self._held)
        with storage.storage_errors(folder / _NAME):
            os.lseek(self._file, self._start, os.SEEK_SET)

    def add(self, ids: Array, coded: Coded) -> None:
        """Write more rows.

        Args:
            ids: uint64 (n, 2); see `places.numbers_of`.
            coded: the rows (n, ...).
        """
        self._count += len(ids)
        if self._count > self._most:
            raise ValueError(f"expected at most {self._most} rows in a file, found {self._count}")
        content = coded.rows.reshape(-1).view(np.uint8).data
        with storage.storage_errors(self._folder / _NAME):
            _write_all(self._file, content)
        self._ids.append(np.array(ids, "<u8"))
        self._clipped += coded.clipped
        while len(content):
            part = content[: shard.BLOCK - self._size % shard.BLOCK]
            self._check, self._size = zlib.crc32(part, self._check), self._size + len(part)
            if self._size % shard.BLOCK == 0:
                self._checks.append(self._check)
                self._check = 0
            content = content[len(part) :]

    @property
    def ids(self) -> Array:
        """Of all rows so far, uint64 (n, 2)."""
        return np.concatenate([np.empty((0, 2), "<u8"), *self._ids])

    def finish(self, path: Path, before: Callable[[], None] = lambda: None) -> Shard:
        """Make it the file at a path, and open it.

        Args:
            path: in the folder; a file that is there is replaced, and stays readable for who has opened it.
            before: done before, again where another process removes the folder.
        """
        checks = np.array(self._checks + ([self._check] if self._size % shard.BLOCK else []), "<u4")
        head = shard.head_of(self.ids, self._shape, self._dtype, self._scale, self._clipped, checks, self._start)
        with storage.storage_errors(path), self._held:
            os.lseek(self._file, 0, os.SEEK_SET)
            _write_all(self._file, memoryview(head))

            def moved() -> Descriptor:
                before()
                with storage.storage_errors(path):
                    self._found_again()
                    # Opened before it can be removed by somebody else.
                    descriptor = Descriptor(self._partial)
                    self._partial.replace(path)
                return descriptor

            return shard.written(path, persistently(moved))

    def drop(self) -> None:
        """Leave nothing of it, where it was not finished."""
        self._held.close()

    def _opened(self, held: contextlib.ExitStack) -> tuple[int, Path]:
        """A new file in a folder of its own, which goes with what holds it."""

        def opened() -> tuple[int, Path]:
            with storage.storage_errors(self._folder / _NAME), contextlib.ExitStack() as made:
                path = made.enter_context(storage.partial(self._folder)) / _NAME
                file = os.open(path, _FLAGS, 0o666)
                made.callback(os.close, file)
                held.enter_context(made.pop_all())
            return file, path

        return persistently(opened)

    def _found_again(self) -> None:
        """See that the file has a name: where another process has cleared the cache, all of it is copied."""
        if self._partial.exists():
            return
        file, self._partial = self._opened(self._held)
        os.lseek(self._file, 0, os.SEEK_SET)
        while content := os.read(self._file, _COPIED):
            _write_all(file, memoryview(content))
        self._file = file


def persistently(work: Callable[[], T]) -> T:
    """Do what another process may disturb by removing a folder, again if need be."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return work()
        except StorageError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            time.sleep(_PAUSE)
    return work()


def _write_all(file: int, content: memoryview) -> None:
    while len(content):
        content = content[os.write(file, content) :]
