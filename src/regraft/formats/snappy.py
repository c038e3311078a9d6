"""Snappy, as far as reading needs it: old TensorFlow tables may have compressed blocks.

The format: https://github.com/google/snappy/blob/main/format_description.txt
"""

# A copy of 64 bytes takes at least three, so that no honest block grows more than this.
_LARGEST_EXPANSION = 64


def uncompressed(content: bytes | memoryview) -> bytes:
    """The bytes that were compressed.

    Raises:
        ValueError: the block is damaged, or claims more than it can hold.

    >>> uncompressed(bytes([6, 4]) + b"ab" + bytes([0b0000_0001, 2]))
    b'ababab'
    """
    size, position = _length(content)
    if size > _LARGEST_EXPANSION * len(content):
        raise ValueError(f"a compressed block of {len(content)} bytes claims {size}")
    out = bytearray()
    while position < len(content):
        position = _element(content, position, out)
        if len(out) > size:
            raise ValueError("a compressed block is longer than it claims")
    if len(out) != size:
        raise ValueError(f"a compressed block has {len(out)} bytes, {size} were expected")
    return bytes(out)


def _length(content: bytes | memoryview) -> tuple[int, int]:
    size = 0
    for place, byte in enumerate(content[:5]):
        size |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return size, place + 1
    raise ValueError("a compressed block without a length")


def _element(content: bytes | memoryview, position: int, out: bytearray) -> int:
    """Do what the element at `position` says; where the next one stands."""
    tag = content[position]
    kind, upper = tag & 3, tag >> 2
    position += 1
    if kind == 0:
        return _literal(content, position, upper, out)
    width = {1: 1, 2: 2, 3: 4}[kind]
    back = int.from_bytes(_taken(content, position, width), "little")
    if kind == 1:
        _repeat(out, back | (upper >> 3) << 8, (upper & 7) + 4)
    else:
        _repeat(out, back, upper + 1)
    return position + width


def _literal(content: bytes | memoryview, position: int, upper: int, out: bytearray) -> int:
    count = upper + 1
    if upper >= 60:
        width = upper - 59
        count = int.from_bytes(_taken(content, position, width), "little") + 1
        position += width
    out += _taken(content, position, count)
    return position + count


def _repeat(out: bytearray, back: int, count: int) -> None:
    if not 0 < back <= len(out):
        raise ValueError(f"a compressed block refers {back} bytes back, {len(out)} are there")
    start = len(out) - back
    # What is copied may overlap what it makes: a short pattern is repeated.
    pattern = out[start : start + count]
    out += (pattern * (count // len(pattern) + 1))[:count]


def _taken(content: bytes | memoryview, position: int, count: int) -> bytes | memoryview:
    if position + count > len(content):
        raise ValueError("a compressed block is cut off")
    return content[position : position + count]
