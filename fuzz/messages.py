"""Alterations of protocol buffers: fields with other numbers, types, values, places; lengths fit again."""

from random import Random
from typing import Any

from fuzz.blind import altered as blind
from fuzz.blind import number

_DEEPEST, _LARGEST = 8, 1 << 14
Field = list[Any]  # number, wire type, value: an integer, bytes, or a list of fields


def altered(content: bytes, random: Random, other: bytes) -> bytes:
    """A message with one or a few of its fields altered, at any depth."""
    fields = parsed(content, 0)
    if not fields:
        return blind(content, random, other)
    donors = parsed(other, 0) or fields
    for _ in range(random.choice((1, 1, 2, 3))):
        holder = _chosen(fields, random)
        if holder:
            _alter(holder, random, _chosen(donors, random) or donors)
    return written(fields)


def parsed(content: bytes, depth: int) -> list[Field] | None:
    """The fields of a message, those inside it too where they look like messages; None where it is no message."""
    fields: list[Field] = []
    place = 0
    while place < len(content):
        tag, place = _varint(content, place)
        kind = tag & 7
        if place < 0 or not 0 < tag >> 3 < 1 << 20 or kind not in (0, 1, 2, 5):
            return None
        size, place = _varint(content, place) if kind in (0, 2) else (8 if kind == 1 else 4, place)
        if place < 0 or (kind and place + size > len(content)):
            return None
        value: Any = size if kind == 0 else content[place : place + size]
        place += size if kind else 0
        if kind == 2 and depth < _DEEPEST and 1 < size < _LARGEST:
            value = parsed(value, depth + 1) or value
        fields.append([tag >> 3, kind, value])
    return fields


def written(fields: list[Field]) -> bytes:
    """Fields as bytes."""
    out = bytearray()
    for tag, kind, value in fields:
        out += varint(tag << 3 | kind)
        if isinstance(value, int):
            out += varint(value)
            continue
        value = written(value) if isinstance(value, list) else value
        out += (varint(len(value)) if kind == 2 else b"") + value
    return bytes(out)


def varint(value: int) -> bytes:
    """An integer of up to 64 bits."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _varint(content: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(content):
            return 0, -1
        byte = content[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    return 0, -1


def _chosen(fields: list[Field], random: Random) -> list[Field]:
    """One of the messages inside, the deeper the rarer."""
    while random.random() < 0.75:
        inner = [field[2] for field in fields if isinstance(field[2], list) and field[2]]
        if not inner:
            break
        fields = random.choice(inner)
    return fields


def _alter(holder: list[Field], random: Random, donors: list[Field]) -> None:
    index = random.randrange(len(holder))
    field = holder[index]
    way = random.randrange(11)
    if way == 0:
        del holder[index]
    elif way == 1:
        holder.insert(random.randrange(len(holder) + 1), list(field))
    elif way == 2:
        field[0] = random.choice((field[0] + 1, max(field[0] - 1, 1), random.randrange(1, 40), 1 << 20))
    elif way == 3:
        field[1:] = random.choice(([0, number(random, 8, 1)], [2, b""], [1, b"\xff" * 8], [5, b"\0\0\xc0\x7f"]))
    elif way == 4:
        holder[index] = list(random.choice(donors))
    elif way == 5:
        other = random.randrange(len(holder))
        holder[index], holder[other] = holder[other], field
    elif way == 6:
        for _ in range(random.choice((3, 110, 300))):
            holder[index] = [field[0], 2, [holder[index]]]
    elif way == 7:
        holder[index:index] = [list(field) for _ in range(random.choice((2, 30, 400)))]
    elif isinstance(field[2], int):
        field[2] = number(random, 8, field[2]) if random.random() < 0.5 else number(random, 1, field[2] & 0xFF)
    elif isinstance(field[2], bytes):
        field[2] = blind(field[2], random, field[2])
