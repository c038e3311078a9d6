"""Checkpoints of TensorFlow before 1.0 ("V1") and session bundles: tables that hold names and values alike.

The layout: tensorflow/core/util/saved_tensor_slice.proto and saved_tensor_slice_util.h.
"""

import functools
import re
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core.errors import CorruptFileError, SourceError
from regraft.core.tensors import TensorEntry
from regraft.formats import damage, sstable, wire
from regraft.formats.tensorflow_slices import Extent, extent, extent_shape, join, name_key
from regraft.formats.tensorflow_types import Shape, known_shape, listed, storage, type_name
from regraft.formats.wire import Message

_SHARD = re.compile(r"(?P<stem>.*)-\d{5}-of-(?P<count>\d{5})")

Parts = dict[Extent, TensorEntry]


def read(path: Path) -> dict[str, TensorEntry]:
    """The tensors of a checkpoint by name; values are read, and their blocks verified, when asked for.

    Args:
        path: the file, or one of several `NAME-00000-of-00002`.

    Raises:
        SourceError: it is the index of a newer checkpoint under another name.
        CorruptFileError: it is damaged, or one of several files is absent.
    """
    described: dict[str, tuple[str, Shape]] = {}
    parts: dict[str, Parts] = {}
    for shard in _shards(path):
        with damage.refusing_damage(shard):
            _add(shard, described, parts)
    return {name: _entry(name, dtype, shape, parts[name]) for name, (dtype, shape) in described.items()}


def _shards(path: Path) -> list[Path]:
    match = _SHARD.fullmatch(path.name)
    if match is None:
        return [path]
    count = int(match["count"])
    present = sorted(path.parent.glob(f"{_literal(match['stem'])}-?????-of-{match['count']}"))
    if len(present) != count:
        raise CorruptFileError(f"'{path}' is one of {count} files, {len(present)} are beside it; get the others too")
    return present


def _literal(text: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", text)


def _add(path: Path, described: dict[str, tuple[str, Shape]], parts: dict[str, Parts]) -> None:
    table = wire.mapped(path)
    first = next(sstable.starting_with(table, sstable.blocks(table), b""), None)
    if first is None or first[0] != b"":
        raise ValueError("it does not begin with a description of its tensors")
    top = Message(first[1])
    if 1 in top and isinstance(next(wire.fields(first[1]))[2], int):
        raise SourceError(f"'{path}' is the index of a TensorFlow checkpoint; expected its name to end in .index")
    stamp = damage.stamp(path)
    description = top.message(1)
    for tensor in description.messages(1) if description else ():
        name, dtype, shape = tensor.text(1), type_name(tensor.integer(3)), known_shape(tensor.view(2))
        if described.setdefault(name, (dtype, shape)) != (dtype, shape):
            raise ValueError(f"tensor '{name}' is described twice, and differently")
        for place in [extent(message, shape) for message in tensor.messages(4)]:
            reading = functools.partial(_values, path, stamp, name, place, shape, dtype)
            parts.setdefault(name, {})[place] = TensorEntry(name, extent_shape(place), dtype, reading)
        parts.setdefault(name, {})


def _entry(name: str, dtype: str, shape: Shape, parts: Parts) -> TensorEntry:
    if len(parts) == 1 and next(iter(parts.values())).shape == shape:
        return next(iter(parts.values()))
    return TensorEntry(name, shape, dtype, functools.partial(join, name, parts, dtype, shape))


def _values(
    path: Path, stamp: tuple[int, int], name: str, place: Extent, shape: Shape, dtype: str
) -> np.ndarray[Any, Any]:
    with damage.refusing_damage(path):
        if damage.stamp(path) != stamp:
            raise CorruptFileError(f"'{path}' was replaced while it was in use; open it again")
        table = wire.mapped(path)
        for _, value in sstable.starting_with(table, sstable.blocks(table), name_key(name)):
            stored = Message(value).message(2)
            if stored is not None and extent(stored.message(2), shape) == place:
                return _array(stored.message(3), name, dtype, extent_shape(place))
    raise CorruptFileError(f"'{path}' names tensor '{name}' and does not hold it; get the file again")


def _array(message: Message | None, name: str, dtype: str, shape: Shape) -> np.ndarray[Any, Any]:
    values = listed(message or Message(b""), dtype)
    if len(values) != prod(shape):
        raise ValueError(f"tensor '{name}' of shape {shape} has {len(values)} values")
    array = np.empty(len(values), storage(dtype))
    array[:] = values
    return array.reshape(shape)
