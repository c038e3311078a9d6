"""Open files of rows: read at any place by any thread, not more of them open than a process may have."""

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path

from regraft.core.errors import StorageError

try:
    import resource
except ImportError:
    # Windows, which has no such limit for handles.
    resource = None

_ALLOWED = 512 if resource is None else min(512, max(16, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2))

_LOCK = threading.Lock()
_WITHOUT_PREADV = threading.Lock()


class Descriptor:
    """A file that is open for reading, and closed when nobody holds this any more.

    So that one which is being read from is never closed, or its number given to another file, by another thread.
    """

    __slots__ = ("number",)

    def __init__(self, path: Path) -> None:
        self.number = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        """Close it: also when Python ends, and has emptied this module already."""
        number = getattr(self, "number", None)
        if number is not None:
            close(number)

    def size(self) -> int:
        """Of the file, in bytes."""
        return os.fstat(self.number).st_size

    def state(self) -> tuple[int, ...]:
        """What tells this state of this file from any other."""
        found = os.fstat(self.number)
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill a buffer of bytes with what begins at an offset.

        Raises:
            OSError: the file ends before that, without an `errno`; or the system's own.
        """
        while len(buffer):
            got = read_at(self.number, (buffer,), offset)
            if not got:
                raise OSError("it has become shorter")
            buffer, offset = buffer[got:], offset + got


if hasattr(os, "preadv"):
    read_at = os.preadv

else:

    def read_at(number: int, buffers: tuple[memoryview], offset: int, /) -> int:
        """Read into a buffer what begins at an offset; returns how many bytes there were."""
        with _WITHOUT_PREADV:
            os.lseek(number, offset, os.SEEK_SET)
            found = os.read(number, len(buffers[0]))
        buffers[0][: len(found)] = found
        return len(found)


class Kept:
    """A descriptor that is closed when too many are open, and opened again when it is wanted."""

    __slots__ = ("__weakref__", "_descriptor", "_path", "_state")

    def __init__(self, path: Path, descriptor: Descriptor, state: tuple[int, ...]) -> None:
        self._path, self._state = path, state
        self._descriptor: Descriptor | None = None
        self._keep(descriptor)

    def descriptor(self) -> Descriptor:
        """What to read from.

        Raises:
            StorageError: it was closed, and the file is not there any more, or is another one.
        """
        found = self._descriptor
        return found if found is not None else self._opened()

    def _opened(self) -> Descriptor:
        try:
            descriptor = Descriptor(self._path)
            same = descriptor.state() == self._state
        except OSError as error:
            raise StorageError(
                f"'{self._path}' was in use and cannot be opened any more: {error.strerror}; where the cache was "
                "cleared meanwhile, run it again"
            ) from None
        if not same:
            raise StorageError(f"'{self._path}' was replaced while it was in use; run it again")
        self._keep(descriptor)
        return descriptor

    def _keep(self, descriptor: Descriptor) -> None:
        self._descriptor = descriptor
        with _LOCK:
            _OPEN.append(weakref.ref(self))
            if len(_OPEN) > _ALLOWED:
                _let_go()

    def _close(self) -> None:
        self._descriptor = None


_OPEN: "deque[weakref.ref[Kept]]" = deque()


def _let_go() -> None:
    """Close those that were opened first, until a quarter of what is allowed is free."""
    alive = [kept for kept in (one() for one in _OPEN) if kept is not None]
    _OPEN.clear()
    for place, kept in enumerate(alive):
        if len(alive) - place > _ALLOWED * 3 // 4:
            kept._close()  # pyright: ignore[reportPrivateUsage]
        else:
            _OPEN.append(weakref.ref(kept))
