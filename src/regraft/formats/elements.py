"""The types of numbers that foreign files hold, under NumPy's names, and tensors made of their bytes."""

from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core.tensors import TensorEntry
from regraft.formats import damage

# NumPy has no such types of its own; `ml_dtypes`, which Keras brings along, does.
SIZES = {
    "bfloat16": 2,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
    "float8_e4m3fnuz": 1,
    "float8_e5m2fnuz": 1,
    "float8_e8m0fnu": 1,
}
_MOST_AXES = 64


def itemsize(dtype: str) -> int:
    """Bytes of one element.

    >>> itemsize("float32"), itemsize("bfloat16")
    (4, 2)
    """
    return SIZES.get(dtype) or np.dtype(dtype).itemsize


def from_bytes(content: bytes | bytearray | memoryview, dtype: str, little: bool = True) -> np.ndarray[Any, Any]:
    """A flat array of native byte order."""
    order = "<" if little else ">"
    if dtype in SIZES:
        import ml_dtypes

        raw = np.frombuffer(content, f"{order}u{SIZES[dtype]}")
        return raw.astype(raw.dtype.newbyteorder("="), copy=False).view(getattr(ml_dtypes, dtype))
    stored = np.frombuffer(content, np.dtype(dtype).newbyteorder(order))
    return stored.astype(np.dtype(dtype), copy=False)


def checked_shape(shape: Sequence[object], what: str) -> tuple[int, ...]:
    """A shape that a file states.

    Raises:
        ValueError: it is none.
    """
    sizes = [size for size in shape if isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 1 << 62]
    if len(sizes) != len(shape) or len(sizes) > _MOST_AXES:
        raise ValueError(f"{what} has no possible shape")
    return tuple(sizes)


def dense(
    path: Path,
    name: str,
    shape: tuple[int, ...],
    dtype: str,
    content: Callable[[], bytes],
    *,
    fortran: bool = False,
    little: bool = True,
) -> TensorEntry:
    """A tensor whose elements lie one after the other.

    Args:
        path: the file, for messages.
        name: of the tensor.
        shape: of the tensor.
        dtype: NumPy's name, or a key of `SIZES`.
        content: gives the bytes, as many as shape and type ask for.
        fortran: whether the first axis runs fastest.
        little: whether the least significant byte of an element comes first.
    """

    def read() -> np.ndarray[Any, Any]:
        with damage.refusing_damage(path):
            values = from_bytes(content(), dtype, little).reshape(shape, order="F" if fortran else "C")
            return np.array(values, order="C", copy=True)

    return TensorEntry(name, shape, dtype, read)


def bytes_of(shape: tuple[int, ...], dtype: str) -> int:
    """How many bytes a tensor takes."""
    return prod(shape) * itemsize(dtype)
