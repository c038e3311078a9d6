"""The members of a group, in any of the three ways in which HDF5 keeps them."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from regraft.formats.hdf5 import headers, heaps, trees
from regraft.formats.hdf5.content import Content
from regraft.formats.hdf5.headers import Message

_HARD, _SOFT, _EXTERNAL = 0, 1, 64
# Links by name: a checksum of the name, then where the link is in the heap.
_LINKS_BY_NAME, _LINK_RECORD = 5, 11


@dataclass(frozen=True, slots=True)
class Link:
    """A member of a group.

    Attributes:
        name: of the member.
        address: of its header; None where the link leads elsewhere.
        elsewhere: where to, in words.
    """

    name: str
    address: int | None
    elsewhere: str = ""


def is_group(held: Sequence[Message]) -> bool:
    """Whether an object with these messages is a group."""
    return any(message.kind in (headers.TABLE, headers.LINK_INFO, headers.LINK) for message in held)


def links(content: Content, held: Sequence[Message], name: str) -> list[Link]:
    """The members of a group, by name in the order of their bytes.

    Args:
        content: the file.
        held: the messages of the group.
        name: of the group, for messages.
    """
    found: list[tuple[bytes, Link]] = []
    for message in held:
        if message.kind == headers.TABLE:
            found += _table(content, message.body)
        elif message.kind == headers.LINK:
            found.append(_link(content, headers.body(content, message)))
        elif message.kind == headers.LINK_INFO:
            found += _dense(content, headers.body(content, message))
    found.sort(key=lambda item: item[0])
    for (_, link), (_, following) in itertools.pairwise(found):
        if link.name == following.name:
            raise ValueError(f"'{name}' holds '{link.name}' twice")
    return [link for _, link in found]


def _table(content: Content, body: bytes) -> list[tuple[bytes, Link]]:
    fields = content.inside(body, "table of a group")
    tree, heap = fields.required(), heaps.names(content, fields.required())
    # Names lie beside each other, so that all together are no longer than their heap.
    found, left = list[tuple[bytes, Link]](), len(heap)
    for _, node in trees.leaves(content, tree, trees.GROUPS, content.lengths):
        head = content.fields(node, 8, "members")
        head.expect(b"SNOD\1")
        head.take(1)
        count = head.number(2)
        entries = content.fields(node + 8, count * (content.lengths + content.addresses + 24), "members")
        for _ in range(count):
            name, address = _text(heap, entries.length()), entries.address()
            kind, _ = entries.number(4), entries.take(4)
            scratch = entries.take(16)
            left -= len(name) + 1
            if left < 0:
                raise ValueError(f"the names of members at {node} overlap")
            if kind == 2:
                target = _text(heap, int.from_bytes(scratch[:4], "little"))
                found.append((name, Link(_named(name), None, f"'{_named(target)}'")))
            elif address is None:
                raise ValueError(f"member '{_named(name)}' leads nowhere")
            else:
                found.append((name, Link(_named(name), address)))
    return found


def _text(heap: bytes, start: int) -> bytes:
    end = heap.find(b"\0", start)
    if end < 0:
        raise ValueError("a name without an end")
    return heap[start:end]


def _named(name: bytes) -> str:
    return name.decode("utf-8", "replace")


def _link(content: Content, body: bytes) -> tuple[bytes, Link]:
    fields = content.inside(body, "link")
    fields.expect(b"\1")
    flags = fields.number(1)
    kind = fields.number(1) if flags & 8 else _HARD
    fields.take((8 if flags & 4 else 0) + (1 if flags & 16 else 0))
    name = fields.take(fields.number(1 << (flags & 3)))
    if kind == _HARD:
        return name, Link(_named(name), fields.required())
    target = fields.take(fields.number(2))
    if kind == _SOFT:
        return name, Link(_named(name), None, f"'{_named(target)}'")
    if kind == _EXTERNAL:
        file, _, place = target[1:].rstrip(b"\0").partition(b"\0")
        return name, Link(_named(name), None, f"'{_named(place)}' in '{_named(file)}'")
    return name, Link(_named(name), None, f"what only a program knows (kind {kind})")


def _dense(content: Content, body: bytes) -> list[tuple[bytes, Link]]:
    fields = content.inside(body, "list of links")
    fields.expect(b"\0")
    fields.take(8 if fields.number(1) & 1 else 0)
    heap, tree = fields.address(), fields.address()
    if heap is None or tree is None:
        return []
    objects = heaps.FractalHeap(content, heap)
    found: list[tuple[bytes, Link]] = []
    for record in trees.records(content, tree, _LINKS_BY_NAME, _LINK_RECORD):
        record.take(4)
        found.append(_link(content, objects.object(record.take(7))))
    return found
