"""The two checksums of HDF5: Jenkins' lookup3 over its newer structures, Fletcher's over chunks of values."""

import struct

import numpy as np

_MASK = 0xFFFFFFFF


def lookup3(content: bytes) -> int:
    """Bob Jenkins' `hashlittle` with the initial value 0.

    >>> hex(lookup3(b"")), hex(lookup3(b"Four score and seven years ago"))
    ('0xdeadbeef', '0x17770551')
    """
    a = b = c = (0xDEADBEEF + len(content)) & _MASK
    if not content:
        return c
    whole = (len(content) - 1) // 12 * 12
    for x, y, z in struct.iter_unpack("<3I", memoryview(content)[:whole]):
        a, b, c = (a + x) & _MASK, (b + y) & _MASK, (c + z) & _MASK
        a = ((a - c) ^ (c << 4 | c >> 28)) & _MASK
        c = (c + b) & _MASK
        b = ((b - a) ^ (a << 6 | a >> 26)) & _MASK
        a = (a + c) & _MASK
        c = ((c - b) ^ (b << 8 | b >> 24)) & _MASK
        b = (b + a) & _MASK
        a = ((a - c) ^ (c << 16 | c >> 16)) & _MASK
        c = (c + b) & _MASK
        b = ((b - a) ^ (a << 19 | a >> 13)) & _MASK
        a = (a + c) & _MASK
        c = ((c - b) ^ (b << 4 | b >> 28)) & _MASK
        b = (b + a) & _MASK
    x, y, z = struct.unpack("<3I", content[whole:].ljust(12, b"\0"))
    a, b, c = (a + x) & _MASK, (b + y) & _MASK, (c + z) & _MASK
    c = ((c ^ b) - (b << 14 | b >> 18)) & _MASK
    a = ((a ^ c) - (c << 11 | c >> 21)) & _MASK
    b = ((b ^ a) - (a << 25 | a >> 7)) & _MASK
    c = ((c ^ b) - (b << 16 | b >> 16)) & _MASK
    a = ((a ^ c) - (c << 4 | c >> 28)) & _MASK
    b = ((b ^ a) - (a << 14 | a >> 18)) & _MASK
    return ((c ^ b) - (b << 24 | b >> 8)) & _MASK


_PIECE = 1 << 16


def fletcher32(content: bytes) -> tuple[int, int]:
    """Both sums of Fletcher's checksum, modulo 65535, over the content as big-endian words of 16 bits.

    >>> fletcher32(b"abcde")
    (10695, 20464)
    """
    words = np.frombuffer(content + b"\0" * (len(content) % 2), ">u2").astype(np.uint64)
    first = second = 0
    for start in range(0, len(words), _PIECE):
        piece = words[start : start + _PIECE]
        weights = np.arange(len(piece), 0, -1, dtype=np.uint64)
        second = (second + len(piece) * first + int((piece * weights).sum())) % 65535
        first = (first + int(piece.sum())) % 65535
    return first, second
