"""How activations are held on disk: as they are, in half precision, or in one byte with a scale for each channel.

Rounding is to the nearest, halves to the even. A scale belongs to a whole key: its first file fixes it, so that all
rows of an example set are coded alike; what lies beyond it later is clipped and counted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from regraft.core.errors import WorkError, nearest

Array = np.ndarray[Any, Any]

# By the name that a plan uses: how a number lies in a file.
DTYPES = {"float32": "<f4", "float16": "<f2", "int8": "i1"}

_LARGEST_HALF = float(np.finfo(np.float16).max)
_LARGEST_BYTE = 127
_SMALLEST_SCALE = float(np.finfo(np.float32).tiny)
# Numbers that are looked at together: memory for what is between them and their code is bounded, and stays in cache.
_BLOCK = 1 << 18


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """Rows as they lie in a file.

    Attributes:
        rows: (n, ...), in the dtype of `DTYPES`.
        scale: what one step of an int8 means in each channel, float32 (channels,); None for the others.
        clipped: how many numbers lay beyond what can be said.
    """

    rows: Array
    scale: Array | None
    clipped: int


def bytes_of(dtype: str) -> int:
    """Of one number.

    >>> [bytes_of(dtype) for dtype in DTYPES]
    [4, 2, 1]
    """
    return np.dtype(DTYPES[dtype]).itemsize


def require_known(dtype: str) -> None:
    """Refuse a coding that there is not.

    Raises:
        WorkError: its name is none of `DTYPES`.
    """
    if dtype not in DTYPES:
        known = f"expected activations in {', '.join(DTYPES)}, found '{dtype}'"
        raise WorkError(f"{known}{nearest(dtype, DTYPES)}")


def encode(rows: Array, dtype: str, scale: Array | None = None) -> Coded:
    """Rows in another coding.

    Args:
        rows: float32 (n, ...).
        dtype: `float32`, `float16` or `int8`.
        scale: of the key's first file, float32 (channels,), for int8; by default that of these rows.

    Raises:
        WorkError: there is no such coding, or a number is NaN or infinite, which only float32 keeps.
    """
    require_known(dtype)
    if dtype == "float32":
        return Coded(np.ascontiguousarray(rows, "<f4"), None, 0)
    rows = np.asarray(rows, np.float32)
    largest = _largest(rows)
    if not np.isfinite(largest).all():
        kind = "NaN" if np.isnan(largest).any() else "infinite"
        raise WorkError(
            f"an activation is {kind}, which {dtype} does not hold; keep activations in float32, or look for what in "
            "the network overflows"
        )
    coded = np.empty(rows.shape, DTYPES[dtype])
    if dtype == "float16":
        clipped = 0
        for part in _blocks(rows):
            held = rows[part]
            if np.max(largest, initial=0.0) > _LARGEST_HALF:
                clipped += _beyond_half(held)
                held = np.clip(held, -_LARGEST_HALF, _LARGEST_HALF)
            coded[part] = held
        return Coded(coded, None, clipped)
    if scale is None:
        scale = _scale(largest)
    clipped = 0
    for part in _blocks(rows):
        steps = rows[part] / scale
        np.rint(steps, out=steps)
        clipped += int(np.count_nonzero(np.abs(steps) > _LARGEST_BYTE))
        coded[part] = np.clip(steps, -_LARGEST_BYTE, _LARGEST_BYTE, out=steps)
    return Coded(coded, scale, clipped)


def decode(rows: Array, scale: Array | None) -> Array:
    """Rows of a file as float32 (n, ...).

    Args:
        rows: as they lie in the file.
        scale: for int8: float32 (channels,), or (n, channels) where rows have scales of their own.
    """
    if scale is None:
        return rows.astype(np.float32, copy=False)
    if scale.ndim == 2 and rows.ndim > 1:
        scale = scale.reshape(len(rows), *[1] * (rows.ndim - 2), -1)
    elif rows.ndim == 1:
        scale = scale.reshape(-1)
    return np.multiply(rows, scale, dtype=np.float32)


def error(rows: Array, dtype: str) -> float:
    """How far a coding is off: the root of the mean squared error, relative to the root of the mean square.

    What a budget pays for a quarter or half of the bytes, measured on a sample.

    Args:
        rows: float32 (n, ...), some rows of the activations in question.
        dtype: `float32`, `float16` or `int8`.

    Returns:
        0.0 where nothing is lost; for all zeros too.

    >>> rows = np.random.default_rng(0).normal(size=(100, 8)).astype("float32")
    >>> error(rows, "float32"), error(rows, "float16") < 3e-4, error(rows, "int8") < 0.01
    (0.0, True, True)
    """
    coded = encode(rows, dtype)
    lost = whole = 0.0
    for part in _blocks(rows):
        held = np.asarray(rows[part], np.float64)
        lost += float(np.square(held - decode(coded.rows[part], coded.scale)).sum())
        whole += float(np.square(held).sum())
    return float(np.sqrt(lost / whole)) if whole else 0.0


def _largest(rows: Array) -> Array:
    """The largest absolute value of each channel, float32 (channels,); NaN where there is one."""
    channels = rows.shape[-1] if rows.ndim > 1 else 1
    found = np.zeros(channels, np.float32)
    for part in _blocks(rows):
        flat = rows[part].reshape(-1, channels)
        if len(flat):
            np.maximum(found, np.abs(flat).max(axis=0), out=found)
    return found


def _scale(largest: Array) -> Array:
    """The scale that puts the largest value at the last step; a channel that was silent is given the mean of all."""
    scale = (largest / np.float32(_LARGEST_BYTE)).astype(np.float32)
    heard = scale >= _SMALLEST_SCALE
    scale[~heard] = max(float(scale[heard].mean()), _SMALLEST_SCALE) if heard.any() else 1.0 / _LARGEST_BYTE
    return scale


def _beyond_half(rows: Array) -> int:
    return int(np.count_nonzero(np.abs(rows) > _LARGEST_HALF))


def _blocks(rows: Array) -> Iterator[slice]:
    step = max(1, _BLOCK // max(1, rows[:1].size))
    return (slice(start, start + step) for start in range(0, len(rows), step))
