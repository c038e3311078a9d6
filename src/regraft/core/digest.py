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
        state.update(_length(view.nbytes))
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
    array = _plain(np.asarray(array, order="C"))
    kind = f"{array.dtype.name}{array.shape}".encode()
    return of_bytes(kind, array.reshape(-1).view(np.uint8).data if array.size else b"")


def of_rows(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The digests of the elements along the first axis: row `i` holds the bytes of `of_array(array[i])`.

    What is the same for all of them is worked out and hashed once, which for small elements is most of the work.

    Args:
        array: (n, ...).

    Returns:
        uint8 (n, 16).

    >>> bytes(of_rows(np.eye(3))[1]).hex() == of_array(np.eye(3)[1])
    True
    """
    array = _plain(np.asarray(array, order="C"))
    width = array[:1].nbytes if len(array) else 0
    kind = f"{array.dtype.name}{array.shape[1:]}".encode()
    begun = hashlib.blake2b(b"".join([_length(len(kind)), kind, _length(width)]), digest_size=_SIZE)
    return of_each(begun, array.reshape(-1).view(np.uint8).reshape(len(array), width) if width else len(array))


def of_each(begun: "hashlib.blake2b", rows: np.ndarray[Any, Any] | int) -> np.ndarray[Any, Any]:
    """What a hash that was begun comes to with each row of bytes after it.

    Args:
        begun: not changed.
        rows: uint8 (n, width) in C order, or how many rows there are that hold nothing.

    Returns:
        uint8 (n, digest size).
    """
    count, width = (rows, 0) if isinstance(rows, int) else rows.shape
    content = memoryview(b"") if isinstance(rows, int) else rows.reshape(-1).data
    made = bytearray()
    for start in range(0, count * width, width) if width else [0] * count:
        state = begun.copy()
        state.update(content[start : start + width])
        made += state.digest()
    return np.frombuffer(made, np.uint8).reshape(count, begun.digest_size)


def of_json(value: Any) -> str:
    """The digest of a JSON value, independent of the order of keys."""
    return of_bytes(json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=True).encode())


def of_strings(values: Iterable[str]) -> str:
    """The digest of a sequence of strings; names of files that are not UTF-8 have one too."""
    state = hashlib.blake2b(digest_size=_SIZE)
    for value in values:
        encoded = value.encode(errors="surrogatepass")
        state.update(_length(len(encoded)) + encoded)
    return state.hexdigest()


def of_file(path: Path) -> str:
    """The digest of a file's content, read in pieces; the same as `of_bytes` of the whole."""
    with path.open("rb") as file:
        return of_opened(file, path.stat().st_size)


def of_opened(file: IO[bytes], size: int, beginning: bytes = b"") -> str:
    """The digest of an open file's content, as `of_file` gives it.

    Args:
        file: stands behind `beginning`.
        size: of the whole file.
        beginning: what was read of it already.
    """
    state = hashlib.blake2b(_length(size) + beginning, digest_size=_SIZE)
    while chunk := file.read(_CHUNK):
        state.update(chunk)
    return state.hexdigest()


def _length(size: int) -> bytes:
    return size.to_bytes(8, "little")


def _plain(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same values, little-endian."""
    if array.dtype.byteorder == ">" or (array.dtype.byteorder == "=" and sys.byteorder == "big"):
        return array.astype(array.dtype.newbyteorder("<"))
    return array


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
