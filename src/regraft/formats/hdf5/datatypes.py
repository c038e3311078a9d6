"""Datatypes and dataspaces of HDF5: what one element is, and how many there are."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from regraft.formats.hdf5.content import Content, Fields

# Types inside of types; more has no honest file.
_DEEPEST = 16
_MOST_AXES = 32
_LARGEST = 1 << 62
_UNLIMITED = 0xFF

# Of IEEE numbers: size -> precision, where exponent and mantissa stand and how long they are, bias, sign.
_FLOATS: dict[tuple[int, ...], str] = {
    (2, 16, 10, 5, 0, 10, 15, 15): "f2",
    (4, 32, 23, 8, 0, 23, 127, 31): "f4",
    (8, 64, 52, 11, 0, 52, 1023, 63): "f8",
}
_BRAIN_FLOAT = (2, 16, 7, 8, 0, 7, 127, 15)
_NAMES = {2: "time", 7: "reference", 11: "complex number of HDF5 2"}


@dataclass(frozen=True, slots=True)
class Datatype:
    """What one element is.

    Attributes:
        size: in bytes.
        words: for messages.
        array: NumPy's type, as the bytes lie; None where they are no numbers and no text of fixed length.
        text: `fixed` or `variable`, where it is text.
        padding: of text of fixed length: 0 up to the first zero, 1 zeros at its end, 2 spaces at its end.
        truth: whether the numbers 0 and 1 stand for false and true.
        brain: whether the two bytes are a bfloat16.
    """

    size: int
    words: str
    array: np.dtype[Any] | None = None
    text: str = ""
    padding: int = 0
    truth: bool = False
    brain: bool = False


@dataclass(frozen=True, slots=True)
class Dataspace:
    """How many elements there are.

    Attributes:
        shape: None where there is nothing, not even an empty array.
        most: to which sizes the axes may grow; None for one without a limit.
    """

    shape: tuple[int, ...] | None
    most: tuple[int | None, ...] = ()

    @property
    def count(self) -> int:
        """The number of elements."""
        return 0 if self.shape is None else prod(self.shape)


def space(content: Content, body: bytes) -> Dataspace:
    """The dataspace in a message."""
    fields = content.inside(body, "dataspace")
    version, axes, flags = fields.number(1), fields.number(1), fields.number(1)
    if version not in (1, 2) or axes > _MOST_AXES:
        raise ValueError("a dataspace of an unknown form")
    nothing = fields.number(1) == 2 and version == 2
    if version == 1:
        fields.take(4)
    shape = tuple(fields.length() for _ in range(axes))
    if nothing:
        return Dataspace(None)
    if prod(size or 1 for size in shape) >= _LARGEST:
        raise ValueError("a dataspace that no file could fill")
    endless = (1 << 8 * content.lengths) - 1
    most = [fields.length() for _ in range(axes)] if flags & 1 else shape
    return Dataspace(shape, tuple(None if size == endless else size for size in most))


def datatype(content: Content, body: bytes) -> Datatype:
    """The datatype in a message."""
    return _type(content.inside(body, "datatype"), 0)


def _type(fields: Fields, depth: int) -> Datatype:
    head = fields.number(1)
    kind, version, bits, size = head & 15, head >> 4, fields.number(3), fields.number(4)
    if depth > _DEEPEST or not 1 <= version <= 5 or size == 0:
        raise ValueError("a datatype of an unknown form")
    if kind in (0, 4):
        return _integer(fields, bits, size, signed=kind == 0 and bool(bits & 8))
    if kind == 1:
        return _float(fields, bits, size)
    if kind == 3:
        return Datatype(size, f"text of {size} bytes", np.dtype(f"S{size}"), "fixed", bits & 15)
    if kind == 5:
        fields.take(-(-(bits & 0xFF) // 8) * 8)
        return Datatype(size, f"|V{size}", np.dtype(f"V{size}"))
    if kind == 6:
        return _compound(fields, version, bits & 0xFFFF, size, depth)
    if kind == 8:
        return _enumeration(fields, version, bits & 0xFFFF, depth)
    if kind == 9:
        base = _type(fields, depth + 1)
        if bits & 15 == 1:
            return Datatype(size, "text of variable length", text="variable")
        return Datatype(size, f"lists of {base.words}")
    if kind == 10:
        axes = fields.number(1)
        fields.take(3 if version < 3 else 0)
        shape = [fields.number(4) for _ in range(axes)]
        fields.take(0 if version >= 3 else 4 * axes)
        return Datatype(size, f"arrays {shape} of {_type(fields, depth + 1).words}")
    return Datatype(size, _NAMES.get(kind, f"unknown type {kind}"))


def _order(bits: int) -> str:
    return ">" if bits & 1 else "<"


def _integer(fields: Fields, bits: int, size: int, signed: bool) -> Datatype:
    offset, precision = fields.number(2), fields.number(2)
    words = f"{'int' if signed else 'uint'}{precision}"
    if offset or precision != 8 * size or size not in (1, 2, 4, 8):
        return Datatype(size, f"{words} in {size} bytes")
    return Datatype(size, words, np.dtype(f"{_order(bits)}{'i' if signed else 'u'}{size}"))


def _float(fields: Fields, bits: int, size: int) -> Datatype:
    offset, precision = fields.number(2), fields.number(2)
    form: tuple[int, ...] = (size, precision, *(fields.number(1) for _ in range(4)), fields.number(4), bits >> 8 & 0xFF)
    plain = not offset and not bits & 0x40 and bits >> 4 & 3 == 2
    if plain and form in _FLOATS:
        return Datatype(size, f"float{precision}", np.dtype(_order(bits) + _FLOATS[form]))
    if plain and form == _BRAIN_FLOAT:
        return Datatype(size, "bfloat16", np.dtype(f"{_order(bits)}u2"), brain=True)
    return Datatype(size, f"a float of {precision} bits in {size} bytes")


def _compound(fields: Fields, version: int, count: int, size: int, depth: int) -> Datatype:
    members: list[tuple[str, int, Datatype]] = []
    for _ in range(count):
        name = _name(fields, version)
        offset = fields.number(4 if version < 3 else (size.bit_length() + 7) // 8)
        # The first version could have arrays here.
        axes = fields.number(1) if version == 1 else 0
        fields.take(27 if version == 1 else 0)
        held = _type(fields, depth + 1)
        members.append((name, offset, Datatype(held.size, f"arrays of {held.words}") if axes else held))
    names = [name for name, _, _ in members]
    parts = [held.array for _, _, held in members]
    first = parts[0] if parts else None
    offsets = [offset for _, offset, _ in members]
    paired = first is not None and first.kind == "f" and names == ["r", "i"] and parts == [first, first]
    if first is not None and paired and offsets == [0, first.itemsize] and size == 2 * first.itemsize > 4:
        return Datatype(size, f"complex{8 * size}", np.dtype(f"{first.byteorder}c{size}"))
    return Datatype(size, "records of " + ", ".join(f"'{name}'" for name in names[:5]))


def _enumeration(fields: Fields, version: int, count: int, depth: int) -> Datatype:
    base = _type(fields, depth + 1)
    if base.array is None or base.array.kind not in "iu":
        raise ValueError("an enumeration of what is no number")
    names = [_name(fields, version) for _ in range(count)]
    values = np.frombuffer(fields.take(count * base.size), base.array).tolist()
    truth = base.size == 1 and dict(zip(names, values, strict=True)) == {"FALSE": 0, "TRUE": 1}
    return Datatype(base.size, "bool" if truth else base.words, base.array, truth=truth)


def _name(fields: Fields, version: int) -> str:
    start = fields.position
    name = fields.name().decode("utf-8", "replace")
    if version < 3:
        fields.take(-(fields.position - start) % 8)
    return name
