"""Tables built byte by byte; those that TensorFlow builds are in the tests of checkpoints."""

import struct

import pytest

from regraft.formats import crc32c, sstable


def _varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _block(pairs):
    out, before = b"", b""
    for key, value in pairs:
        shared = next(
            (at for at, (a, b) in enumerate(zip(key, before, strict=False)) if a != b), min(len(key), len(before))
        )
        out += _varint(shared) + _varint(len(key) - shared) + _varint(len(value)) + key[shared:] + value
        before = key
    return out + struct.pack("<II", 0, 1)


def _placed(table, content, kind=0):
    handle = _varint(len(table)) + _varint(len(content))
    return table + content + bytes([kind]) + struct.pack("<I", crc32c.masked(content + bytes([kind]))), handle


def _table(blocks, kind=0, pack=lambda content: content):
    table, index = b"", []
    for pairs in blocks:
        table, handle = _placed(table, pack(_block(pairs)), kind)
        index.append((pairs[-1][0], handle))
    table, meta = _placed(table, _block([]))
    table, handle = _placed(table, _block(index))
    return table + (meta + handle).ljust(40, b"\0") + sstable.MAGIC


_BLOCKS = [
    [(b"", b"head"), (b"conv1/bias", b"1"), (b"conv1/kernel", b"22")],
    [(b"conv2/bias", b""), (b"d", b"x" * 300)],
]


def _read(content):
    table = memoryview(content)
    return [(key, bytes(value)) for block in sstable.blocks(table) for key, value in sstable.entries(table, block)]


def test_keys_share_their_beginnings_and_come_in_order():
    assert _read(_table(_BLOCKS)) == [pair for pairs in _BLOCKS for pair in pairs]


def test_compressed_blocks():
    # One literal: its length, then a tag with two bytes of length.
    packed = _table(
        _BLOCKS, 1, lambda content: _varint(len(content)) + struct.pack("<BH", 61 << 2, len(content) - 1) + content
    )
    assert _read(packed) == [pair for pairs in _BLOCKS for pair in pairs]


def test_only_the_blocks_that_can_hold_a_key_are_read():
    content = bytearray(_table(_BLOCKS))
    content[3] ^= 1
    table = memoryview(content)
    found = list(sstable.starting_with(table, sstable.blocks(table), b"conv2"))
    assert [(key, bytes(value)) for key, value in found] == [(b"conv2/bias", b"")]
    with pytest.raises(ValueError, match="checksum of the block at byte 0 is wrong"):
        list(sstable.starting_with(table, sstable.blocks(table), b"conv1"))


def test_a_table_cut_anywhere_is_refused():
    content = _table(_BLOCKS)
    for length in range(len(content)):
        with pytest.raises(ValueError, match="the table has no end"):
            _read(content[:length])


def test_every_flipped_byte_is_noticed():
    content, whole, same = _table(_BLOCKS), _read(_table(_BLOCKS)), 0
    for position in range(len(content)):
        altered = bytearray(content)
        altered[position] ^= 0x55
        try:
            assert _read(bytes(altered)) == whole
            same += 1
        except ValueError:
            continue
    # The padding of the footer, and the handle and block that hold nothing.
    assert same < 60


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (b"abc", "without its list of restarts"),
        (struct.pack("<I", 1 << 30), "list of restarts is longer"),
        (_varint(5) + _varint(1) + _varint(0) + b"a" + struct.pack("<II", 0, 1), "reaches beyond its block"),
        (_varint(0) + _varint(1) + _varint(1 << 40) + b"a" + struct.pack("<II", 0, 1), "reaches beyond its block"),
        (b"\xff" * 12 + struct.pack("<II", 0, 1), "integer is cut off"),
    ],
)
def test_blocks_whose_checksum_holds_are_still_checked(block, reason):
    table, handle = _placed(b"", block)
    table, index = _placed(table, _block([(b"z", handle)]))
    with pytest.raises(ValueError, match=reason):
        _read(table + (handle + index).ljust(40, b"\0") + sstable.MAGIC)


def test_keys_out_of_order_are_refused():
    with pytest.raises(ValueError, match="keys are not in order"):
        _read(_table([[(b"b", b""), (b"a", b"")]]))
