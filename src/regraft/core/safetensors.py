"""Named arrays as the bytes of a safetensors file, and back; equal arrays make equal bytes.

The format: https://huggingface.co/docs/safetensors/index#format. Files from elsewhere are read by
`formats.safetensors`, which reads each tensor when it is asked for; this is for what we write ourselves, and what fits
into memory.
"""

import json
from collections.abc import Mapping
from math import prod
from typing import Any, cast

import numpy as np

from regraft.core.errors import SourceError

Array = np.ndarray[Any, Any]

_LENGTH = 8
_METADATA = "__metadata__"
CODES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "bool": "BOOL",
    "complex64": "C64",
    **{f"int{bits}": f"I{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"U{bits}" for bits in (8, 16, 32, 64)},
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
}
_NAMES = {code: name for name, code in CODES.items()}


def to_bytes(arrays: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a safetensors file with these arrays, in the order of their names.

    Args:
        arrays: of any shape, of types that the format has.
        metadata: words beside them.

    Raises:
        SourceError: an array is of a type that the format lacks.

    >>> list(from_bytes(to_bytes({"b": np.zeros(2), "a": np.ones((1, 2))})))
    ['a', 'b']
    """
    header: dict[str, Any] = {_METADATA: dict(sorted(metadata.items()))} if metadata else {}
    contents: list[bytes] = []
    place = 0
    for name in sorted(arrays):
        content = element_bytes(arrays[name])
        header[name] = {
            "dtype": _code(name, arrays[name]),
            "shape": list(arrays[name].shape),
            "data_offsets": [place, place + len(content)],
        }
        contents.append(content)
        place += len(content)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=True).encode()
    # Filled up with blanks, as the format's own library does, so that elements lie where they can be mapped.
    text += b" " * (-len(text) % _LENGTH)
    return b"".join([len(text).to_bytes(_LENGTH, "little"), text, *contents])


def from_bytes(content: bytes) -> dict[str, Array]:
    """The arrays of a safetensors file, by name; copies, which may be changed.

    Raises:
        ValueError: the bytes are no such file, or only a part of one.
    """
    length = int.from_bytes(content[:_LENGTH], "little")
    body = memoryview(content)[_LENGTH + length :]
    header = json.loads(content[_LENGTH : _LENGTH + length])
    if not isinstance(header, dict):
        raise ValueError("the header lists no tensors")
    header = cast(dict[str, Any], header)
    header.pop(_METADATA, None)
    return {name: _array(name, about, body) for name, about in header.items()}


def element_bytes(array: Array) -> bytes:
    """The elements of an array in C order, little-endian: what a digest of it is made of."""
    array = np.asarray(array, order="C")
    if array.dtype.kind in "fciu" and array.dtype.itemsize > 1:
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return array.tobytes()


def _code(name: str, array: Array) -> str:
    if array.dtype.name not in CODES:
        raise SourceError(f"'{name}' is of type {array.dtype.name}, expected one of {', '.join(CODES)}")
    return CODES[array.dtype.name]


def _array(name: str, about: Any, body: memoryview) -> Array:
    shape, (begin, end) = tuple(about["shape"]), about["data_offsets"]
    dtype = _dtype(_NAMES[about["dtype"]])
    if not 0 <= begin <= end <= len(body) or end - begin != prod(shape) * dtype.itemsize:
        raise ValueError(f"tensor '{name}' does not lie where the header says")
    return np.frombuffer(body[begin:end], dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=True)


def _dtype(name: str) -> np.dtype[Any]:
    if name in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        # NumPy has no such types; Keras brings along what has.
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, name))
    return np.dtype(name).newbyteorder("<")
