"""The B-trees of HDF5: of version 1 for old groups and chunks, of version 2 for records of any kind."""

from collections.abc import Iterator

from regraft.formats.hdf5.content import Content, Fields, once

GROUPS, CHUNKS = 0, 1
_MOST_LEVELS = 16


def leaves(content: Content, address: int, kind: int, key_bytes: int) -> Iterator[tuple[Fields, int]]:
    """The keys and children of the lowest nodes of a tree of version 1, from left to right.

    Args:
        content: the file.
        address: of the root.
        kind: `GROUPS` or `CHUNKS`.
        key_bytes: of a key.
    """
    pending, seen = [(address, -1)], set[int]()
    while pending:
        place, expected = pending.pop()
        once(seen, place, "tree")
        head = content.fields(place, 8 + 2 * content.addresses, "tree")
        head.expect(b"TREE")
        found, level, count = head.number(1), head.number(1), head.number(2)
        if found != kind or (expected >= 0 and level != expected):
            raise ValueError(f"the tree at {place} is of another kind")
        start = place + 8 + 2 * content.addresses
        node = content.fields(start, count * (key_bytes + content.addresses), "tree")
        children: list[tuple[int, int]] = []
        for _ in range(count):
            key, child = node.take(key_bytes), node.required()
            if level:
                children.append((child, level - 1))
            else:
                yield content.inside(key, "key"), child
        pending += reversed(children)


def records(content: Content, address: int, kind: int, size: int) -> Iterator[Fields]:
    """The records of a tree of version 2, in no promised order.

    Args:
        content: the file.
        address: of its header.
        kind: of its records.
        size: of a record in bytes.
    """
    head = content.verified(address, 22 + content.addresses + content.lengths, "tree")
    head.expect(b"BTHD")
    head.expect(b"\0")
    found, node_size, record, depth = head.number(1), head.number(4), head.number(2), head.number(2)
    head.take(2)
    if found != kind or record != size or depth > _MOST_LEVELS:
        raise ValueError(f"the tree at {address} is of another kind")
    root, count = head.address(), head.number(2)
    if root is None:
        return
    widths = _widths(content, node_size, size, depth)
    pending, seen = [(root, count, depth)], set[int]()
    while pending:
        place, held, level = pending.pop()
        once(seen, place, "tree")
        counts = widths[level]
        whole = 10 + held * size + (held + 1) * (content.addresses + sum(counts) if level else 0)
        node = content.verified(place, whole, "tree")
        node.expect(b"BTIN" if level else b"BTLF")
        node.expect(b"\0")
        node.expect(bytes([kind]))
        for _ in range(held):
            yield content.inside(node.take(size), "record")
        for _ in range(held + 1 if level else 0):
            child, inside, _ = node.required(), node.number(counts[0]), node.number(counts[1])
            pending.append((child, inside, level - 1))


def _widths(content: Content, node_size: int, size: int, depth: int) -> list[tuple[int, int]]:
    """For each level, the bytes of the two counts beside an address: of a child's records, and of all below it."""
    most = (node_size - 10) // size
    if most < 1:
        raise ValueError("nodes of a tree that have no room for a record")
    own, widths, below, total = _bytes(most), [(0, 0)], 0, most
    for _ in range(depth):
        widths.append((own, below))
        pointer = content.addresses + own + below
        here = (node_size - 10 - pointer) // (size + pointer)
        if here < 1:
            raise ValueError("nodes of a tree that have no room for a record")
        total = (here + 1) * total + here
        below = _bytes(total)
    return widths


def _bytes(limit: int) -> int:
    return (limit.bit_length() - 1) // 8 + 1
