"""The messages in the header of an object, which say what it is and what it has."""

from dataclasses import dataclass

from regraft.formats.hdf5.content import Content, Fields, once

SPACE, LINK_INFO, TYPE, OLD_FILL, FILL, LINK, EXTERNAL, LAYOUT, FILTERS, ATTRIBUTE, CONTINUED, TABLE, DRIVER = (
    0x1, 0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0x8, 0xB, 0xC, 0x10, 0x11, 0x14,
)  # fmt: skip
ATTRIBUTE_INFO, CACHE_IMAGE = 0x15, 0x18
_SHARED = 2


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        kind: its type.
        body: its content.
        shared: whether the content says where the message is, instead of being it.
    """

    kind: int
    body: bytes
    shared: bool


def messages(content: Content, address: int) -> list[Message]:
    """All messages of the header at an address, through all its continuations."""
    what = "object header"
    start = content.at(address, min(64, max(content.size - address, 0)), what)
    found: list[Message] = []
    if start[:4] == b"OHDR":
        head, flags, size = _new_head(content, start)
        block = content.checked(content.at(address, head + size + 4, what), f"{what} at {address}")
        block.take(head)
        pending = _new(block, flags, found)
    else:
        if start[:1] != b"\1" or len(start) < 16:
            raise ValueError(f"no {what} at {address}")
        block = content.fields(address + 16, int.from_bytes(start[8:12], "little"), what)
        flags, pending = None, _old(block, found)
    seen: set[int] = set()
    while pending:
        place, size = pending.pop(0)
        once(seen, place, what)
        if flags is None:
            pending += _old(content.fields(place, size, what), found)
        else:
            block = content.verified(place, size, what)
            block.expect(b"OCHK")
            pending += _new(block, flags, found)
    return found


def _new_head(content: Content, start: bytes) -> tuple[int, int, int]:
    fields = content.inside(start, "object header")
    fields.take(4)
    if fields.number(1) != 2:
        raise ValueError("an object header of an unknown version")
    flags = fields.number(1)
    fields.take((16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0))
    size = fields.number(1 << (flags & 3))
    return fields.position, flags, size


def _old(block: Fields, found: list[Message]) -> list[tuple[int, int]]:
    continued: list[tuple[int, int]] = []
    while block.left >= 8:
        kind, size, flags = block.number(2), block.number(2), block.number(1)
        block.take(3)
        _note(kind, flags, block, size, found, continued)
    return continued


def _new(block: Fields, flags: int, found: list[Message]) -> list[tuple[int, int]]:
    continued: list[tuple[int, int]] = []
    ordered = 2 if flags & 4 else 0
    while block.left >= 4 + ordered:
        kind, size, own = block.number(1), block.number(2), block.number(1)
        block.take(ordered)
        _note(kind, own, block, size, found, continued)
    return continued


def _note(
    kind: int, flags: int, block: Fields, size: int, found: list[Message], continued: list[tuple[int, int]]
) -> None:
    if kind == CONTINUED:
        end = block.position + size
        continued.append((block.required(), block.length()))
        block.take(end - block.position)
    elif kind == 0:
        block.take(size)
    else:
        found.append(Message(kind, block.take(size), bool(flags & _SHARED)))


def first(held: list[Message], kind: int) -> Message | None:
    """The first message of a kind; None where there is none."""
    return next((message for message in held if message.kind == kind), None)


def body(content: Content, message: Message) -> bytes:
    """The content of a message, wherever it is kept.

    Raises:
        SourceError: it is in a heap of messages that objects share.
        ValueError: it leads to no such message.
    """
    if not message.shared:
        return message.body
    fields = content.inside(message.body, "shared message")
    version, kind = fields.number(1), fields.number(1)
    if version == 1:
        fields.take(6)
        fields.length()
    elif version not in (2, 3) or (version == 3 and kind == 1):
        raise content.unread("messages that objects share")
    place = fields.required()
    found = first(messages(content, place), message.kind)
    if found is None or found.shared:
        raise ValueError(f"a shared message leads to none at {place}")
    return found.body
