"""What was done to the bytes of a chunk before they were stored, undone: deflate, shuffle, Fletcher's checksum."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from regraft.formats.hdf5.checksums import fletcher32
from regraft.formats.hdf5.content import Content

DEFLATE, _SHUFFLE, _FLETCHER = 1, 2, 3
_NAMES = {4: "szip", 5: "nbit", 6: "scaleoffset", 32000: "lzf", 32001: "blosc", 32004: "lz4", 32015: "zstd"}
_MOST = 32


@dataclass(frozen=True, slots=True)
class Filter:
    """One step.

    Attributes:
        kind: its number.
        settings: its numbers.
    """

    kind: int
    settings: tuple[int, ...]


def pipeline(content: Content, body: bytes) -> tuple[Filter, ...]:
    """The steps in a message, in the order in which they were done.

    Raises:
        SourceError: one of them cannot be undone here.
    """
    fields = content.inside(body, "list of filters")
    version, count = fields.number(1), fields.number(1)
    if version not in (1, 2) or count > _MOST:
        raise ValueError("a list of filters of an unknown form")
    fields.take(6 if version == 1 else 0)
    steps: list[Filter] = []
    for _ in range(count):
        kind = fields.number(2)
        named = fields.number(2) if version == 1 or kind >= 256 else 0
        fields.take(2)
        settings = fields.number(2)
        name = fields.take(-(-named // 8) * 8 if version == 1 else named)
        steps.append(Filter(kind, tuple(fields.number(4) for _ in range(settings))))
        fields.take(4 if version == 1 and settings % 2 else 0)
        if kind not in (DEFLATE, _SHUFFLE, _FLETCHER):
            known = _NAMES.get(kind) or name.partition(b"\0")[0].decode("utf-8", "replace") or str(kind)
            raise content.unread(f"values compressed by '{known}'")
    return tuple(steps)


def undone(stored: bytes, steps: Sequence[Filter], mask: int, size: int) -> bytes:
    """The bytes of a chunk.

    Args:
        stored: as they are in the file.
        steps: in the order in which they were done.
        mask: a bit for each step that was left out.
        size: how many bytes there must be; never more are made.

    Raises:
        ValueError: there are more or fewer, or a checksum is wrong.
    """
    most = size + 4 * len(steps)
    for index in reversed(range(len(steps))):
        step = steps[index]
        if mask >> index & 1:
            continue
        if step.kind == DEFLATE:
            machine = zlib.decompressobj()
            stored = machine.decompress(stored, most + 1)
            if not machine.eof:
                raise ValueError("a chunk that is cut off, or holds more than it says")
        elif step.kind == _SHUFFLE:
            stored = _unshuffled(stored, step.settings[0] if step.settings else 1)
        else:
            stored = _verified(stored)
    if len(stored) != size:
        raise ValueError(f"a chunk of {len(stored)} bytes instead of {size}")
    return stored


def _unshuffled(stored: bytes, width: int) -> bytes:
    """First the first bytes of all elements, then the second bytes, ...; what is left over stands at the end."""
    count = len(stored) // width if width else 0
    if width < 2 or count < 2:
        return stored
    planes = np.frombuffer(stored, np.uint8, count * width).reshape(width, count)
    return planes.T.tobytes() + stored[count * width :]


def _verified(stored: bytes) -> bytes:
    content, sums = stored[:-4], int.from_bytes(stored[-4:], "little")
    # Zero and 65535 are the same to this checksum.
    stated = (sums & 0xFFFF) % 65535, (sums >> 16) % 65535
    swapped = tuple((half >> 8 | (half & 0xFF) << 8) % 65535 for half in (sums & 0xFFFF, sums >> 16))
    # HDF5 1.6.2 wrote each half with its bytes exchanged.
    if len(stored) < 4 or fletcher32(content) not in (stated, swapped):
        raise ValueError("the checksum of a chunk is wrong")
    return content
