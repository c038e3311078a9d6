"""Alterations of bytes that know nothing of the format: bits, cuts, splices, numbers that could be lengths."""

from collections.abc import Callable
from random import Random

_WIDTHS = (1, 2, 4, 8)


def altered(content: bytes, random: Random, other: bytes) -> bytes:
    """The content with one alteration.

    Args:
        content: what to alter.
        random: makes every choice.
        other: a second content of the same format, to splice from.
    """
    if not content:
        return other[: random.randrange(64)]
    return random.choice(_WAYS)(content, random, other)


def number(random: Random, width: int, near: int) -> int:
    """A number that is awkward as a length, a count or an offset of so many bytes.

    Args:
        random: makes the choice.
        width: in bytes.
        near: the number that stands there now.
    """
    top = 1 << 8 * width
    chosen = random.choice(
        (0, 1, top - 1, top // 2, top // 2 - 1, near + 1, near - 1, near * 2, near // 2,
         near ^ 1 << random.randrange(8 * width), 1 << random.randrange(8 * width), random.randrange(top))
    )  # fmt: skip
    return chosen % top


def _place(content: bytes, random: Random) -> int:
    """A byte; the ends, where formats say what is in between, more often."""
    size = len(content)
    where = random.random()
    if where < 0.35:
        return random.randrange(min(size, 4096))
    return size - 1 - random.randrange(min(size, 1024)) if where < 0.55 else random.randrange(size)


def _bits(content: bytes, random: Random, other: bytes) -> bytes:
    out = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 8))):
        out[_place(content, random)] ^= 1 << random.randrange(8)
    return bytes(out)


def _bytes(content: bytes, random: Random, other: bytes) -> bytes:
    out = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 4))):
        out[_place(content, random)] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
    return bytes(out)


def _cut(content: bytes, random: Random, other: bytes) -> bytes:
    return content[: _place(content, random)]


def _number(content: bytes, random: Random, other: bytes) -> bytes:
    out, width = bytearray(content), random.choice(_WIDTHS)
    place = max(min(_place(content, random), len(content) - width), 0)
    order = random.choice(("little", "little", "big"))
    now = int.from_bytes(out[place : place + width], order)
    out[place : place + width] = number(random, width, now).to_bytes(width, order)
    return bytes(out)


def _left_out(content: bytes, random: Random, other: bytes) -> bytes:
    start = _place(content, random)
    return content[:start] + content[start + random.choice((1, 2, 4, 8, random.randrange(1, 300))) :]


def _repeated(content: bytes, random: Random, other: bytes) -> bytes:
    start = _place(content, random)
    part = content[start : start + random.randrange(1, 300)]
    return content[:start] + part * random.choice((2, 2, 3, 50)) + content[start + len(part) :]


def _spliced(content: bytes, random: Random, other: bytes) -> bytes:
    if not other:
        return content
    start = _place(other, random)
    part = other[start : start + random.randrange(1, 2000)]
    place = _place(content, random)
    return content[:place] + part + content[place + (len(part) if random.random() < 0.5 else 0) :]


def _joined(content: bytes, random: Random, other: bytes) -> bytes:
    return content[: _place(content, random)] + other[_place(other, random) if other else 0 :]


def _filled(content: bytes, random: Random, other: bytes) -> bytes:
    start, length = _place(content, random), random.randrange(1, 64)
    part = random.choice((b"\0" * length, b"\xff" * length, random.randbytes(length)))
    return content[:start] + part + content[start + length :]


_WAYS: tuple[Callable[[bytes, Random, bytes], bytes], ...] = (
    _bits, _bits, _bytes, _cut, _number, _number, _number, _left_out, _repeated, _spliced, _joined, _filled,
)  # fmt: skip
