"""FlatBuffers, read where they lie: tables, vectors and texts, every offset checked against what is there.

The encoding: https://flatbuffers.dev/internals/.
"""

import struct
from typing import Any

# Each table is looked at once or twice; a file that points at the same tables again and again is refused.
_MOST_TABLES = 1_000_000


class FlatBufferError(ValueError):
    """What is there is no flat buffer; `damage.refusing_damage` names the file."""


class Buffer:
    """The bytes of a flat buffer, and how many tables may still be read."""

    def __init__(self, content: memoryview) -> None:
        self.content, self._left = content, _MOST_TABLES

    def root(self) -> "Table":
        """The outermost table."""
        return Table(self, self.number(0, "<I"))

    def number(self, place: int, layout: str) -> Any:
        """A number as `struct` lays it out."""
        if place < 0 or place + struct.calcsize(layout) > len(self.content):
            raise FlatBufferError(f"a number at byte {place} of {len(self.content)}")
        return struct.unpack_from(layout, self.content, place)[0]

    def pointed(self, place: int) -> int:
        """Where an offset points: forward from where it stands."""
        return place + self.number(place, "<I")

    def vector(self, place: int, size: int) -> tuple[int, int]:
        """Where the elements of a vector begin, and how many there are.

        Args:
            place: of the vector.
            size: of an element, in bytes.
        """
        count = self.number(place, "<I")
        if place + 4 + count * size > len(self.content):
            raise FlatBufferError(f"a vector of {count} elements at byte {place} of {len(self.content)}")
        return place + 4, count

    def count_table(self) -> None:
        """Note that a table is read."""
        self._left -= 1
        if self._left < 0:
            raise FlatBufferError(f"more than {_MOST_TABLES} tables")


class Table:
    """A table: fields by their slot, absent ones give the default."""

    __slots__ = ("_buffer", "_offsets", "_place")

    def __init__(self, buffer: Buffer, place: int) -> None:
        """Read where the fields are.

        Raises:
            FlatBufferError: there is no table.
        """
        buffer.count_table()
        self._buffer, self._place = buffer, place
        head = place - buffer.number(place, "<i")
        size = buffer.number(head, "<H")
        if size < 4 or size % 2 or head + size > len(buffer.content):
            raise FlatBufferError(f"a table at byte {place} whose fields are at {head}")
        self._offsets: tuple[int, ...] = struct.unpack_from(f"<{size // 2 - 2}H", buffer.content, head + 4)

    def __contains__(self, slot: int) -> bool:
        return slot < len(self._offsets) and self._offsets[slot] != 0

    def _at(self, slot: int) -> int:
        return self._place + self._offsets[slot]

    def number(self, slot: int, layout: str, default: Any = 0) -> Any:
        """The number in a field."""
        return self._buffer.number(self._at(slot), layout) if slot in self else default

    def table(self, slot: int) -> "Table | None":
        """The table that a field points to."""
        return Table(self._buffer, self._buffer.pointed(self._at(slot))) if slot in self else None

    def tables(self, slot: int) -> "list[Table]":
        """The tables of a vector."""
        if slot not in self:
            return []
        start, count = self._buffer.vector(self._buffer.pointed(self._at(slot)), 4)
        return [Table(self._buffer, self._buffer.pointed(start + 4 * index)) for index in range(count)]

    def numbers(self, slot: int, layout: str) -> list[Any]:
        """The numbers of a vector."""
        if slot not in self:
            return []
        start, count = self._buffer.vector(self._buffer.pointed(self._at(slot)), struct.calcsize(layout))
        return list(struct.unpack_from(f"<{count}{layout[-1]}", self._buffer.content, start))

    def span(self, slot: int) -> tuple[int, int]:
        """Where the bytes of a vector lie, and how many there are; nothing where there is no vector."""
        return self._buffer.vector(self._buffer.pointed(self._at(slot)), 1) if slot in self else (0, 0)

    def text(self, slot: int) -> str:
        """The text in a field."""
        start, count = self.span(slot)
        return str(self._buffer.content[start : start + count], "utf-8")
