"""Telling files of protocol buffers apart by the fields at their top: ONNX, Caffe and TensorFlow have no signature."""

from collections import Counter
from pathlib import Path
from typing import BinaryIO

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_ENOUGH = 4000


def kind(path: Path) -> str | None:
    """The format of a protocol buffer file; None where it is none of those known.

    Only the fields' numbers and lengths are read, never their contents, so that large files cost nothing.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        fields, first = _fields(file, size)
        if not fields:
            return None
        file.seek(first)
        inner = file.read(64)
    numbers = Counter(number for number, _ in fields)
    return _judged(set(fields), numbers, inner)


def _judged(fields: set[tuple[int, int]], numbers: Counter[int], inner: bytes) -> str | None:
    if (1, _VARINT) in fields and (7, _BYTES) in fields:
        return "onnx"
    if fields == {(1, _VARINT), (2, _BYTES)}:
        return "tensorflow-saved-model"
    if (1, _BYTES) not in fields and (100, _BYTES) not in fields:
        return None
    is_text = bool(inner) and inner[:1].isalnum()
    if (100, _BYTES) in fields or (is_text and numbers[1] == 1 and numbers[2] > 1):
        return "caffe"
    if numbers[1] == 1 and numbers[2] == 1 and set(numbers) <= set(range(1, 8)):
        return "tensorflow-meta-graph"
    # A graph is a list of nodes, each of which begins with its name.
    return "tensorflow-graph" if inner[:1] == b"\n" and set(numbers) <= {1, 2, 3, 4, 5} else None


def _fields(file: BinaryIO, size: int) -> tuple[list[tuple[int, int]], int]:
    """The (number, wire type) of the top fields, and where the content of the first field 1 stands."""
    fields: list[tuple[int, int]] = []
    first = -1
    while file.tell() < size and len(fields) < _ENOUGH:
        tag = _varint(file)
        number, wire = (tag or 0) >> 3, (tag or 0) & 7
        if tag is None or not 0 < number < 20000 or wire not in (_VARINT, _FIXED64, _BYTES, _FIXED32):
            return [], -1
        length = _varint(file) if wire in (_VARINT, _BYTES) else 8 if wire == _FIXED64 else 4
        if length is None:
            return [], -1
        if wire != _VARINT:
            if file.tell() + length > size:
                # No text begins with a varint of field 1, as ONNX does: such a file is cut off rather than foreign.
                return ([*fields, (number, wire)], max(first, 0)) if fields[:1] == [(1, _VARINT)] else ([], -1)
            if number == 1 and first < 0:
                first = file.tell()
            file.seek(length, 1)
        fields.append((number, wire))
    return fields, max(first, 0)


def _varint(file: BinaryIO) -> int | None:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return None
