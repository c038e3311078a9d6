"""Stretches of a file: read when asked for, never beyond their end, never from another file than the one opened."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from regraft.core.errors import CorruptFileError
from regraft.formats.damage import stamp

_BUFFER = 1 << 16


@dataclass(frozen=True, slots=True)
class Extent:
    """A stretch of a file, as it was when the file was opened.

    Attributes:
        path: the file.
        start: where the stretch begins.
        size: its length in bytes.
        stamp: size and time of the file at opening; it must not change under a reader's hands.
        memory: the content to take instead of the file's, for a file that was packed inside it.
    """

    path: Path
    start: int
    size: int
    stamp: tuple[int, int]
    memory: bytes | None = None

    def within(self, offset: int, size: int, what: str) -> "Extent":
        """A part of the stretch.

        Args:
            offset: from the beginning of the stretch.
            size: in bytes.
            what: the words for the part, for the message.

        Raises:
            CorruptFileError: the part is not inside.
        """
        if offset < 0 or size < 0 or offset + size > self.size:
            raise CorruptFileError(
                f"'{self.path}': {what} should be {size} bytes at {self.start + offset}, "
                f"the file has {max(self.size - max(offset, 0), 0)} there; get the file again"
            )
        return Extent(self.path, self.start + offset, size, self.stamp, self.memory)

    def bytes(self) -> bytes:
        """The content.

        Raises:
            CorruptFileError: the file is not the one that was opened, or no longer gives what it gave.
        """
        if self.memory is not None:
            return self.memory[self.start : self.start + self.size]
        if stamp(self.path) != self.stamp:
            raise CorruptFileError(f"'{self.path}' was replaced while it was in use; open it again")
        with self.path.open("rb") as file:
            file.seek(self.start)
            content = file.read(self.size)
        if len(content) != self.size:
            raise CorruptFileError(f"'{self.path}' is truncated; get the file again")
        return content

    def into(self, buffer: memoryview) -> None:
        """Read the content into memory that is there.

        Args:
            buffer: as many bytes as the stretch has.

        Raises:
            CorruptFileError: see `bytes`.
        """
        if self.memory is not None:
            buffer[:] = self.memory[self.start : self.start + self.size]
            return
        if stamp(self.path) != self.stamp:
            raise CorruptFileError(f"'{self.path}' was replaced while it was in use; open it again")
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.start)
            while buffer and (count := file.readinto(buffer)):
                buffer = buffer[count:]
        if buffer:
            raise CorruptFileError(f"'{self.path}' is truncated; get the file again")

    def opened(self) -> BinaryIO:
        """The stretch as a file of its own, to be closed by the caller."""
        return io.BytesIO(self.bytes()) if self.memory is not None else io.BufferedReader(_Window(self), _BUFFER)


class _Window(io.RawIOBase):
    def __init__(self, extent: Extent) -> None:
        self._extent, self._position = extent, 0
        self._file = extent.path.open("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._extent.size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)[: max(self._extent.size - self._position, 0)]
        self._file.seek(self._extent.start + self._position)
        count = self._file.readinto(view) or 0
        self._position += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def whole(path: Path) -> Extent:
    """All of a file."""
    now = stamp(path)
    return Extent(path, 0, now[0], now)


def in_memory(path: Path, content: bytes) -> Extent:
    """A file that was packed inside another."""
    return Extent(path, 0, len(content), (0, 0), content)
