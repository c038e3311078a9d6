"""HDF5 at arm's length: what a file holds itself, never what its links point at; damage becomes one clear line."""

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from regraft.core.errors import CorruptFileError, RegraftError, SourceError
from regraft.core.tensors import TensorEntry

# Far above what any compression filter reaches on weights; below it a small file cannot ask for much memory.
_LARGEST_EXPANSION = 1000
_SMALL = 1 << 24
# Signature, version and the three empty bytes that follow.
_HEAP = b"GCOL\x01\0\0\0"
_PIECE = 1 << 22
# Their numbers have 16 bits.
_MOST_OBJECTS, _ENDLESS = 1 << 16, 1 << 62


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


def check_heaps(source: Source) -> None:
    """Refuse a file whose heaps of texts are damaged: the HDF5 library would search them for ever.

    A heap is a chain of objects, each a header of 16 bytes with its number and its length; number 0 is what is free.

    Raises:
        CorruptFileError: a chain does not end where its heap ends.
    """
    with refusing_damage(source.path), source.content() if source.content else source.path.open("rb") as file:
        # Heaps do not overlap, so that all their objects together fit into the file.
        left = file.seek(0, 2) // 16 + 1
        for start in _heaps(file):
            left -= _objects(file, start)
            if left < 0:
                raise CorruptFileError(
                    f"'{source.path}' is truncated or was altered (heap at {start}); get the file again"
                )


def _heaps(file: BinaryIO) -> Iterator[int]:
    """Where heaps begin; the file is read in pieces, as mapped pages would count as memory."""
    place, rest = 0, b""
    file.seek(0)
    while piece := file.read(_PIECE):
        content = rest + piece
        start = content.find(_HEAP)
        while start >= 0:
            yield place - len(rest) + start
            start = content.find(_HEAP, start + 1)
        place, rest = place + len(piece), content[1 - len(_HEAP) :]
        file.seek(place)


def _objects(file: BinaryIO, start: int) -> int:
    """How many objects a heap has; more than any could have, where its chain does not end with it."""
    end = start + _number(file, start + 8, 8)
    position, count = start + 16, 0
    while position + 16 <= end <= file.seek(0, 2) and count <= _MOST_OBJECTS:
        number, length = _number(file, position, 2), _number(file, position + 8, 8)
        if number == 0:
            return count if length == end - position else _ENDLESS
        position += 16 + -(-length // 8) * 8
        count += 1
    return count if position <= end <= file.seek(0, 2) and count <= _MOST_OBJECTS else _ENDLESS


def _number(file: BinaryIO, place: int, size: int) -> int:
    file.seek(place)
    return int.from_bytes(file.read(size), "little")


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
