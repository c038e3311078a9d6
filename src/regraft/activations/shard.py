"""One file of activations: a header with the examples' ids, then their rows; whole and unaltered, or refused."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core import digest, storage
from regraft.core.errors import CorruptFileError

_MAGIC = b"REGRAFT ROWS 1\n\0"
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
    header = {"ids": list(ids), "shape": list(rows.shape), "dtype": rows.dtype.name, "digest": digest.of_array(rows)}
    encoded = json.dumps(header).encode()
    start = len(_MAGIC) + 16 + len(encoded)
    padding = -start % _ALIGNMENT

    def write_to(partial: Path) -> None:
        with partial.open("wb") as file:
            file.write(_MAGIC)
            file.write(len(encoded).to_bytes(8, "little") + padding.to_bytes(8, "little"))
            file.write(encoded + bytes(padding))
            file.write(rows.reshape(-1).view(np.uint8).data)

    storage.write_with(path, write_to)


def read(path: Path) -> Shard:
    """Open a file of rows and verify all of it.

    Raises:
        CorruptFileError: it is truncated, altered, or no such file at all.
    """
    header, start = _read_header(path)
    try:
        shape = tuple(header["shape"])
        rows = np.memmap(path, dtype=header["dtype"], mode="r", offset=start, shape=shape)
        intact = len(header["ids"]) == len(rows) and digest.of_array(rows) == header["digest"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptFileError(f"'{path}' is truncated or was altered: {error}") from None
    if not intact:
        raise CorruptFileError(f"'{path}' was altered: its rows do not have the digest written with them")
    return Shard(path, tuple(header["ids"]), rows)


def read_ids(path: Path) -> list[str]:
    """The ids in the header, nothing verified: for counting.

    Raises:
        CorruptFileError: the header cannot be read.
    """
    return list(_read_header(path)[0].get("ids", ()))


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The header and the offset of the first row."""
    try:
        with path.open("rb") as file:
            start = file.read(len(_MAGIC) + 16)
            length = int.from_bytes(start[len(_MAGIC) : len(_MAGIC) + 8], "little")
            padding = int.from_bytes(start[len(_MAGIC) + 8 :], "little")
            if not start.startswith(_MAGIC) or length > path.stat().st_size:
                raise CorruptFileError(f"'{path}' is not a whole file of activations")
            return json.loads(file.read(length)), len(start) + length + padding
    except (OSError, ValueError) as error:
        raise CorruptFileError(f"'{path}' is truncated or was altered: {error}") from None
