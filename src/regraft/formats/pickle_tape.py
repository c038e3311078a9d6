"""Reading a pickle from left to right: every stated length is checked against what is left; long strings stay there."""

import struct
from typing import Any, BinaryIO

from regraft.core.errors import CorruptFileError
from regraft.formats.escapes import unescaped
from regraft.formats.extents import Extent
from regraft.formats.pickled_values import Text

LONGEST_NUMBER = 1024
_LONGEST_LINE = 1 << 16
_KEPT_IN_FILE = 1 << 10


class Tape:
    """The bytes of a pickle and the place that is read next."""

    def __init__(self, file: BinaryIO, extent: Extent) -> None:
        self.file, self.extent = file, extent

    def corrupt(self, reason: str) -> CorruptFileError:
        """The refusal of a damaged pickle, with the place."""
        place = self.extent.start + self.file.tell()
        return CorruptFileError(
            f"'{self.extent.path}': the pickle at byte {place} is truncated or was altered: {reason}; "
            "get the file again"
        )

    def left(self) -> int:
        """How many bytes are left."""
        return self.extent.size - self.file.tell()

    def read(self, count: int) -> bytes:
        """So many bytes and no fewer."""
        content = self.file.read(count) if count <= self.left() else b""
        if len(content) != count:
            raise self.corrupt("it is cut off")
        return content

    def number(self, layout: str) -> Any:
        """A number as `struct` lays it out."""
        return struct.unpack(layout, self.read(struct.calcsize(layout)))[0]

    def line(self) -> bytes:
        """A line without its end."""
        line = self.file.readline(_LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise self.corrupt("a line has no end")
        return line[:-1]

    def span(self, size: int, coding: str) -> Any:
        """A string of a stated size: bytes or text; a long one as `Text`."""
        if size > self.left():
            raise self.corrupt(f"it claims a string of {size} bytes, {self.left()} are left")
        if size <= _KEPT_IN_FILE:
            raw = self.read(size)
            return raw if coding == "bytes" else raw.decode("utf-8", "surrogatepass")
        text = Text(self.extent.within(self.file.tell(), size, "a string"), coding)
        self.file.seek(size, 1)
        return text

    def quoted(self) -> Any:
        """A string of protocol 0, between quotes and with backslashes; a long one as `Text`."""
        inside = self._rest_of_line()
        if inside.size < 2:
            raise self.corrupt("a string has no quotes")
        inside = inside.within(1, inside.size - 2, "a string")
        return unescaped(inside.bytes()) if inside.size <= _KEPT_IN_FILE else Text(inside, "escapes")

    def unquoted(self) -> Any:
        """A text of protocol 0; a long one as `Text`."""
        inside, coding = self._rest_of_line(), "raw-unicode-escape"
        return inside.bytes().decode(coding) if inside.size <= _KEPT_IN_FILE else Text(inside, coding)

    def _rest_of_line(self) -> Extent:
        """A line of any length, without its end."""
        start = self.file.tell()
        length, last = 0, b""
        while not last.endswith(b"\n") and (last := self.file.readline(_LONGEST_LINE)):
            length += len(last)
        if not last.endswith(b"\n"):
            raise self.corrupt("a line has no end")
        return self.extent.within(start, length - 1, "a line")
