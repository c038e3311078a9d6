"""Tensors in ONNX files: bytes as they are, lists of numbers, or a file beside the model; read when asked for.

Fields and types are those of `onnx.proto`, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from regraft.core.errors import CorruptFileError, SourceError
from regraft.core.tensors import TensorEntry
from regraft.formats import damage, elements, extents, wire
from regraft.formats.extents import Extent
from regraft.formats.wire import Message

# The numbers of onnx.TensorProto.DataType. Two numbers of four bits share a byte; they are given as whole bytes.
DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "object", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16",
    17: "float8_e4m3fn", 18: "float8_e4m3fnuz", 19: "float8_e5m2", 20: "float8_e5m2fnuz", 21: "uint8", 22: "int8",
    24: "float8_e8m0fnu",
}  # fmt: skip
_TEXT, _HALF_BYTES = 8, (21, 22)
_DIMS, _TYPE, _TEXTS, _NAME, _RAW, _EXTERNAL = 1, 2, 6, 8, 9, 13
# Fields with lists of numbers, and the type that each is stored as.
_FLOATS, _INT32S, _INT64S, _DOUBLES, _UINT64S = 4, 5, 7, 10, 11
_FIELDS = {
    **dict.fromkeys(("float32", "complex64"), _FLOATS),
    **dict.fromkeys(("float64", "complex128"), _DOUBLES),
    **dict.fromkeys(("uint32", "uint64"), _UINT64S),
    "int64": _INT64S,
}


@dataclass(frozen=True, slots=True)
class File:
    """An ONNX file while it is being read.

    Attributes:
        extent: all of it, for reading again later.
        view: its content.
    """

    extent: Extent
    view: memoryview

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.extent.path

    def part(self, view: memoryview, what: str) -> Extent:
        """Where a part of the content stands in the file."""
        return self.extent.within(wire.offset(view, self.view) if len(view) else 0, len(view), what)


def opened(path: Path) -> File:
    """Map an ONNX file into memory."""
    return File(extents.whole(path), wire.mapped(path))


def entry(message: Message, file: File, name: str | None = None) -> TensorEntry:
    """The tensor in a `TensorProto`.

    Args:
        message: the tensor.
        file: that it is in.
        name: instead of its own.

    Raises:
        CorruptFileError: what is stored is not what its type and shape ask for.
        SourceError: its type is unknown, or its values are in a file that is not there or not beside this one.
    """
    name = message.text(_NAME) if name is None else name
    what = f"tensor '{name}'"
    number = message.integer(_TYPE)
    if number not in DTYPES:
        raise SourceError(
            f"{what} of '{file.path}': expected a type of numbers, found number {number} of ONNX's types; "
            "convert the file to float32"
        )
    shape = elements.checked_shape(message.integers(_DIMS), f"{what} of '{file.path}'")
    stored = TensorEntry(name, shape, DTYPES[number], lambda: np.zeros(shape))
    if number == _TEXT:
        return _of_texts(stored, message, file)
    if message.views(_EXTERNAL):
        return _of_bytes(stored, number, _beside(message, file, what), file)
    raw = message.view(_RAW)
    return (
        _of_list(stored, number, message, file)
        if raw is None
        else _of_bytes(stored, number, file.part(raw, what), file)
    )


def _of_bytes(stored: TensorEntry, number: int, extent: Extent, file: File) -> TensorEntry:
    size = -(-stored.size // 2) if number in _HALF_BYTES else elements.bytes_of(stored.shape, stored.dtype)
    if extent.size != size:
        raise _wrong_size(stored, f"{size} bytes", f"{extent.size}", extent.path)
    if number not in _HALF_BYTES:
        return elements.dense(extent.path, stored.name, stored.shape, stored.dtype, extent.bytes)
    return dataclasses.replace(stored, read=lambda: _unpacked(np.frombuffer(extent.bytes(), np.uint8), stored))


def _of_list(stored: TensorEntry, number: int, message: Message, file: File) -> TensorEntry:
    field = _FIELDS.get(stored.dtype, _INT32S)
    size = {_FLOATS: 4, _DOUBLES: 8}.get(field)
    # Packed, as every writer of ONNX has them; a number outside of a pack is refused as damage.
    parts = [file.part(view, f"tensor '{stored.name}'") for view in message.views(field)]
    length = sum(part.size for part in parts)
    count = -(-stored.size // 2) if number in _HALF_BYTES else stored.size
    count *= 2 if stored.dtype.startswith("complex") else 1
    # A list of varints has at least one byte for each, ten at most; which it is shows when they are read.
    least, most = (count * size, count * size) if size else (count, 10 * count)
    if not least <= length <= most:
        raise _wrong_size(stored, f"{count} numbers", f"{length} bytes", file.path)

    def read() -> np.ndarray[Any, Any]:
        with damage.refusing_damage(file.path):
            content = b"".join(part.bytes() for part in parts)
            numbers = np.frombuffer(content, f"<f{size}") if size else wire.varints(content)
            if len(numbers) != count:
                raise _wrong_size(stored, f"{count} numbers", f"{len(numbers)}", file.path)
            return _converted(numbers, number, stored)

    return dataclasses.replace(stored, read=read)


def _converted(numbers: np.ndarray[Any, Any], number: int, stored: TensorEntry) -> np.ndarray[Any, Any]:
    """A list of numbers as the type that they stand for; small floating point types are listed as their bits."""
    if number in _HALF_BYTES:
        return _unpacked(numbers.astype(np.uint8), stored)
    if stored.dtype.startswith("complex"):
        return numbers.view(stored.dtype).reshape(stored.shape)
    bits = elements.itemsize(stored.dtype)
    if stored.dtype in ("float16", *elements.SIZES):
        content = numbers.astype(f"<u{bits}").tobytes()
        return elements.from_bytes(content, stored.dtype).reshape(stored.shape)
    return numbers.astype(stored.dtype).reshape(stored.shape)


def _unpacked(pairs: np.ndarray[Any, Any], stored: TensorEntry) -> np.ndarray[Any, Any]:
    """Numbers of four bits, the first of each pair in the lower half."""
    halves = np.stack([pairs & 0x0F, pairs >> 4], axis=-1).reshape(-1)[: stored.size]
    values = (halves.astype(np.int8) ^ 8) - 8 if stored.dtype == "int8" else halves
    return values.astype(stored.dtype).reshape(stored.shape)


def _of_texts(stored: TensorEntry, message: Message, file: File) -> TensorEntry:
    parts = [file.part(view, f"tensor '{stored.name}'") for view in message.views(_TEXTS)]
    if len(parts) != stored.size:
        raise _wrong_size(stored, f"{stored.size} texts", f"{len(parts)}", file.path)

    def read() -> np.ndarray[Any, Any]:
        texts = np.empty(len(parts), object)
        with damage.refusing_damage(file.path):
            texts[:] = [str(part.bytes(), "utf-8") for part in parts]
        return texts.reshape(stored.shape)

    return dataclasses.replace(stored, read=read)


def _beside(message: Message, file: File, what: str) -> Extent:
    """The stretch of another file that holds the values; it must lie in the model's own folder."""
    said = {item.text(1): item.text(2) for item in message.messages(_EXTERNAL)}
    place = said.get("location", "")
    folder = file.path.parent.resolve()
    path = (folder / PurePosixPath(place)).resolve()
    if not place or folder not in path.parents:
        raise SourceError(
            f"{what} of '{file.path}' is said to be in '{place}', outside of the model's folder; it is not read"
        )
    if not path.is_file():
        raise SourceError(f"{what} of '{file.path}' is in '{place}', which is not there; put it beside the model")
    whole = extents.whole(path)
    start = int(said.get("offset") or 0)
    return whole.within(start, int(said.get("length") or whole.size - start), what)


def _wrong_size(stored: TensorEntry, expected: str, found: str, path: Path) -> CorruptFileError:
    return CorruptFileError(
        f"tensor '{stored.name}' of '{path}' has shape {stored.shape} and type {stored.dtype}: expected {expected}, "
        f"found {found}; get the file again"
    )
