"""TensorFlow's own words for types, shapes and constants, as NumPy's.

Numbers of fields and types: tensorflow/core/framework/{types,tensor_shape,tensor}.proto.
"""

from math import prod
from typing import Any

import numpy as np

from regraft.core.errors import CorruptFileError, SourceError
from regraft.formats import wire
from regraft.formats.wire import Message, signed, varints

# By the number in `types.proto`; a reference to a variable has 100 added.
_NAMES = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 7: "string", 8: "complex64",
    9: "int64", 10: "bool", 11: "qint8", 12: "quint8", 13: "qint32", 14: "bfloat16", 15: "qint16", 16: "quint16",
    17: "uint16", 18: "complex128", 19: "float16", 20: "resource", 21: "variant", 22: "uint32", 23: "uint64",
    24: "float8_e5m2", 25: "float8_e4m3fn", 26: "float8_e4m3fnuz", 27: "float8_e4m3b11fnuz", 28: "float8_e5m2fnuz",
    29: "int4", 30: "uint4",
}  # fmt: skip

STRING = "string"
# Their values are in the memory of a session, never in a file.
_UNREADABLE = ("resource", "variant")
_QUANTISED = {"qint8": "int8", "quint8": "uint8", "qint16": "int16", "quint16": "uint16", "qint32": "int32"}

_CONTENT = 4
_HALF, _FLOAT, _DOUBLE, _INT, _STRING, _COMPLEX64, _INT64, _BOOL, _COMPLEX128 = 13, 5, 6, 7, 8, 9, 10, 11, 12
_UINT32, _UINT64, _FLOAT8 = 16, 17, 18
# Where a constant keeps its values if not as raw bytes: field, and the type that stands there (None: packed integers).
_FIELDS: dict[str, tuple[int, str | None]] = {
    "float32": (_FLOAT, "<f4"), "float64": (_DOUBLE, "<f8"), "complex64": (_COMPLEX64, "<f4"),
    "complex128": (_COMPLEX128, "<f8"), "int64": (_INT64, None), "bool": (_BOOL, None), "uint32": (_UINT32, None),
    "uint64": (_UINT64, None), "float16": (_HALF, None), "bfloat16": (_HALF, None),
}  # fmt: skip

# Far above any honest repetition of one value; below it a small file cannot ask for much memory.
_SMALL = 1 << 28

Shape = tuple[int, ...]


def type_name(number: int) -> str:
    """NumPy's name of a type; for what NumPy does not have, TensorFlow's.

    >>> type_name(1), type_name(101), type_name(14), type_name(12), type_name(99)
    ('float32', 'float32', 'bfloat16', 'quint8', 'type 99')
    """
    return _NAMES.get(number % 100 if number > 100 else number, f"type {number}")


def type_number(name: str) -> int | None:
    """TensorFlow's number of a type; None where the word is none.

    >>> type_number("float32"), type_number("SAME")
    (1, None)
    """
    return next((number for number, known in _NAMES.items() if known == name), None)


def storage(name: str) -> np.dtype[Any]:
    """The NumPy type in which values of a type are kept.

    Raises:
        SourceError: values of this type are never kept in a file.
    """
    if name in _UNREADABLE or name.startswith("type "):
        raise SourceError(f"values of the type '{name}' cannot be read from a file; expected numbers or texts")
    if name == STRING:
        return np.dtype(object)
    if name == "bfloat16" or "float8" in name or name in ("int4", "uint4"):
        # Here, because it is needed for these types only.
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, name))
    return np.dtype(_QUANTISED.get(name, name))


def item_size(name: str) -> int | None:
    """The bytes of one value; None where that differs or is not known."""
    if name == STRING or name in _UNREADABLE or name.startswith("type "):
        return None
    if name == "bfloat16":
        return 2
    return 1 if "float8" in name or name in ("int4", "uint4") else storage(name).itemsize


def shape_of(view: memoryview | None) -> tuple[int | None, ...] | None:
    """A shape with None for open sizes; None where even the rank is not known."""
    if view is None:
        return None
    sizes: list[int | None] = []
    for number, _, value in wire.fields(view):
        if number == 3 and value:
            return None
        if number == 2 and not isinstance(value, int):
            size = next(
                (signed(size) for place, _, size in wire.fields(value) if place == 1 and isinstance(size, int)), 0
            )
            sizes.append(None if size < 0 else size)
    return tuple(sizes)


def known_shape(view: memoryview | None) -> Shape:
    """The shape of stored values; no size is open.

    Raises:
        ValueError: one is.
    """
    shape = () if view is None else shape_of(view)
    if shape is None or None in shape:
        raise ValueError("stored values of unknown shape")
    return tuple(size for size in shape if size is not None)


def constant_claim(message: Message) -> tuple[str, Shape]:
    """Type and shape of a constant, checked against the bytes that are there.

    Raises:
        CorruptFileError: it claims much more than is stored.
    """
    name, shape = type_name(message.integer(1)), known_shape(message.view(2))
    claimed = prod(shape) * (item_size(name) or 8)
    content = message.view(_CONTENT)
    if content is not None and len(content) and item_size(name) and len(content) != claimed:
        raise CorruptFileError(f"a constant of shape {shape} claims {claimed} bytes, {len(content)} are stored")
    if claimed > _SMALL:
        stored = sum(len(view) for number in message.numbers if number > 3 for view in message.views(number))
        if claimed > 1000 * stored:
            raise CorruptFileError(f"a constant of shape {shape} claims {claimed} bytes, {stored} are stored")
    return name, shape


def constant(message: Message) -> np.ndarray[Any, Any]:
    """The values of a constant (`TensorProto`); the last one given stands for all that are left out.

    Raises:
        CorruptFileError: it claims much more than is stored.
        SourceError: values of its type are never kept in a file.
    """
    name, shape = constant_claim(message)
    dtype, count = storage(name), prod(shape)
    content = message.view(_CONTENT)
    if content is not None and len(content):
        return np.frombuffer(content, dtype.newbyteorder("<"), count).astype(dtype).reshape(shape)
    return _filled(listed(message, name), dtype, shape)


def listed(message: Message, name: str) -> Any:
    """The values of a constant that are listed one by one, as a row.

    Raises:
        SourceError: values of its type are never kept in a file.
    """
    dtype = storage(name)
    if name == STRING:
        return [bytes(view) for view in message.views(_STRING)]
    field, kept = _FIELDS.get(name, (_FLOAT8, "u1") if "float8" in name else (_INT, None))
    if kept is not None:
        parts = [np.frombuffer(view, kept) for view in message.views(field)]
        return np.concatenate([np.zeros(0, kept), *parts]).view(dtype)
    values = np.array(message.integers(field), np.int64)
    return values.astype(np.uint16).view(dtype) if field == _HALF else values.astype(dtype)


def _filled(values: Any, dtype: np.dtype[Any], shape: Shape) -> np.ndarray[Any, Any]:
    count = prod(shape)
    if len(values) > count:
        raise ValueError(f"a constant of shape {shape} has {len(values)} values")
    array = np.full(count, b"" if dtype.hasobject else 0, dtype)
    if len(values):
        array[: len(values)] = values
        array[len(values) :] = values[-1]
    return array.reshape(shape)


def strings(content: bytes, count: int) -> tuple[list[bytes], bytes]:
    """Texts as checkpoints keep them: all lengths, their checksum, all contents.

    Returns:
        The texts, and the bytes that the checksum of the tensor is about: lengths as 32-bit integers, then the rest.

    Raises:
        ValueError: the lengths do not fit the bytes.
    """
    ends_of_lengths = np.flatnonzero(np.frombuffer(content, np.uint8) < 0x80)[:count]
    head = int(ends_of_lengths[-1]) + 1 if count and ends_of_lengths.size else 0
    if ends_of_lengths.size < count or head + 4 > len(content):
        raise ValueError("the lengths of the texts are cut off")
    lengths = varints(content[:head])
    if (lengths < 0).any() or int(lengths.sum()) != len(content) - head - 4:
        raise ValueError("the lengths of the texts do not fit what is stored")
    ends = np.cumsum(lengths) + head + 4
    texts = [content[end - length : end] for end, length in zip(ends.tolist(), lengths.tolist(), strict=True)]
    return texts, lengths.astype("<u4").tobytes() + content[head:]
