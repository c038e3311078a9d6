"""CRC-32C, the checksum of TensorFlow's files, over whole arrays at once.

A CRC is linear over bits: that of two words in a row is that of the first, moved on by a word's length, XOR that of the
second. So all neighbours of a row of words are merged in one step, then all pairs of pairs, and so on: as many steps of
NumPy as the length has binary digits. Castagnoli, Braeuer and Herrmann (1993); the masking is LevelDB's.
"""

import functools
from typing import Any

import numpy as np

_POLYNOMIAL = 0x82F63B78
_MASK_DELTA = 0xA282EAD8
# Words merged in one go: large enough for NumPy, small enough that the copies stay in the cache.
_CHUNK = 1 << 20

Words = np.ndarray[Any, np.dtype[np.uint32]]


def checksum(content: bytes | memoryview) -> int:
    """The CRC-32C of some bytes.

    >>> hex(checksum(b"123456789"))
    '0xe3069283'
    >>> checksum(b"")
    0
    """
    view = memoryview(content).cast("B")
    register = 0xFFFFFFFF
    for start in range(0, len(view), _CHUNK):
        part = view[start : start + _CHUNK]
        register = _moved_by(register, len(part)) ^ _of_zero_start(part)
    return register ^ 0xFFFFFFFF


def masked(content: bytes | memoryview) -> int:
    """The checksum as it is stored: rotated and shifted, so that checksums of checksums stay honest.

    >>> hex(masked(b"123456789"))
    '0xc78ab0e5'
    """
    value = checksum(content)
    return (((value >> 15) | (value << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def _of_zero_start(part: memoryview) -> int:
    """The register after `part`, begun with zero; zeros before the first byte do not change it."""
    count = 1 << max((len(part) + 3) // 4 - 1, 0).bit_length()
    padded = np.zeros(count * 4, np.uint8)
    padded[count * 4 - len(part) :] = np.frombuffer(part, np.uint8)
    words = _apply(_mover(2), padded.view("<u4"))
    power = 2
    while words.size > 1:
        words = _apply(_mover(power), words[0::2]) ^ words[1::2]
        power += 1
    return int(words[0])


def _moved_by(register: int, count: int) -> int:
    """The register after `count` zero bytes."""
    value = np.array([register], np.uint32)
    for power in range(count.bit_length()):
        if count >> power & 1:
            value = _apply(_mover(power), value)
    return int(value[0])


def _apply(tables: tuple[Words, Words], words: Words) -> Words:
    low, high = tables
    return low[words & 0xFFFF] ^ high[words >> 16]


@functools.cache
def _mover(power: int) -> tuple[Words, Words]:
    """What 2**power zero bytes make of a register: tables for its lower and its upper half."""
    if power:
        smaller = _mover(power - 1)
        return _apply(smaller, smaller[0]), _apply(smaller, smaller[1])
    low = np.arange(1 << 16, dtype=np.uint32)
    return _after_a_zero_byte(low), _after_a_zero_byte((low << 16).astype(np.uint32))


def _after_a_zero_byte(words: Words) -> Words:
    for _ in range(8):
        words = ((words >> 1) ^ np.where(words & 1, np.uint32(_POLYNOMIAL), np.uint32(0))).astype(np.uint32)
    return words
