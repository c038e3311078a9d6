"""Where the values of a dataset are: in its header, in one stretch, in chunks, or in other files."""

from dataclasses import dataclass

from regraft.formats.hdf5.content import Content, Fields

COMPACT, CONTIGUOUS, CHUNKED, VIRTUAL = 0, 1, 2, 3
# How chunks are found: the first by a tree of version 1, the others since HDF5 1.10.
TREE, SINGLE, IMPLICIT, FIXED, EXTENSIBLE, TREE_2 = 0, 1, 2, 3, 4, 5
_SETTINGS = {IMPLICIT: 0, FIXED: 1, EXTENSIBLE: 5, TREE_2: 6}
_MOST_AXES = 33


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the values are.

    Attributes:
        kind: `COMPACT`, `CONTIGUOUS`, `CHUNKED` or `VIRTUAL`.
        address: of the stretch, or of what the chunks are found by; None where nothing was stored.
        size: of the stretch in bytes; None where that is not said.
        values: in the header.
        chunk: the shape of a chunk.
        index: how chunks are found.
        single: size and filter mask of the only chunk, where filters were applied to it.
        whole_edges: whether chunks that lie across the edge were left as they are.
    """

    kind: int
    address: int | None = None
    size: int | None = None
    values: bytes = b""
    chunk: tuple[int, ...] = ()
    index: int = TREE
    single: tuple[int, int] | None = None
    whole_edges: bool = False


def layout(content: Content, body: bytes) -> Layout:
    """The layout in a message."""
    fields = content.inside(body, "layout")
    version = fields.number(1)
    if version in (1, 2):
        return _old(fields)
    if version not in (3, 4, 5):
        raise content.unread(f"values laid out by version {version}")
    kind = fields.number(1)
    if kind == COMPACT:
        return Layout(kind, values=fields.take(fields.number(2)))
    if kind == CONTIGUOUS:
        return Layout(kind, fields.address(), fields.length())
    if kind == VIRTUAL:
        return Layout(kind)
    if kind != CHUNKED:
        raise ValueError("a layout of an unknown form")
    if version > 3:
        return _chunked(content, fields, version)
    axes = fields.number(1)
    address = fields.address()
    return Layout(kind, address, chunk=_shape(fields, axes, 4))


def _old(fields: Fields) -> Layout:
    axes, kind = fields.number(1), fields.number(1)
    fields.take(5)
    address = None if kind == COMPACT else fields.address()
    if kind == CHUNKED:
        return Layout(kind, address, chunk=_shape(fields, axes, 4))
    fields.take(4 * axes)
    if kind == COMPACT:
        return Layout(kind, values=fields.take(fields.number(4)))
    if kind != CONTIGUOUS:
        raise ValueError("a layout of an unknown form")
    return Layout(kind, address)


def _shape(fields: Fields, axes: int, width: int) -> tuple[int, ...]:
    """The sizes of a chunk; the last of them is that of an element."""
    if not 1 < axes <= _MOST_AXES or not 1 <= width <= 8:
        raise ValueError("chunks of an unknown form")
    sizes = [fields.number(width) for _ in range(axes)]
    if 0 in sizes:
        raise ValueError("chunks without content")
    return tuple(sizes[:-1])


def _chunked(content: Content, fields: Fields, version: int) -> Layout:
    flags, axes, width = fields.number(1), fields.number(1), fields.number(1)
    chunk = _shape(fields, axes, width)
    index = fields.number(1)
    single = None
    if index == SINGLE:
        single = (fields.length(), fields.number(4)) if flags & 2 else None
    elif index in _SETTINGS:
        fields.take(_SETTINGS[index])
    else:
        raise content.unread(f"chunks that are found in way {index}")
    if version > 4 and index in (FIXED, EXTENSIBLE, TREE_2):
        raise content.unread(f"values laid out by version {version}")
    return Layout(CHUNKED, fields.address(), chunk=chunk, index=index, single=single, whole_edges=bool(flags & 1))
