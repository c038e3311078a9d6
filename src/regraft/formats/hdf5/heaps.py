"""Heaps of HDF5: names of old groups, texts of variable length, and what new objects have too much of."""

import bisect
from dataclasses import dataclass

from regraft.formats.hdf5 import trees
from regraft.formats.hdf5.content import Content, Fields, once

_MOST_ROWS = 64


def names(content: Content, address: int) -> bytes:
    """The local heap of a group: names, each up to a zero."""
    head = content.fields(address, 8 + 2 * content.lengths + content.addresses, "heap of names")
    head.expect(b"HEAP")
    head.take(4)
    size, _ = head.length(), head.length()
    return content.at(head.required(), size, "heap of names")


def text(content: Content, address: int, number: int) -> bytes:
    """An object of a global heap."""
    heap = content.heaps.get(address)
    if heap is None:
        heap = content.heaps[address] = _global(content, address)
    if number not in heap:
        raise ValueError(f"no object {number} in the heap at {address}")
    return heap[number]


def _global(content: Content, address: int) -> dict[int, bytes]:
    """A heap is a chain of objects, each a header with its number and its length; number 0 is what is free."""
    head = content.fields(address, 8 + content.lengths, "heap")
    head.expect(b"GCOL")
    head.take(4)
    heap = content.fields(address, head.length(), "heap")
    # Both kinds of header take a multiple of eight bytes.
    header = -(-(8 + content.lengths) // 8) * 8
    heap.take(header)
    objects: dict[int, bytes] = {}
    while heap.left >= header:
        start = heap.left
        number = heap.number(2)
        heap.take(6)
        length = heap.length()
        heap.take(header - 8 - content.lengths)
        if number == 0:
            if length != start:
                raise ValueError(f"heap at {content.base + address}")
            break
        padded = -(-length // 8) * 8
        if padded > heap.left or number in objects:
            raise ValueError(f"heap at {content.base + address}")
        objects[number] = heap.take(padded)[:length]
    return objects


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a fractal heap is laid out: a table of blocks, in each row twice as large as in the one before."""

    width: int
    first: int
    largest: int
    offset_bytes: int
    verified: bool

    def size(self, row: int) -> int:
        return self.first << max(row - 1, 0)

    @property
    def direct_rows(self) -> int:
        return self.largest.bit_length() - self.first.bit_length() + 2


class FractalHeap:
    """A fractal heap: objects by identifiers.

    Raises:
        SourceError: its blocks are compressed.
        ValueError: it is damaged.
    """

    def __init__(self, content: Content, address: int) -> None:
        self._content = content
        o, length = content.addresses, content.lengths
        head = content.verified(address, 26 + 3 * o + 12 * length, "heap of objects")
        head.expect(b"FRHP")
        head.expect(b"\0")
        self._identifier = head.number(2)
        filters, flags, most = head.number(2), head.number(1), head.number(4)
        if filters:
            raise content.unread("compressed lists of links or attributes")
        head.length()
        self._huge_tree = head.address()
        head.take(length + o + 8 * length)
        width, first, largest = head.number(2), head.length(), head.length()
        bits, _ = head.number(2), head.number(2)
        root, rows = head.address(), head.number(2)
        if not width or first & (first - 1) or largest & (largest - 1) or not 0 < first <= largest < 1 << 32:
            raise ValueError("a heap of objects of an unknown form")
        self._shape = _Shape(width, first, largest, -(-bits // 8), bool(flags & 2))
        self._length_bytes = min((largest.bit_length() + 6) // 8, (max(most.bit_length(), 1) + 7) // 8)
        self._blocks: list[tuple[int, int, int]] = []
        self._read: dict[int, bytes] = {}
        self._seen: set[int] = set()
        self._huge: dict[int, tuple[int, int]] | None = None
        if root is not None:
            if rows:
                self._indirect(root, rows, 0)
            else:
                self._blocks.append((0, root, first))

    def object(self, identifier: bytes) -> bytes:
        """The object of an identifier."""
        kind, fields = identifier[0] >> 4 & 3, self._content.inside(identifier[1:], "identifier")
        if kind == 0:
            return self._managed(fields.number(self._shape.offset_bytes), fields.number(self._length_bytes))
        if kind == 1:
            return self._large(fields)
        if kind == 2:
            return fields.take((identifier[0] & 15) + 1)
        raise ValueError("an identifier of an unknown form")

    def _managed(self, offset: int, length: int) -> bytes:
        index = bisect.bisect_right(self._blocks, offset, key=lambda block: block[0]) - 1
        if index >= 0:
            start, address, size = self._blocks[index]
            if offset + length <= start + size:
                return self._block(address, size)[offset - start : offset - start + length]
        raise ValueError(f"no object at {offset} in a heap of objects")

    def _block(self, address: int, size: int) -> bytes:
        if address not in self._read:
            found = self._content.at(address, size, "block of objects")
            if found[:5] != b"FHDB\0":
                raise ValueError(f"no block of objects at {address}")
            if self._shape.verified:
                # The checksum stands in the head, and was computed while its own bytes were zero.
                place = 5 + self._content.addresses + self._shape.offset_bytes
                self._content.checked(
                    found[:place] + bytes(4) + found[place + 4 :] + found[place : place + 4],
                    f"block of objects at {address}",
                )
            self._read[address] = found
        return self._read[address]

    def _indirect(self, address: int, rows: int, start: int) -> None:
        once(self._seen, address, "block of blocks")
        shape, content = self._shape, self._content
        if rows > _MOST_ROWS:
            raise ValueError("a heap of objects with more rows than any has")
        head = 5 + content.addresses + shape.offset_bytes
        size = head + rows * shape.width * content.addresses + 4
        fields = content.verified(address, size, "block of blocks")
        fields.expect(b"FHIB")
        fields.take(head - 4)
        for row in range(rows):
            for _ in range(shape.width):
                child = fields.address()
                if child is not None and row < shape.direct_rows:
                    self._blocks.append((start, child, shape.size(row)))
                elif child is not None:
                    # As many rows as make up the block that stands here.
                    inner = shape.size(row).bit_length() - (shape.first * shape.width).bit_length() + 1
                    self._indirect(child, inner, start)
                start += shape.size(row)

    def _large(self, fields: Fields) -> bytes:
        content = self._content
        if content.addresses + content.lengths <= self._identifier - 1:
            return content.at(fields.required(), fields.length(), "object")
        if self._huge is None:
            if self._huge_tree is None:
                raise ValueError("no list of large objects")
            self._huge = {}
            for record in trees.records(content, self._huge_tree, 1, content.addresses + 2 * content.lengths):
                address, length = record.required(), record.length()
                self._huge[record.length()] = (address, length)
        number = fields.number(min(content.lengths, fields.left))
        if number not in self._huge:
            raise ValueError(f"no large object {number}")
        return content.at(*self._huge[number], "object")
