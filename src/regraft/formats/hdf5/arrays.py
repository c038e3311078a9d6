"""The two arrays by which HDF5 since 1.10 finds chunks: one of fixed length, one that grows along one axis."""

from collections.abc import Iterator
from dataclasses import dataclass

from regraft.formats.hdf5.content import Content, Fields

_MOST_BITS = 64


def elements_of_fixed(content: Content, address: int, size: int) -> Iterator[Fields | None]:
    """The elements of a fixed array in order; None for those that were never written.

    Args:
        content: the file.
        address: of its header.
        size: of an element in bytes.
    """
    head = content.verified(address, 12 + content.lengths + content.addresses, "fixed array")
    head.expect(b"FAHD\0")
    kind, stated, bits, count = head.take(1), head.number(1), head.number(1), head.length()
    place = head.address()
    if stated != size or count * size > content.size:
        raise ValueError(f"the fixed array at {address} is of another kind")
    if place is None:
        return
    page = 1 << min(bits, _MOST_BITS)
    pages = -(-count // page) if count > page else 0
    noted = -(-pages // 8)
    length = 6 + content.addresses + noted + (0 if pages else count * size) + 4
    block = content.verified(place, length, "fixed array")
    block.expect(b"FADB\0" + kind)
    block.required()
    written = block.take(noted)
    if not pages:
        yield from _parts(content, block.take(count * size), size)
        return
    place += length
    for index in range(pages):
        held = min(page, count - index * page)
        yield from _page(content, place, held, size) if _bit(written, index) else [None] * held
        place += page * size + 4


def _parts(content: Content, block: bytes, size: int) -> Iterator[Fields]:
    for start in range(0, len(block), size):
        yield content.inside(block[start : start + size], "element")


def _page(content: Content, place: int, count: int, size: int) -> Iterator[Fields]:
    return _parts(content, content.verified(place, count * size + 4, "page").take(count * size), size)


def _bit(bits: bytes, index: int) -> bool:
    return bool(bits[index // 8] & 0x80 >> index % 8)


@dataclass(frozen=True, slots=True)
class _Array:
    """An extensible array: its blocks grow in steps; a step is a number of data blocks of one length."""

    content: Content
    kind: bytes
    size: int
    offset_bytes: int
    least: int
    page: int

    def steps(self, bits: int) -> list[tuple[int, int]]:
        """For each step, how many data blocks it has and how many elements each of them."""
        count = 1 + bits - (self.least.bit_length() - 1)
        return [(1 << step // 2, self.least << (step + 1) // 2) for step in range(count)]

    def pages(self, elements: int) -> int:
        """How many pages a data block has; 0 where it is in one piece."""
        return elements // self.page if elements > self.page else 0

    def data(
        self, start: int, address: int | None, elements: int, written: bytes = b"", before: int = 0
    ) -> Iterator[tuple[int, Fields]]:
        """The elements of a data block that were written, with their numbers.

        Args:
            start: the number of the first.
            address: of the block.
            elements: of it.
            written: a bit for each page of this block and of others in the same step.
            before: how many pages those before it have.
        """
        if address is None:
            return
        content, pages = self.content, self.pages(elements)
        length = 6 + content.addresses + self.offset_bytes + (0 if pages else elements * self.size) + 4
        block = content.verified(address, length, "data block")
        block.expect(b"EADB\0" + self.kind)
        block.take(content.addresses + self.offset_bytes)
        if not pages:
            yield from enumerate(_parts(content, block.take(elements * self.size), self.size), start)
        for index in range(pages):
            place = address + length + index * (self.page * self.size + 4)
            if _bit(written, before + index):
                yield from enumerate(_page(content, place, self.page, self.size), start + index * self.page)

    def step(self, start: int, address: int | None, blocks: int, elements: int) -> Iterator[tuple[int, Fields]]:
        """The same of a step that has a block of its own."""
        if address is None:
            return
        content, noted = self.content, -(-self.pages(elements) // 8)
        length = 6 + content.addresses + self.offset_bytes + blocks * (noted + content.addresses) + 4
        block = content.verified(address, length, "block of data blocks")
        block.expect(b"EASB\0" + self.kind)
        block.take(content.addresses + self.offset_bytes)
        written = block.take(blocks * noted)
        for index in range(blocks):
            # Room is made for whole bytes of each block, but their bits follow each other.
            before = index * self.pages(elements)
            yield from self.data(start + index * elements, block.address(), elements, written, before)


def elements_of_extensible(content: Content, address: int, size: int) -> Iterator[tuple[int, Fields]]:
    """The elements of an extensible array that were written, in order, with their numbers.

    Of an array whose other axes may grow as well, most numbers may never have been given, and nothing in the file is
    theirs: there can be more of them than the file has bytes.

    Args:
        content: the file.
        address: of its header.
        size: of an element in bytes.
    """
    head = content.verified(address, 16 + 6 * content.lengths + content.addresses, "extensible array")
    head.expect(b"EAHD\0")
    kind = head.take(1)
    stated, bits, direct, least, pointers, page_bits = (head.number(1) for _ in range(6))
    head.take(4 * content.lengths)
    used, _, place = head.length(), head.length(), head.address()
    powers = all(number and not number & (number - 1) for number in (least, pointers))
    if stated != size or not powers or bits > _MOST_BITS or 1 << bits < least:
        raise ValueError(f"the extensible array at {address} is of another kind")
    if place is None:
        return
    array = _Array(content, kind, size, -(-bits // 8), least, 1 << min(page_bits, _MOST_BITS))
    steps, first = array.steps(bits), 2 * (pointers.bit_length() - 1)
    blocks = 2 * (pointers - 1)
    length = 6 + content.addresses + direct * size + (blocks + max(len(steps) - first, 0)) * content.addresses + 4
    index = content.verified(place, length, "index of data blocks")
    index.expect(b"EAIB\0" + kind)
    index.required()
    for count, (number, element) in enumerate(_all(array, index, steps, first, blocks, direct)):
        if number >= used:
            return
        if count * size > content.size:
            raise ValueError(f"the extensible array at {address} has more elements than the file has room for")
        yield number, element


def _all(
    array: _Array, index: Fields, steps: list[tuple[int, int]], first: int, blocks: int, direct: int
) -> Iterator[tuple[int, Fields]]:
    yield from enumerate(_parts(array.content, index.take(direct * array.size), array.size))
    start = direct
    lengths = [elements for count, elements in steps[:first] for _ in range(count)][:blocks]
    for elements in lengths:
        yield from array.data(start, index.address(), elements)
        start += elements
    for count, elements in steps[first:]:
        yield from array.step(start, index.address(), count, elements)
        start += count * elements
