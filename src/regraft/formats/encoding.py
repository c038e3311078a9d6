"""Writing messages of protocol buffers, field by field; reading them is `wire.py`.

https://protobuf.dev/programming-guides/encoding
"""

import struct

_LARGEST = 3.4028234663852886e38


def varint(value: int) -> bytes:
    r"""An integer of 64 bits, as two's complement where it is negative.

    >>> varint(300)
    b'\xac\x02'
    """
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def integer_field(number: int, value: int) -> bytes:
    """An integer, a truth or an enumeration."""
    return _tag(number, 0) + varint(value)


def double_field(number: int, value: float) -> bytes:
    """A number of 64 bits."""
    return _tag(number, 1) + struct.pack("<d", value)


def float_field(number: int, value: float) -> bytes:
    """A number of 32 bits; what is too large for them becomes their largest."""
    return _tag(number, 5) + struct.pack("<f", value if value != value else min(max(value, -_LARGEST), _LARGEST))


def bytes_field(number: int, content: bytes) -> bytes:
    """Bytes, or a message inside."""
    return _tag(number, 2) + varint(len(content)) + content


def text_field(number: int, content: str) -> bytes:
    """A text; what is not Unicode in it is replaced by a question mark."""
    return bytes_field(number, content.encode("utf-8", "replace"))


def _tag(number: int, wire: int) -> bytes:
    return varint(number << 3 | wire)
