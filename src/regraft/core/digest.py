"""Digests: the names of contents. BLAKE2b, 128 bits, hexadecimal; SHA-256 where others are to check it."""

import hashlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np

_SIZE = 16
_CHUNK = 1 << 20


def of_bytes(*parts: bytes | memoryview) -> str:
    """The digest of byte strings, each preceded by its length, so that ("ab", "c") and ("a", "bc") differ."""
    state = hashlib.blake2b(digest_size=_SIZE)
    for part in parts:
        view = memoryview(part)
        state.update(view.nbytes.to_bytes(8, "little"))
        # An empty view of several dimensions refuses to be cast, and has nothing to add.
        if view.nbytes:
            state.update(view.cast("B"))
    return state.hexdigest()


def of_array(array: np.ndarray[Any, Any]) -> str:
    """The digest of an array: its dtype, its shape and its elements in C order, little-endian.

    Neither the layout in memory nor the machine's byte order matters; a scalar and a vector of one element differ.

    >>> of_array(np.eye(3)) == of_array(np.asfortranarray(np.eye(3)))
    True
    """
    # Not `ascontiguousarray`: it would turn a scalar into a vector.
    array = np.asarray(array, order="C")
    if array.dtype.byteorder == ">" or (array.dtype.byteorder == "=" and sys.byteorder == "big"):
        array = array.astype(array.dtype.newbyteorder("<"))
    kind = f"{array.dtype.name}{array.shape}".encode()
    return of_bytes(kind, array.reshape(-1).view(np.uint8).data if array.size else b"")


def of_json(value: Any) -> str:
    """The digest of a JSON value, independent of the order of keys."""
    return of_bytes(json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=True).encode())


def of_strings(values: Iterable[str]) -> str:
    """The digest of a sequence of strings; names of files that are not UTF-8 have one too."""
    return of_bytes(*(value.encode(errors="surrogatepass") for value in values))


def of_file(path: Path) -> str:
    """The digest of a file's content, read in pieces; the same as `of_bytes` of the whole."""
    state = hashlib.blake2b(digest_size=_SIZE)
    state.update(path.stat().st_size.to_bytes(8, "little"))
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            state.update(chunk)
    return state.hexdigest()


def sha256(file: IO[bytes]) -> str:
    """The SHA-256 of what is left to read of a file, as `sha256sum` prints it.

    >>> import io
    >>> sha256(io.BytesIO(b"abc"))[:16]
    'ba7816bf8f01cfea'
    """
    state = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        state.update(chunk)
    return state.hexdigest()
