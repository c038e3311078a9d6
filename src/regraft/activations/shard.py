"""One file of activations: a head with the examples' ids, then their rows; whole and unaltered, or refused.

The head is verified when a file is opened, the rows, block by block, before the first of them is used. A file that was
verified once is not again as long as this process lives and the file stays as it is.
"""

import errno
import json
import zlib
from dataclasses import dataclass
from hashlib import blake2b
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from regraft.activations.coding import DTYPES
from regraft.activations.descriptors import Descriptor, Kept
from regraft.core.errors import CorruptFileError, StorageError

Array = np.ndarray[Any, Any]

# | bytes | what |
# |---|---|
# | 16 | `_MAGIC` |
# | 8 + 8 | bytes of the head, of the JSON in it |
# | 16 | BLAKE2b of all of the head but this |
# | ... | JSON: rows, shape, dtype, clipped, channels, block |
# | 16 n | ids |
# | 4 c | scale of each channel, for int8 |
# | 4 b | CRC-32 of each block of the rows |
# | ... | zeros, up to a multiple of 4096 and where fewer rows came than might have |
# | ... | the rows |
_MAGIC = b"REGRAFT ROWS 3\n\0"
_DIGEST = 16
_START = len(_MAGIC) + 16
_FIXED = _START + _DIGEST
# A page of memory: a row that lies across two of them takes as long to find as two.
_ALIGNMENT = 4096
# Bytes of rows that one checksum is of.
BLOCK = 1 << 20
_LONGEST_JSON = 1 << 16
# Of the JSON that is written, about.
_SAID = 160

# Files of which all bytes were found right, by what tells one state of a file from another.
_VERIFIED: set[tuple[int, ...]] = set()


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """What a file says of itself.

    Attributes:
        shape: of all rows: (n, ...).
        dtype: a name of `coding.DTYPES`.
        scale: float32 (channels,) for int8.
        clipped: how many numbers lay beyond what the coding can say.
        ids: where they begin.
        start: where the rows begin.
        checks: CRC-32 of each block of the rows, uint32.
    """

    shape: tuple[int, ...]
    dtype: str
    scale: Array | None
    clipped: int
    ids: int
    start: int
    checks: Array

    @property
    def row_bytes(self) -> int:
        """Of one row."""
        return np.dtype(DTYPES[self.dtype]).itemsize * prod(self.shape[1:])


class Shard:
    """A file whose head is verified. The file may be replaced or removed: what was opened stays readable.

    Attributes:
        path: its place.
        head: what it says of itself.
        state: what tells this state of the file from another.
    """

    def __init__(self, path: Path, descriptor: Descriptor, head: Head) -> None:
        self.path, self.head = path, head
        self.state = descriptor.state()
        self._kept = Kept(path, descriptor, self.state)

    def __len__(self) -> int:
        """The number of rows."""
        return self.head.shape[0]

    @property
    def end(self) -> int:
        """Where the last row ends in the file."""
        return self.head.start + len(self) * self.head.row_bytes

    @property
    def descriptor(self) -> Descriptor:
        """What to read from.

        Raises:
            StorageError: the file was closed meanwhile, to save descriptors, and is not there any more.
        """
        return self._kept.descriptor()

    def ids(self) -> Array:
        """The ids, uint64 (n, 2); see `places.numbers_of`."""
        found = np.empty((len(self), 2), "<u8")
        self.descriptor.read_into(found.data.cast("B"), self.head.ids)
        return found

    def verify(self) -> None:
        """Compare all rows with the checksums that were written with them, once for each state of the file.

        Raises:
            CorruptFileError: they were altered.
        """
        if self.state in _VERIFIED:
            return
        descriptor, start = self.descriptor, self.head.start
        left = len(self) * self.head.row_bytes
        buffer = memoryview(bytearray(min(BLOCK, left)))
        for check in self.head.checks.tolist():
            block = buffer[: min(BLOCK, left)]
            try:
                descriptor.read_into(block, start)
            except OSError as error:
                raise _reading_error(self.path, error) from None
            if zlib.crc32(block) != check:
                raise CorruptFileError(f"'{self.path}' was altered: rows do not have the checksum written with them")
            start, left = start + len(block), left - len(block)
        _VERIFIED.add(self.state)


def written(path: Path, descriptor: Descriptor) -> Shard:
    """A file that this process has just written, opened: what is in it need not be verified."""
    made = Shard(path, descriptor, _read_head(path, descriptor))
    _VERIFIED.add(made.state)
    return made


def read(path: Path) -> Shard:
    """Open a file of rows and verify its head.

    Raises:
        CorruptFileError: it is truncated or was altered.
        FileNotFoundError: it is not there (any more).
        StorageError: it cannot be read at all, which says nothing about what is in it.
    """
    try:
        descriptor = Descriptor(path)
        return Shard(path, descriptor, _read_head(path, descriptor))
    except OSError as error:
        raise _reading_error(path, error) from None


def count(path: Path) -> int:
    """How many rows a file says that it has, its rows not verified; 0 where it is none of this format."""
    try:
        return len(read(path))
    except (OSError, CorruptFileError, StorageError):
        return 0


def start_of(most: int, shape: tuple[int, ...], dtype: str, scale: Array | None) -> int:
    """Where the rows begin in a file of so many rows at most, each of this shape."""
    size = np.dtype(DTYPES[dtype]).itemsize * most * prod(shape)
    said = _said(most, shape, dtype, scale, 0 if dtype == "float32" else most * prod(shape))
    length = _FIXED + len(said) + 16 * most + (0 if scale is None else 4 * len(scale)) + 4 * -(-size // BLOCK)
    return -(-length // _ALIGNMENT) * _ALIGNMENT


def beside(rows: int, size: int, files: int) -> int:
    """Bytes that files of so many rows take beside them, at most.

    Args:
        rows: in all files.
        size: of these, in bytes.
        files: how many there are.
    """
    return 16 * rows + 4 * (size // BLOCK + files) + files * (_ALIGNMENT + _FIXED + _SAID)


def head_of(
    ids: Array, shape: tuple[int, ...], dtype: str, scale: Array | None, clipped: int, checks: Array, start: int
) -> bytes:
    """What stands before the rows.

    Args:
        ids: uint64 (n, 2); see `places.numbers_of`.
        shape: of a row.
        dtype: what rows are coded as.
        scale: float32 (channels,) for int8.
        clipped: how many numbers lay beyond what the coding can say.
        checks: CRC-32 of each block of the rows, uint32.
        start: where the rows begin; see `start_of`.
    """
    said = _said(len(ids), shape, dtype, scale, clipped)
    scales = b"" if scale is None else scale.astype("<f4").tobytes()
    body = b"".join([said, ids.astype("<u8").tobytes(), scales, checks.astype("<u4").tobytes()])
    body += bytes(start - _FIXED - len(body))
    begin = _MAGIC + start.to_bytes(8, "little") + len(said).to_bytes(8, "little")
    return begin + _digest(begin, body) + body


def _said(rows: int, shape: tuple[int, ...], dtype: str, scale: Array | None, clipped: int) -> bytes:
    channels = 0 if scale is None else len(scale)
    about = {
        "rows": rows,
        "shape": list(shape),
        "dtype": dtype,
        "channels": channels,
        "clipped": clipped,
        "block": BLOCK,
    }
    return json.dumps(about).encode()


def _read_head(path: Path, descriptor: Descriptor) -> Head:
    size = descriptor.size()
    fixed = bytearray(min(_FIXED, size))
    descriptor.read_into(memoryview(fixed), 0)
    length, said = (int.from_bytes(fixed[at : at + 8], "little") for at in (len(_MAGIC), len(_MAGIC) + 8))
    if len(fixed) < _FIXED or not fixed.startswith(_MAGIC):
        raise CorruptFileError(f"'{path}' is not a whole file of activations")
    if not _FIXED + said <= length <= size or said > _LONGEST_JSON:
        raise CorruptFileError(f"'{path}' is truncated or was altered: its head does not fit into it")
    body = bytearray(length - _FIXED)
    descriptor.read_into(memoryview(body), _FIXED)
    if _digest(bytes(fixed[:_START]), body) != bytes(fixed[_START:]):
        raise CorruptFileError(f"'{path}' was altered: its head does not have the digest written with it")
    # What follows was written by us: no bit of it differs.
    about = json.loads(body[:said])
    shape = (about["rows"], *about["shape"])
    scales = said + 16 * about["rows"]
    checks = scales + 4 * about["channels"]
    scale = np.frombuffer(bytes(body[scales:checks]), "<f4") if about["channels"] else None
    content = np.dtype(DTYPES[about["dtype"]]).itemsize * prod(shape)
    found = np.frombuffer(bytes(body[checks : checks + 4 * -(-content // BLOCK)]), "<u4")
    if size != length + content:
        raise CorruptFileError(f"'{path}' is truncated: it has {size} bytes, its head says {length + content}")
    return Head(shape, about["dtype"], scale, about["clipped"], _FIXED + said, length, found)


def _digest(start: bytes, body: bytes | bytearray) -> bytes:
    state = blake2b(start, digest_size=_DIGEST)
    state.update(body)
    return state.digest()


def _reading_error(path: Path, error: OSError) -> Exception:
    if isinstance(error, FileNotFoundError):
        return error
    if error.errno in (errno.EIO, None):
        return CorruptFileError(f"'{path}' cannot be read: {error.strerror or error}")
    return StorageError(
        f"cannot read '{path}': {error.strerror}; make it readable, or name another folder with REGRAFT_CACHE"
    )
