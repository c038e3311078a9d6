"""LevelDB's tables of sorted keys and values, in which TensorFlow keeps its checkpoints; every block has a checksum.

The format: https://github.com/google/leveldb/blob/main/doc/table_format.md
"""

from collections.abc import Iterator
from dataclasses import dataclass

from regraft.formats import crc32c, snappy

MAGIC = bytes.fromhex("57fb808b247547db")

_FOOTER = 48
# Compression and checksum stand behind every block.
_TRAILER = 5


@dataclass(frozen=True, slots=True)
class Block:
    """Where a block stands in its table, and a key that is not before any of its keys."""

    last: bytes
    offset: int
    size: int


def blocks(table: memoryview) -> tuple[Block, ...]:
    """The blocks of a table in the order of their keys; the index is verified, the blocks are not read.

    Raises:
        ValueError: it is no table, or damaged.
    """
    if len(table) < _FOOTER or bytes(table[-8:]) != MAGIC:
        raise ValueError("the table has no end")
    footer, position = table[-_FOOTER:], 0
    handles: list[int] = []
    for _ in range(4):
        value, position = _varint(footer, position)
        handles.append(value)
    index = _content(table, handles[2], handles[3])
    found: list[Block] = []
    for key, value in _entries(index):
        offset, position = _varint(value, 0)
        size, _ = _varint(value, position)
        found.append(Block(key, offset, size))
    return tuple(found)


def entries(table: memoryview, block: Block) -> Iterator[tuple[bytes, memoryview]]:
    """The keys and values of a block, whose checksum is verified first; values are views of the table where they can.

    Raises:
        ValueError: the block is damaged.
    """
    return _entries(_content(table, block.offset, block.size))


def starting_with(table: memoryview, index: tuple[Block, ...], prefix: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """The keys that begin with `prefix`, and their values; only the blocks that can hold them are read."""
    for block in index:
        if block.last < prefix:
            continue
        for key, value in entries(table, block):
            if key.startswith(prefix):
                yield key, value
            elif key > prefix:
                return


def _content(table: memoryview, offset: int, size: int) -> memoryview:
    end = offset + size
    if end + _TRAILER > len(table) - _FOOTER:
        raise ValueError(f"a block of {size} bytes at byte {offset} reaches beyond the end")
    if crc32c.masked(table[offset : end + 1]) != int.from_bytes(table[end + 1 : end + _TRAILER], "little"):
        raise ValueError(f"the checksum of the block at byte {offset} is wrong")
    kind = table[end]
    if kind not in (0, 1):
        raise ValueError(f"unknown compression {kind} of the block at byte {offset}")
    return memoryview(snappy.uncompressed(table[offset:end])) if kind else table[offset:end]


def _entries(block: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    if len(block) < 4:
        raise ValueError("a block without its list of restarts")
    end = len(block) - 4 - 4 * int.from_bytes(block[-4:], "little")
    if end < 0:
        raise ValueError("the list of restarts is longer than its block")
    key, position = b"", 0
    while position < end:
        shared, position = _varint(block, position)
        own, position = _varint(block, position)
        length, position = _varint(block, position)
        if shared > len(key) or position + own + length > end:
            raise ValueError("an entry reaches beyond its block")
        following = key[:shared] + bytes(block[position : position + own])
        if position and following < key:
            raise ValueError("keys are not in order")
        key = following
        position += own + length
        yield key, block[position - length : position]


def _varint(block: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(block[position : position + 10]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, position + place + 1
    raise ValueError("an integer is cut off")
