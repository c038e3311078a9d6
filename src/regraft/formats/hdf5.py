"""HDF5 at arm's length: what a file holds itself, never what its links point at; damage becomes one clear line."""

import contextlib
import mmap
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from regraft.core.errors import CorruptFileError, RegraftError, SourceError
from regraft.core.tensors import TensorEntry

# Far above what any compression filter reaches on weights; below it a small file cannot ask for much memory.
_LARGEST_EXPANSION = 1000
_SMALL = 1 << 28
# Signature, version and the three empty bytes that follow.
_HEAP = b"GCOL\x01\0\0\0"


@contextlib.contextmanager
def refusing_damage(path: Path) -> Generator[None]:
    """Turn whatever a damaged file causes into one line that names the file."""
    try:
        yield
    except (RegraftError, FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except Exception as error:
        # HDF5, zlib, JSON and NumPy have no error in common; whichever stumbles, the file is what is wrong.
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise CorruptFileError(f"'{path}' is truncated or was altered ({reason}); get the file again") from error


@dataclass(frozen=True, slots=True)
class Source:
    """Where an HDF5 file is to be read from, again and again: no file stays open between two readings.

    Attributes:
        path: the file, for reading and for messages.
        content: opens the part of it that is HDF5, where that is not the whole.
        stamp: size and time of the file when it was opened first; it must not change under a reader's hands.
    """

    path: Path
    content: Callable[[], BinaryIO] | None
    stamp: tuple[int, int]

    @contextlib.contextmanager
    def opened(self) -> Generator[Any]:
        """The file, open for reading inside the block.

        Raises:
            CorruptFileError: it is not the file that it was.
        """
        if stamp(self.path) != self.stamp:
            raise CorruptFileError(f"'{self.path}' was replaced while it was in use; open it again")
        if self.content is None:
            with h5py.File(self.path, "r") as file:
                yield file
        else:
            with self.content() as content, h5py.File(content, "r") as file:
                yield file


def source(path: Path, content: Callable[[], BinaryIO] | None = None) -> Source:
    """The HDF5 file at a path, or the part of the file that `content` opens."""
    return Source(path, content, stamp(path))


def stamp(path: Path) -> tuple[int, int]:
    """Size and time of last change of a file."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def check_heaps(path: Path) -> None:
    """Refuse a file whose heaps of texts are damaged: the HDF5 library would search them for ever.

    A heap is a chain of objects, each a header of 16 bytes with its number and its length; number 0 is what is free.

    Raises:
        CorruptFileError: a chain does not end where its heap ends.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(_HEAP)
        while start >= 0:
            if not _heap_is_whole(content, start):
                raise CorruptFileError(f"'{path}' is truncated or was altered (heap at {start}); get the file again")
            start = content.find(_HEAP, start + 1)


def _heap_is_whole(content: mmap.mmap, start: int) -> bool:
    size = int.from_bytes(content[start + 8 : start + 16], "little")
    position, end = start + 16, start + size
    if end > len(content):
        return False
    while position + 16 <= end:
        number = int.from_bytes(content[position : position + 2], "little")
        length = int.from_bytes(content[position + 8 : position + 16], "little")
        if number == 0:
            return length == end - position
        position += 16 + -(-length // 8) * 8
    return position <= end


def held(group: Any, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The groups and the datasets below a group by path.

    Args:
        group: a file, or a part of it.
        path: the file, for messages.

    Raises:
        SourceError: it holds a link to elsewhere; none is followed, and Keras, which writes none, would follow it.
    """
    _refuse_links(group, path)
    groups: dict[str, Any] = {}
    datasets: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        (datasets if isinstance(item, h5py.Dataset) else groups)[name] = item

    group.visititems(visit)
    return groups, datasets


def _refuse_links(group: Any, path: Path) -> None:
    # HDF5 does not survive an exception in there: the first link ends the visit instead.
    def visit(name: str, link: Any) -> tuple[str, str] | None:
        if isinstance(link, h5py.ExternalLink):
            return name, f"'{link.path}' in '{link.filename}'"
        return (name, f"'{link.path}'") if isinstance(link, h5py.SoftLink) else None

    found = group.visititems_links(visit)
    if found is not None:
        raise SourceError(
            f"'{found[0]}' of '{path}' is a link to {found[1]}; "
            "expected a file that holds all its own, as Keras writes it; nothing of it was read"
        )


def entry(name: str, dataset: Any, source: Source) -> TensorEntry:
    """The tensor in a dataset of a source.

    Raises:
        SourceError: its values are kept in another file, or are no numbers.
        CorruptFileError: it claims far more than is stored.
    """
    path, place = source.path, dataset.name
    if dataset.external or dataset.is_virtual:
        raise SourceError(
            f"tensor '{name}' of '{path}' is kept in another file; expected a file that holds all its own"
        )
    brain_float = dataset.attrs.get("dtype") == "bfloat16"
    if dataset.dtype.kind not in "fiubc" and not brain_float:
        raise SourceError(f"tensor '{name}' of '{path}': expected numbers, found {dataset.dtype}")
    stored = dataset.id.get_storage_size()
    if dataset.nbytes > max(_SMALL, _LARGEST_EXPANSION * stored):
        raise CorruptFileError(f"tensor '{name}' of '{path}' claims {dataset.nbytes} bytes, {stored} are stored")

    def read() -> np.ndarray[Any, Any]:
        with refusing_damage(path), source.opened() as file:
            values = np.asarray(file[place][()])
            if brain_float:
                import ml_dtypes

                return values.view(ml_dtypes.bfloat16)
            return values.astype(values.dtype.newbyteorder("="), copy=False)

    return TensorEntry(name, tuple(dataset.shape), "bfloat16" if brain_float else dataset.dtype.name, read)


def text(attributes: Any, name: str) -> str | None:
    """A text attribute, whether it was written as text or as bytes."""
    value = attributes.get(name)
    if isinstance(value, bytes):
        return value.decode("utf-8")
    return None if value is None else str(value)


def texts(attributes: Mapping[str, Any], name: str) -> list[str] | None:
    """A list of texts; Keras spreads a long one over `name0`, `name1`, ..., an attribute being limited to 64 KiB."""
    if name in attributes:
        parts = [attributes[name]]
    else:
        parts: list[Any] = []
        while f"{name}{len(parts)}" in attributes:
            parts.append(attributes[f"{name}{len(parts)}"])
        if not parts:
            return None
    return [item.decode("utf-8") if isinstance(item, bytes) else str(item) for part in parts for item in part]
