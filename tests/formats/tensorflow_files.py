"""What the tests of TensorFlow's formats share: files that TensorFlow itself writes, and damage done to files."""

import numpy as np

from regraft import formats
from regraft.core.errors import RegraftError

# What every file is damaged with: bits in the upper and in the lower half of a byte.
FLIP = 0x51


def same(found, expected):
    """Whether two arrays are equal bit for bit, texts included."""
    expected = np.asarray(expected)
    if found.dtype == object or expected.dtype == object:
        return found.shape == expected.shape and found.tolist() == expected.tolist()
    return found.dtype == expected.dtype and found.shape == expected.shape and found.tobytes() == expected.tobytes()


def everything(path):
    """All that Regraft reads of a file: values by name, state of the optimizer, operations; or how it refuses it."""
    try:
        archive = formats.read(path)
        values = {name: tensor.read() for name, tensor in archive.tensors.items()}
        slots = archive.optimizer.slots if archive.optimizer else ()
        values |= {f"{slot.slot} of {slot.variable}": slot.tensor.read() for slot in slots}
    except RegraftError as error:
        return one_line(error)
    try:
        formats.graph(archive)
    except RegraftError as error:
        one_line(error)
    return values


def one_line(error):
    """What an error says; it must be one line."""
    said = str(error)
    assert "\n" not in said, said
    return said


def equal(found, expected):
    """Whether two answers of `everything` hold the same values."""
    return found.keys() == expected.keys() and all(same(found[name], expected[name]) for name in expected)


def varint(value):
    """An integer as protocol buffers write it."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def part(number, content):
    """A field of a message: an integer or bytes."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content
