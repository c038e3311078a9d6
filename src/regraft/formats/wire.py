"""The wire form of protocol buffers, for the formats that use it: fields of a message, bounded in every direction.

A message is a row of fields, each a tag (field number and wire type) and a value. Nothing is copied: what a field holds
is a view of the buffer, so a file that is mapped into memory is read only where somebody looks. Every declared length
is checked against what is there. The encoding: https://protobuf.dev/programming-guides/encoding/
"""

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, overload

import numpy as np

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
# As deep as protocol buffers' own readers go; honest networks stay under 20.
DEEPEST = 100

_SIZES = {FIXED64: 8, FIXED32: 4}
_LARGEST_NUMBER = (1 << 29) - 1

Value = int | memoryview


class WireError(ValueError):
    """What is there is no message; `damage.refusing_damage` names the file."""


def mapped(path: Path) -> memoryview:
    """A whole file as bytes that are read when looked at; it is closed when the last view of it is gone."""
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def offset(part: memoryview, whole: memoryview) -> int:
    """Where a view that was cut out of another begins in it, in bytes."""
    return _address(part) - _address(whole)


def fields(buffer: memoryview | bytes) -> Iterator[tuple[int, int, Value]]:
    r"""The fields of a message as (number, wire type, value), in the file's order.

    A varint is an unsigned integer of 64 bits (see `signed`), everything else a view of its bytes.

    Raises:
        WireError: a field is cut off, longer than the message, or of no known wire type.

    >>> [(number, value if wire == VARINT else bytes(value)) for number, wire, value in fields(b"\x08\x05\x12\x02hi")]
    [(1, 5), (2, b'hi')]
    """
    view = memoryview(buffer)
    position, end = 0, len(view)
    while position < end:
        start = position
        tag, position = _varint(view, position)
        number, wire = tag >> 3, tag & 7
        if not 0 < number <= _LARGEST_NUMBER:
            raise WireError(f"field number {number} at byte {start}")
        if wire == VARINT:
            value, position = _varint(view, position)
            yield number, wire, value
            continue
        if wire == BYTES:
            length, position = _varint(view, position)
        elif wire in _SIZES:
            length = _SIZES[wire]
        else:
            raise WireError(f"wire type {wire} of field {number} at byte {start}")
        if length > end - position:
            raise WireError(f"field {number} at byte {start} has {length} bytes, {end - position} are left")
        yield number, wire, view[position : position + length]
        position += length


class Message:
    """A message, its fields read once and sorted by number; what is in them is looked at when asked for.

    The methods convert; an absent field gives the default, and of a single field that stands there twice the last one
    counts, as in every reader of protocol buffers.
    """

    __slots__ = ("_depth", "_values")

    def __init__(self, buffer: memoryview | bytes, depth: int = 0) -> None:
        """Read the fields.

        Args:
            buffer: the message's bytes.
            depth: how many messages it is inside of; `message` and `messages` count it.

        Raises:
            WireError: it is damaged, or deeper than `DEEPEST`.
        """
        if depth > DEEPEST:
            raise WireError(f"messages inside messages more than {DEEPEST} deep")
        self._depth = depth
        self._values: dict[int, list[Value]] = {}
        for number, _, value in fields(buffer):
            self._values.setdefault(number, []).append(value)

    def __contains__(self, number: int) -> bool:
        return number in self._values

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of the fields that are there, in the order in which they first appear."""
        return tuple(self._values)

    def views(self, number: int) -> list[memoryview]:
        """The bytes of every field of this number."""
        return [_viewed(number, value) for value in self._values.get(number, ())]

    def view(self, number: int) -> memoryview | None:
        """The bytes of the field; None where there is none."""
        views = self.views(number)
        return views[-1] if views else None

    def messages(self, number: int) -> "Iterator[Message]":
        """The messages in the fields of this number, each read when its turn comes."""
        return (Message(view, self._depth + 1) for view in self.views(number))

    def message(self, number: int) -> "Message | None":
        """The message in the field; None where there is none."""
        view = self.view(number)
        return None if view is None else Message(view, self._depth + 1)

    @overload
    def text(self, number: int) -> str: ...
    @overload
    def text(self, number: int, default: None) -> str | None: ...
    def text(self, number: int, default: str | None = "") -> str | None:
        """The text in the field."""
        view = self.view(number)
        return default if view is None else str(view, "utf-8")

    def texts(self, number: int) -> list[str]:
        """The texts in all fields of this number."""
        return [str(view, "utf-8") for view in self.views(number)]

    @overload
    def integer(self, number: int) -> int: ...
    @overload
    def integer(self, number: int, default: None) -> int | None: ...
    @overload
    def integer(self, number: int, default: int) -> int: ...
    def integer(self, number: int, default: int | None = 0) -> int | None:
        """The signed integer in the field (int32, int64, bool, an enumeration)."""
        values = self._values.get(number)
        if not values:
            return default
        if not isinstance(values[-1], int):
            raise WireError(f"field {number} holds bytes, expected an integer")
        return signed(values[-1])

    def integers(self, number: int) -> list[int]:
        """The signed integers in all fields of this number, packed or not."""
        return [int(value) for part in self._values.get(number, ()) for value in _integers(part)]

    def real(self, number: int, default: float = 0.0) -> float:
        """The 32- or 64-bit floating point number in the field; the length says which."""
        view = self.view(number)
        if view is None:
            return default
        if len(view) not in (4, 8):
            raise WireError(f"field {number} has {len(view)} bytes, expected a number of 4 or 8")
        return float(np.frombuffer(view, f"<f{len(view)}")[0])

    def reals(self, number: int, size: int = 4) -> list[float]:
        """The floating point numbers of `size` bytes in all fields of this number, packed or not."""
        views = self.views(number)
        if any(len(view) % size for view in views):
            raise WireError(f"field {number} does not hold whole numbers of {size} bytes")
        return [float(value) for view in views for value in np.frombuffer(view, f"<f{size}")]


def signed(value: int) -> int:
    """The integer that a varint stands for; a negative one is written as its 64-bit two's complement.

    >>> signed(18446744073709551615), signed(7)
    (-1, 7)
    """
    return value - (1 << 64) if value >> 63 else value


def varints(buffer: memoryview | bytes) -> np.ndarray[Any, np.dtype[np.int64]]:
    r"""Packed varints as signed integers, decoded all at once.

    Raises:
        WireError: the last one is cut off, or one is longer than ten bytes.

    >>> varints(b"\x01\x96\x01").tolist()
    [1, 150]
    """
    raw = np.frombuffer(buffer, np.uint8)
    ends = np.flatnonzero(raw < 0x80)
    if raw.size and (not ends.size or ends[-1] != raw.size - 1):
        raise WireError("the last packed integer is cut off")
    starts = np.concatenate([ends[:0], [0], ends[:-1] + 1])[: ends.size]
    lengths = ends - starts + 1
    longest = int(lengths.max(initial=0))
    if longest > 10:
        raise WireError(f"a packed integer of {longest} bytes, expected ten at most")
    values = np.zeros(ends.size, np.uint64)
    for place in range(longest):
        has = lengths > place
        values[has] |= (raw[starts[has] + place] & 0x7F).astype(np.uint64) << np.uint64(7 * place)
    return values.view(np.int64)


def _integers(part: Value) -> list[int]:
    return [signed(part)] if isinstance(part, int) else varints(part).tolist()


def _viewed(number: int, value: Value) -> memoryview:
    if isinstance(value, int):
        raise WireError(f"field {number} holds an integer, expected bytes")
    return value


def _varint(view: memoryview, position: int) -> tuple[int, int]:
    # Nine in ten are of one byte, and a large graph has half a million of them.
    if position < len(view) and view[position] < 0x80:
        return view[position], position + 1
    value = 0
    for place, byte in enumerate(view[position : position + 10]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, position + place + 1
    raise WireError(f"the integer at byte {position} is cut off or longer than ten bytes")


def _address(view: memoryview) -> int:
    return int(np.frombuffer(view, np.uint8).__array_interface__["data"][0])
