"""Checkpoints of TensorFlow 1.0 and later ("V2"): a table of names in `.index`, values in `.data-?????-of-?????`.

The layout: tensorflow/core/util/tensor_bundle/tensor_bundle.h and core/protobuf/tensor_bundle.proto.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core.errors import CorruptFileError
from regraft.core.tensors import TensorEntry
from regraft.formats import crc32c, damage, sstable, wire
from regraft.formats.tensorflow_slices import Extent, extent_shape, in_order, join, sliced_name
from regraft.formats.tensorflow_types import STRING, Shape, item_size, known_shape, storage, strings, type_name
from regraft.formats.wire import Message

INDEX = ".index"

_MOST_SHARDS = 100_000


@dataclass(frozen=True, slots=True)
class Kept:
    """A tensor of a checkpoint, and the stored checksum of its values; None for one that is stored in slices."""

    entry: TensorEntry
    checksum: int | None


@dataclass(frozen=True, slots=True)
class _Stored:
    """Where values stand.

    Attributes:
        path: the shard.
        stamp: its size and time when the checkpoint was opened.
        offset: the first byte.
        size: bytes.
        checksum: masked CRC-32C of them.
        big: whether the machine that wrote them was big-endian.
    """

    path: Path
    stamp: tuple[int, int]
    offset: int
    size: int
    checksum: int
    big: bool


def read(prefix: Path) -> dict[str, Kept]:
    """The tensors of a checkpoint by name, slices of one variable joined; values are read when asked for.

    Args:
        prefix: the path without `.index`.

    Raises:
        CorruptFileError: the index is damaged, or a shard is absent or shorter than the index says.
    """
    path = index_path(prefix)
    with damage.refusing_damage(path):
        return dict(_tensors(prefix, wire.mapped(path)))


def index_path(prefix: Path) -> Path:
    """The index of the checkpoint with this prefix."""
    return prefix.with_name(prefix.name + INDEX)


def _tensors(prefix: Path, table: memoryview) -> Iterator[tuple[str, Kept]]:
    found = {key: value for block in sstable.blocks(table) for key, value in sstable.entries(table, block)}
    header = Message(found.pop(b"", b""))
    shards = _shards(prefix, header.integer(1))
    big = header.integer(2) == 1
    pieces: dict[str, list[Message]] = {}
    whole: dict[str, Message] = {}
    for key, value in found.items():
        # Keys of slices begin with the number 0 in ordered code, a zero byte.
        if key.startswith(b"\0"):
            pieces.setdefault(sliced_name(key), []).append(Message(value))
        else:
            whole[key.decode()] = Message(value)
    for name, entry in whole.items():
        if 7 in entry:
            yield name, Kept(_joined(prefix, name, entry, pieces.get(name, []), shards, big), None)
        else:
            yield name, Kept(_single(prefix, name, entry, shards, big), _checksum(entry))


def _shards(prefix: Path, count: int) -> tuple[Path, ...]:
    if not 0 < count <= _MOST_SHARDS:
        raise ValueError(f"{count} files of values")
    return tuple(prefix.with_name(f"{prefix.name}.data-{number:05}-of-{count:05}") for number in range(count))


def _single(prefix: Path, name: str, entry: Message, shards: tuple[Path, ...], big: bool) -> TensorEntry:
    dtype, shape = type_name(entry.integer(1)), known_shape(entry.view(2))
    stored = _stored(prefix, name, entry, shards, big)
    size = item_size(dtype)
    # Of texts, each has at least a byte for its length, and all lengths together have a checksum.
    expected = prod(shape) + 4 if dtype == STRING else prod(shape) * (size or 0)
    if stored.size < expected or (size and stored.size > expected):
        raise CorruptFileError(
            f"'{index_path(prefix)}': tensor '{name}' of shape {shape} needs {expected} bytes, {stored.size} are stored"
        )
    return TensorEntry(name, shape, dtype, functools.partial(_values, name, stored, dtype, shape))


def _stored(prefix: Path, name: str, entry: Message, shards: tuple[Path, ...], big: bool) -> _Stored:
    number, offset, size = entry.integer(3), entry.integer(4), entry.integer(5)
    if not 0 <= number < len(shards) or offset < 0 or size < 0:
        raise ValueError(f"tensor '{name}' in file {number} of {len(shards)}, {size} bytes at byte {offset}")
    path = shards[number]
    if not path.is_file():
        raise CorruptFileError(
            f"'{index_path(prefix)}' keeps '{name}' in '{path.name}', which is not beside it; get that file too"
        )
    stamp = damage.stamp(path)
    if offset + size > stamp[0]:
        raise CorruptFileError(
            f"'{path}' is truncated: tensor '{name}' ends at byte {offset + size}, the file at {stamp[0]}; get it again"
        )
    return _Stored(path, stamp, offset, size, _checksum(entry), big)


def _checksum(entry: Message) -> int:
    return int.from_bytes(entry.view(6) or b"", "little")


def _values(name: str, stored: _Stored, dtype: str, shape: Shape) -> np.ndarray[Any, Any]:
    with damage.refusing_damage(stored.path):
        if damage.stamp(stored.path) != stored.stamp:
            raise CorruptFileError(f"'{stored.path}' was replaced while it was in use; open it again")
        kept = storage(dtype)
        with stored.path.open("rb") as file:
            file.seek(stored.offset)
            content = file.read(stored.size)
        texts, checked = strings(content, prod(shape)) if dtype == STRING else ([], content)
        if crc32c.masked(checked) != stored.checksum:
            raise CorruptFileError(
                f"'{stored.path}' was altered: the checksum of tensor '{name}' is wrong; get the file again"
            )
        if dtype == STRING:
            return _texts(texts, shape)
        return np.frombuffer(content, kept.newbyteorder(">" if stored.big else "<")).astype(kept).reshape(shape)


def _texts(texts: list[bytes], shape: Shape) -> np.ndarray[Any, Any]:
    array = np.empty(len(texts), object)
    array[:] = texts
    return array.reshape(shape)


def _joined(
    prefix: Path, name: str, entry: Message, pieces: list[Message], shards: tuple[Path, ...], big: bool
) -> TensorEntry:
    """One tensor of all the slices that a partitioned variable was saved in."""
    dtype, shape = type_name(entry.integer(1)), known_shape(entry.view(2))
    places = in_order(entry.messages(7), shape)
    if len(places) != len(pieces):
        raise ValueError(f"tensor '{name}' has {len(places)} slices, {len(pieces)} are stored")
    parts: dict[Extent, TensorEntry] = {}
    for place, piece in zip(places, pieces, strict=True):
        parts[place] = _single(prefix, name, piece, shards, big)
        if parts[place].shape != extent_shape(place):
            raise ValueError(f"a slice of tensor '{name}' has shape {parts[place].shape}, its place is {place}")
    return TensorEntry(name, shape, dtype, functools.partial(join, name, parts, dtype, shape))
