"""Where the chunks of a dataset are, by each of the ways in which HDF5 notes it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod

from regraft.formats.hdf5 import layouts, trees
from regraft.formats.hdf5.arrays import elements_of_extensible, elements_of_fixed
from regraft.formats.hdf5.content import Content, Fields
from regraft.formats.hdf5.datatypes import Dataspace
from regraft.formats.hdf5.layouts import Layout

_PLAIN_RECORDS, _FILTERED_RECORDS = 10, 11


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk as it is stored.

    Attributes:
        place: which it is, counted in chunks along each axis.
        address: of its bytes.
        size: of them.
        mask: a bit for each filter that was left out.
    """

    place: tuple[int, ...]
    address: int
    size: int
    mask: int


@dataclass(frozen=True, slots=True)
class Grid:
    """How a dataset is divided.

    Attributes:
        shape: of the dataset.
        most: to which sizes its axes may grow.
        chunk: the shape of a chunk.
        size: of a chunk in bytes, without filters.
        filtered: whether chunks have sizes of their own.
    """

    shape: tuple[int, ...]
    most: tuple[int | None, ...]
    chunk: tuple[int, ...]
    size: int
    filtered: bool

    @property
    def counts(self) -> tuple[int, ...]:
        """How many chunks there are along each axis."""
        return tuple(-(-size // part) for size, part in zip(self.shape, self.chunk, strict=True))

    @property
    def size_bytes(self) -> int:
        """How many bytes the size of a filtered chunk takes in the newer indexes."""
        return min(1 + (self.size.bit_length() + 7) // 8, 8)


def grid(space: Dataspace, layout: Layout, itemsize: int, filtered: bool) -> Grid:
    """The division of a dataset.

    Raises:
        ValueError: its chunks have other axes than it has itself.
    """
    shape = space.shape or ()
    if len(layout.chunk) != len(shape):
        raise ValueError("chunks of other axes than the dataset")
    return Grid(shape, space.most, layout.chunk, prod(layout.chunk) * itemsize, filtered)


def chunks(content: Content, layout: Layout, divided: Grid) -> Iterator[Chunk]:
    """The chunks of a dataset that were stored and are part of it, each once.

    Raises:
        ValueError: the index is damaged, or has a chunk twice.
    """
    seen: set[tuple[int, ...]] = set()
    if layout.address is None:
        return
    for found in _INDEXES[layout.index](content, layout.address, layout, divided):
        if not all(place < count for place, count in zip(found.place, divided.counts, strict=True)):
            continue
        if found.place in seen:
            raise ValueError(f"chunk {found.place} is there twice")
        if not divided.filtered and found.size != divided.size:
            raise ValueError(f"chunk {found.place} has {found.size} bytes instead of {divided.size}")
        seen.add(found.place)
        yield found


def _by_tree(content: Content, address: int, layout: Layout, divided: Grid) -> Iterator[Chunk]:
    axes = len(divided.shape)
    for key, place in trees.leaves(content, address, trees.CHUNKS, 16 + 8 * axes):
        size, mask = key.number(4), key.number(4)
        starts = [key.number(8) for _ in range(axes)]
        if any(start % part for start, part in zip(starts, divided.chunk, strict=True)):
            raise ValueError(f"a chunk begins at {starts}, inside of another")
        yield Chunk(tuple(a // b for a, b in zip(starts, divided.chunk, strict=True)), place, size, mask)


def _single(content: Content, address: int, layout: Layout, divided: Grid) -> Iterator[Chunk]:
    size, mask = layout.single or (divided.size, 0)
    yield Chunk((0,) * len(divided.shape), address, size, mask)


def _implicit(content: Content, address: int, layout: Layout, divided: Grid) -> Iterator[Chunk]:
    # All chunks to which the dataset may grow lie one after the other; no file has more of them than room.
    for number, place in enumerate(_places(divided, content.size // divided.size + 1)):
        yield Chunk(place, address + number * divided.size, divided.size, 0)


def _fixed(content: Content, address: int, layout: Layout, divided: Grid) -> Iterator[Chunk]:
    places = _places(divided, content.size)
    for place, element in zip(
        places, elements_of_fixed(content, address, _element_bytes(content, divided)), strict=False
    ):
        yield from _noted(place, element, divided)


def _extensible(content: Content, address: int, layout: Layout, divided: Grid) -> Iterator[Chunk]:
    place_of = _numbering(divided)
    for number, element in elements_of_extensible(content, address, _element_bytes(content, divided)):
        yield from _noted(place_of(number), element, divided)


def _by_tree_2(content: Content, address: int, layout: Layout, divided: Grid) -> Iterator[Chunk]:
    axes = len(divided.shape)
    kind = _FILTERED_RECORDS if divided.filtered else _PLAIN_RECORDS
    for record in trees.records(content, address, kind, _element_bytes(content, divided) + 8 * axes):
        place, size, mask = _element(record, divided)
        at = tuple(record.number(8) for _ in range(axes))
        if place is not None:
            yield Chunk(at, place, size, mask)


def _element_bytes(content: Content, divided: Grid) -> int:
    return content.addresses + (divided.size_bytes + 4 if divided.filtered else 0)


def _element(fields: Fields, divided: Grid) -> tuple[int | None, int, int]:
    address = fields.address()
    if divided.filtered:
        return address, fields.number(divided.size_bytes), fields.number(4)
    return address, divided.size, 0


def _noted(place: tuple[int, ...], element: Fields | None, divided: Grid) -> Iterator[Chunk]:
    if element is not None:
        address, size, mask = _element(element, divided)
        if address is not None:
            yield Chunk(place, address, size, mask)


def _places(divided: Grid, most: int) -> Iterator[tuple[int, ...]]:
    """Chunks in the order of the newer indexes, all to which axes may grow.

    Args:
        divided: the division.
        most: how many there can be at most.
    """
    endless, counts = _order(divided)
    inner = prod(count or 1 for axis, count in enumerate(counts) if axis != endless)
    place_of = _numbering(divided)
    return map(place_of, range(min(most, inner * (counts[endless] or most)) if counts else 0))


def _numbering(divided: Grid) -> Callable[[int], tuple[int, ...]]:
    """From the number of a chunk in the newer indexes to its place; axes count up to the sizes that they may have."""
    endless, counts = _order(divided)
    inner = [axis for axis in range(len(counts)) if axis != endless]

    def place_of(number: int) -> tuple[int, ...]:
        place = [0] * len(counts)
        for axis in reversed(inner):
            number, place[axis] = divmod(number, counts[axis] or 1)
        place[endless] = number
        return tuple(place)

    return place_of


def _order(divided: Grid) -> tuple[int, list[int | None]]:
    """The axis that counts slowest, one without limit where there is any; and how many chunks each can have."""
    counts = [
        None if size is None else -(-size // part) for size, part in zip(divided.most, divided.chunk, strict=True)
    ]
    return counts.index(None) if None in counts else 0, counts


_INDEXES: Mapping[int, Callable[[Content, int, Layout, Grid], Iterator[Chunk]]] = {
    layouts.TREE: _by_tree,
    layouts.SINGLE: _single,
    layouts.IMPLICIT: _implicit,
    layouts.FIXED: _fixed,
    layouts.EXTENSIBLE: _extensible,
    layouts.TREE_2: _by_tree_2,
}
