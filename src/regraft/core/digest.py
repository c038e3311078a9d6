"""Digests: the names of contents. BLAKE2b, 128 bits, hexadecimal."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

_SIZE = 16
_CHUNK = 1 << 20


def of_bytes(*parts: bytes | memoryview) -> str:
    """The digest of byte strings, each preceded by its length, so that ("ab", "c") and ("a", "bc") differ."""
    state = hashlib.blake2b(digest_size=_SIZE)
    for part in parts:
        view = memoryview(part).cast("B") if not isinstance(part, bytes) else part
        state.update(len(view).to_bytes(8, "little"))
        state.update(view)
    return state.hexdigest()


def of_array(array: np.ndarray[Any, Any]) -> str:
    """The digest of an array: its dtype, its shape and its elements in C order, little-endian."""
    array = np.ascontiguousarray(array)
    if array.dtype.byteorder == ">" or (array.dtype.byteorder == "=" and not np.little_endian):
        array = array.astype(array.dtype.newbyteorder("<"))
    kind = f"{array.dtype.name}{array.shape}".encode()
    return of_bytes(kind, array.reshape(-1).view(np.uint8).data if array.size else b"")


def of_json(value: Any) -> str:
    """The digest of a JSON value, independent of the order of keys."""
    return of_bytes(json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=True).encode())


def of_strings(values: Iterable[str]) -> str:
    """The digest of a sequence of strings."""
    return of_bytes(*(value.encode() for value in values))


def of_file(path: Path) -> str:
    """The digest of a file's content, read in pieces."""
    state = hashlib.blake2b(digest_size=_SIZE)
    state.update(path.stat().st_size.to_bytes(8, "little"))
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            state.update(chunk)
    return state.hexdigest()
