"""One file of activations: a header with the examples' ids, then their rows; whole and unaltered, or refused."""

import errno
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core import digest, storage
from regraft.core.errors import CorruptFileError, StorageError

_MAGIC = b"REGRAFT ROWS 2\n\0"
_ALIGNMENT = 64


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """A verified file: `rows[i]` belongs to the example `ids[i]`; the rows are mapped, not read."""

    path: Path
    ids: tuple[str, ...]
    rows: np.ndarray[Any, Any]


def write(path: Path, ids: Sequence[str], rows: np.ndarray[Any, Any]) -> None:
    """Write rows (n, ...) for n examples, whole or not at all."""
    rows = np.ascontiguousarray(rows)
    header = {"ids": list(ids), "shape": list(rows.shape), "dtype": rows.dtype.name, "digest": _digest(ids, rows)}
    encoded = json.dumps(header).encode()
    start = len(_MAGIC) + 16 + len(encoded)
    padding = -start % _ALIGNMENT

    def write_to(partial: Path) -> None:
        with partial.open("wb") as file:
            file.write(_MAGIC)
            file.write(len(encoded).to_bytes(8, "little") + padding.to_bytes(8, "little"))
            file.write(encoded + bytes(padding))
            file.write(rows.reshape(-1).view(np.uint8).data)

    # Verified whenever it is read, and computed anew where that fails: not worth waiting for the disk.
    storage.write_with(path, write_to, durable=False)


def read(path: Path) -> Shard:
    """Open a file of rows and verify all of it.

    Raises:
        CorruptFileError: it is truncated or was altered.
        FileNotFoundError: it is not there (any more).
        StorageError: it cannot be read at all, which says nothing about what is in it.
    """
    try:
        header, start = _read_header(path)
        rows = _map(path, header, start)
        whole = path.stat().st_size == start + rows.nbytes and len(header["ids"]) == len(rows)
        if not whole or _digest(header["ids"], rows) != header["digest"]:
            raise CorruptFileError(f"'{path}' was altered: it does not have the digest written with it")
    except OSError as error:
        raise _reading_error(path, error) from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise CorruptFileError(f"'{path}' is truncated or was altered: {error}") from None
    return Shard(path, tuple(header["ids"]), rows)


def map_rows(path: Path) -> np.ndarray[Any, Any]:
    """The rows of a file that was written just now, mapped, nothing verified."""
    return _map(path, *_read_header(path))


def read_ids(path: Path) -> list[str]:
    """The ids in the header, nothing verified: for counting.

    Raises:
        CorruptFileError: the header cannot be read.
    """
    try:
        return list(_read_header(path)[0]["ids"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptFileError(f"'{path}' is truncated or was altered: {error}") from None


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The header and the offset of the first row."""
    with path.open("rb") as file:
        start = file.read(len(_MAGIC) + 16)
        length = int.from_bytes(start[len(_MAGIC) : len(_MAGIC) + 8], "little")
        padding = int.from_bytes(start[len(_MAGIC) + 8 :], "little")
        if not start.startswith(_MAGIC) or length > path.stat().st_size:
            raise CorruptFileError(f"'{path}' is not a whole file of activations")
        return json.loads(file.read(length)), len(start) + length + padding


def _map(path: Path, header: dict[str, Any], start: int) -> np.ndarray[Any, Any]:
    return np.memmap(path, dtype=header["dtype"], mode="r", offset=start, shape=tuple(header["shape"]))


def _digest(ids: Sequence[str], rows: np.ndarray[Any, Any]) -> str:
    return digest.of_strings([*ids, digest.of_array(rows)])


def _reading_error(path: Path, error: OSError) -> Exception:
    if isinstance(error, FileNotFoundError):
        return error
    if error.errno == errno.EIO:
        return CorruptFileError(f"'{path}' cannot be read: {error.strerror}")
    return StorageError(
        f"cannot read '{path}': {error.strerror}; make it readable, or name another folder with REGRAFT_CACHE"
    )
