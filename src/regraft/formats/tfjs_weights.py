"""What every `model.json` of TensorFlow.js has: which kind of model it is, and its numbers in shards beside it.

The format: https://github.com/tensorflow/tfjs/tree/master/tfjs-converter, `tfjs-core/src/io/types.ts`.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast

import numpy as np

from regraft.core.errors import CorruptFileError, SourceError
from regraft.core.tensors import TensorEntry
from regraft.formats import elements, extents
from regraft.formats.extents import Extent

FILE = "model.json"
LAYERS, GRAPH = "layers-model", "graph-model"

_LONGEST = 1 << 28
_DTYPES = ("float32", "int32", "uint8", "bool", "complex64", "float16", "uint16")
_STORED = ("uint8", "uint16", "float16")
_ABOUT = ("format", "generatedBy", "convertedBy")

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class _Weight:
    """A tensor as the manifest states it: how its numbers are stored, and what they stand for."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    stored: str
    scale: float = 1.0
    least: float = 0.0

    @property
    def size(self) -> int:
        return elements.bytes_of(self.shape, self.stored)


def kind(path: Path) -> str | None:
    """Which kind of model a file describes, `LAYERS` or `GRAPH`; None where it describes none."""
    if path.stat().st_size > _LONGEST:
        return None
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    whole = cast(dict[str, Any], found)
    return _kind(whole) if isinstance(whole.get("weightsManifest"), list) else None


def described(path: Path) -> dict[str, Any]:
    """What `model.json` says.

    Raises:
        CorruptFileError: it is no description of a network.
        ValueError: it is no JSON.
    """
    if path.stat().st_size > _LONGEST:
        raise CorruptFileError(f"'{path}' is {path.stat().st_size} bytes long; expected a description of a network")
    whole = json.loads(path.read_bytes())
    if not isinstance(whole, dict):
        raise CorruptFileError(f"'{path}' describes no network; get the file again")
    return cast(dict[str, Any], whole)


def tensors(path: Path, whole: Mapping[str, Any]) -> dict[str, TensorEntry]:
    """The tensors in the shards, read when asked for; quantised ones as the numbers that they stand for.

    Args:
        path: of `model.json`.
        whole: what it says.

    Raises:
        CorruptFileError: a shard is shorter or longer than what is in it.
        SourceError: a shard is not there or lies outside the folder, or a tensor is of a type without a fixed size.
    """
    groups = cast(Sequence[Mapping[str, Any]], whole["weightsManifest"])
    return {entry.name: entry for group in groups for entry in _entries(path, group)}


def metadata(path: Path, whole: Mapping[str, Any]) -> dict[str, Any]:
    """Who wrote the file, and with what."""
    return {key: whole.get(key) for key in _ABOUT if whole.get(key)} | {"path": str(path)}


def _kind(whole: Mapping[str, Any]) -> str:
    stated, topology = whole.get("format"), whole.get("modelTopology")
    if stated in (LAYERS, GRAPH):
        return str(stated)
    return GRAPH if isinstance(topology, dict) and "node" in topology else LAYERS


def _entries(path: Path, group: Mapping[str, Any]) -> Iterator[TensorEntry]:
    """The tensors of a group, which lie one after the other in its shards."""
    weights = [_weight(path, stated) for stated in group["weights"]]
    shards = [_shard(path, str(name)) for name in group["paths"]]
    wanted, there = sum(weight.size for weight in weights), sum(shard.size for shard in shards)
    if wanted != there:
        raise CorruptFileError(
            f"'{path}' states {wanted} bytes of tensors, expected them in {len(shards)} shards, which have {there}; "
            "get the files again"
        )
    start = 0
    for weight in weights:
        yield _entry(path, weight, _stretch(shards, start, weight.size, weight.name))
        start += weight.size


def _weight(path: Path, stated: Mapping[str, Any]) -> _Weight:
    name, dtype = str(stated["name"]), str(stated["dtype"])
    shape = elements.checked_shape(stated["shape"], f"tensor '{name}'")
    if dtype not in _DTYPES:
        raise SourceError(f"'{path}': tensor '{name}' is of type {dtype}, expected one of {', '.join(_DTYPES)}")
    quantised: Mapping[str, Any] | None = stated.get("quantization")
    if not quantised:
        return _Weight(name, shape, dtype, dtype)
    stored = str(quantised["dtype"])
    if stored not in _STORED:
        raise SourceError(f"'{path}': tensor '{name}' is stored as {stored}, expected one of {', '.join(_STORED)}")
    return _Weight(name, shape, dtype, stored, float(quantised.get("scale", 1.0)), float(quantised.get("min", 0.0)))


def _shard(path: Path, name: str) -> Extent:
    inside = PurePosixPath(name)
    shard = path.parent / inside
    if inside.is_absolute() or ".." in inside.parts or "\\" in name:
        raise SourceError(f"'{path}' names the shard '{name}', which leads out of its folder; expected one beside it")
    if not shard.is_file():
        raise SourceError(f"'{path}' names the shard '{name}', which is not there; expected it beside the file")
    if not shard.resolve().is_relative_to(path.parent.resolve()):
        raise SourceError(f"'{shard}' is a link that leads out of the folder; expected a file of its own")
    return extents.whole(shard)


def _stretch(shards: Sequence[Extent], start: int, size: int, name: str) -> Callable[[], bytes]:
    """Gives the bytes of a tensor, which may go over the end of a shard into the next."""
    parts: list[Extent] = []
    for shard in shards:
        inside = max(min(shard.size - start, size), 0) if start < shard.size else 0
        if inside:
            parts.append(shard.within(start, inside, f"tensor '{name}'"))
            size -= inside
        start = max(start - shard.size, 0)
    return lambda: b"".join(part.bytes() for part in parts)


def _entry(path: Path, weight: _Weight, content: Callable[[], bytes]) -> TensorEntry:
    stored = elements.dense(path, weight.name, weight.shape, weight.stored, content)
    if weight.stored == weight.dtype:
        return stored

    def read() -> Array:
        values = stored.read()
        if weight.stored == "float16":
            return values.astype(weight.dtype)
        meant = values * np.float32(weight.scale) + np.float32(weight.least)
        return (np.round(meant) if weight.dtype.startswith("int") else meant).astype(weight.dtype)

    return TensorEntry(weight.name, weight.shape, weight.dtype, read)
