"""The values of a dataset: how many bytes stand behind them, and the reading of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from regraft.formats.extents import Extent
from regraft.formats.hdf5 import chunks, datatypes, filters, headers, layouts
from regraft.formats.hdf5.content import Content
from regraft.formats.hdf5.datatypes import Dataspace, Datatype
from regraft.formats.hdf5.filters import Filter
from regraft.formats.hdf5.headers import Message
from regraft.formats.hdf5.layouts import Layout

# Far above what deflate reaches on weights; below the other a small file cannot ask for much memory.
_LARGEST_EXPANSION = 1000
_SMALL = 1 << 24


@dataclass(frozen=True, slots=True)
class Values:
    """What the header of a dataset says of its values.

    Attributes:
        type: of an element.
        space: how many there are.
        layout: where they are.
        steps: what was done to each chunk.
        fill: the bytes of an element that was never written; empty for zero.
        elsewhere: whether they are in other files.
    """

    type: Datatype
    space: Dataspace
    layout: Layout
    steps: tuple[Filter, ...]
    fill: bytes
    elsewhere: bool

    @property
    def size(self) -> int:
        """How many bytes all elements take."""
        return self.space.count * self.type.size


def is_dataset(held: Sequence[Message]) -> bool:
    """Whether an object with these messages is a dataset."""
    return any(message.kind == headers.LAYOUT for message in held)


def described(content: Content, held: Sequence[Message]) -> Values:
    """What the messages of a dataset say of its values.

    Raises:
        SourceError: they are kept in a way that is not read.
        ValueError: the messages are damaged, or one is missing.
    """
    by_kind = {message.kind: headers.body(content, message) for message in reversed(held) if message.kind in _KINDS}
    if headers.TYPE not in by_kind or headers.SPACE not in by_kind:
        raise ValueError("a dataset without a type or a space")
    kind = datatypes.datatype(content, by_kind[headers.TYPE])
    layout = layouts.layout(content, by_kind[headers.LAYOUT])
    elsewhere = headers.EXTERNAL in by_kind or layout.kind == layouts.VIRTUAL
    steps = filters.pipeline(content, by_kind[headers.FILTERS]) if headers.FILTERS in by_kind else ()
    fill = _fill(content, by_kind)
    space = datatypes.space(content, by_kind[headers.SPACE])
    return Values(kind, space, layout, steps, fill if len(fill) == kind.size else b"", elsewhere)


_KINDS = {
    headers.TYPE,
    headers.SPACE,
    headers.LAYOUT,
    headers.FILTERS,
    headers.FILL,
    headers.OLD_FILL,
    headers.EXTERNAL,
}


def _fill(content: Content, by_kind: dict[int, bytes]) -> bytes:
    if headers.FILL not in by_kind:
        fields = content.inside(by_kind.get(headers.OLD_FILL, bytes(4)), "fill value")
        return fields.take(fields.number(4))
    fields = content.inside(by_kind[headers.FILL], "fill value")
    version = fields.number(1)
    if version == 3:
        has = bool(fields.number(1) & 0x20)
    else:
        fields.take(2)
        # The first version has a value in any case.
        has = bool(fields.number(1)) or version == 1
    return fields.take(fields.number(4)) if has else b""


def claims(content: Content, values: Values) -> tuple[int, int] | None:
    """How many bytes a dataset claims and how many are stored of it, where that is too little to be believed.

    Raises:
        ValueError: its chunks are damaged.
    """
    layout, size = values.layout, values.size
    if layout.kind == layouts.COMPACT:
        stored = len(layout.values)
    elif layout.kind == layouts.CONTIGUOUS and layout.address is not None:
        there = max(content.size - layout.address, 0)
        stored = there if layout.size is None else min(layout.size, there)
    elif layout.kind == layouts.CHUNKED:
        stored = min(sum(chunk.size for chunk in chunks.chunks(content, layout, _grid(values))), content.size)
        expansion = _LARGEST_EXPANSION if any(step.kind == filters.DEFLATE for step in values.steps) else 1
        return (size, stored) if size > max(_SMALL, expansion * stored) else None
    else:
        return (size, 0) if size > _SMALL else None
    return (size, stored) if size > stored else None


def _grid(values: Values) -> chunks.Grid:
    return chunks.grid(values.space, values.layout, values.type.size, bool(values.steps))


def in_one_stretch(values: Values) -> bool:
    """Whether the values lie in the file as they are, one after the other."""
    return values.layout.kind == layouts.CONTIGUOUS and values.layout.address is not None


def straight(values: Values, extent: Extent, base: int) -> np.ndarray[Any, Any]:
    """The values of a dataset that is `in_one_stretch`.

    Args:
        values: what its header says.
        extent: of the whole HDF5 file.
        base: where in it address 0 is.
    """
    found = np.empty(values.space.shape or (), values.type.array)
    place = base + (values.layout.address or 0)
    if found.size:
        extent.within(place, values.size, "values").into(found.reshape(-1).view(np.uint8).data)
    return _native(found, values)


def collected(values: Values, content: Content) -> np.ndarray[Any, Any]:
    """The values of any other dataset.

    Raises:
        ValueError: a chunk is damaged, or makes more than it could.
    """
    shape, kind = values.space.shape or (), values.type.array
    if values.layout.kind == layouts.COMPACT:
        return _native(np.frombuffer(values.layout.values, kind, prod(shape)).reshape(shape).copy(), values)
    stored: list[chunks.Chunk] = []
    if values.layout.kind == layouts.CHUNKED:
        stored = list(chunks.chunks(content, values.layout, _grid(values)))
    found = np.empty(shape, kind)
    if values.layout.kind != layouts.CHUNKED or len(stored) < prod(_grid(values).counts):
        found[...] = np.frombuffer(values.fill or bytes(values.type.size), kind)[0]
    for chunk in stored:
        _place(found, chunk, values, content)
    return _native(found, values)


def _place(found: np.ndarray[Any, Any], chunk: chunks.Chunk, values: Values, content: Content) -> None:
    """One chunk where it belongs; what of it lies beyond the edge is left out."""
    divided = _grid(values)
    if divided.size > max(_SMALL, _LARGEST_EXPANSION * chunk.size):
        raise ValueError(f"chunk {chunk.place} claims {divided.size} bytes, {chunk.size} are stored")
    starts = [place * size for place, size in zip(chunk.place, divided.chunk, strict=True)]
    ends = [min(start + size, end) for start, size, end in zip(starts, divided.chunk, found.shape, strict=True)]
    crosses = any(end - start < size for start, end, size in zip(starts, ends, divided.chunk, strict=True))
    mask = -1 if values.layout.whole_edges and crosses else chunk.mask
    stored = content.values(chunk.address, chunk.size, "chunk")
    whole = np.frombuffer(filters.undone(stored, values.steps, mask, divided.size), values.type.array)
    inside = tuple(slice(0, end - start) for start, end in zip(starts, ends, strict=True))
    target = tuple(slice(start, end) for start, end in zip(starts, ends, strict=True))
    found[target] = whole.reshape(divided.chunk)[inside]


def _native(found: np.ndarray[Any, Any], values: Values) -> np.ndarray[Any, Any]:
    if values.type.truth:
        return found != 0
    return found.astype(found.dtype.newbyteorder("="), copy=False)
