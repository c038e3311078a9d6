"""How activations are held: as they are, in half precision, or in one byte with a scale for each channel."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from regraft.core.errors import WorkError, nearest

Array = np.ndarray[Any, Any]

# By the name that a plan uses: bytes of a number.
DTYPES = {"float32": 4, "float16": 2, "int8": 1}

_LARGEST_HALF = float(np.finfo(np.float16).max)


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """Rows as they are held: (n, ...), for int8 with what a step means in each channel, float32 (channels,)."""

    rows: Array
    scale: Array | None


def encode(rows: Array, dtype: str, scale: Array | None = None) -> Coded:
    """Rows in another coding, rounded to the nearest.

    Args:
        rows: float32 (n, ...).
        dtype: one of `DTYPES`.
        scale: for int8, that of rows coded before; by default that of these.

    Raises:
        WorkError: there is no such coding.
    """
    if dtype not in DTYPES:
        known = f"expected activations in {', '.join(DTYPES)}, found '{dtype}'"
        raise WorkError(f"{known}{nearest(dtype, DTYPES)}")
    if dtype == "float32":
        return Coded(rows, None)
    if dtype == "float16":
        return Coded(np.clip(rows, -_LARGEST_HALF, _LARGEST_HALF).astype(np.float16), None)
    if scale is None:
        largest = np.abs(rows).max(axis=tuple(range(rows.ndim - 1)), initial=0.0)
        scale = np.where(largest > 0, largest / 127, 1.0).astype(np.float32)
    return Coded(np.clip(np.rint(rows / scale), -127, 127).astype(np.int8), scale)


def decode(rows: Array, scale: Array | None) -> Array:
    """Rows as float32 again (n, ...)."""
    return rows.astype(np.float32, copy=False) if scale is None else rows * scale


def error(rows: Array, dtype: str) -> float:
    """How far a coding is off: the root of the mean squared error, relative to the root of the mean square.

    >>> error(np.ones((2, 3), "float32"), "float32")
    0.0
    """
    coded = encode(rows, dtype)
    wide = np.asarray(rows, np.float64)
    whole = float(np.square(wide).sum())
    lost = float(np.square(wide - decode(coded.rows, coded.scale)).sum())
    return float(np.sqrt(lost / whole)) if whole else 0.0
