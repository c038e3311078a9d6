"""TensorFlow.js: a description as JSON, `model.json`, and the numbers in shards beside it.

The format: https://github.com/tensorflow/tfjs/tree/master/tfjs-converter, `tfjs-core/src/io/types.ts`.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast

import numpy as np

from regraft.core.errors import CorruptFileError, SourceError
from regraft.core.tensors import OperationGraph, TensorArchive, TensorEntry
from regraft.formats import elements, extents, hdf5, keras_config
from regraft.formats.extents import Extent
from regraft.formats.keras_layers import Layer, described
from regraft.formats.keras_session import stored_by_session

NAME = "tfjs"
TITLE = "TensorFlow.js model (model.json with shards)"

FILE = "model.json"
_LONGEST = 1 << 28
_DTYPES = ("float32", "int32", "uint8", "bool", "complex64", "float16", "uint16")
_STORED = ("uint8", "uint16", "float16")
# What models that were made in a browser say for a version; their configurations are those of Keras 2.
_OF_THE_BROWSER = "tfjs-layers"

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


def read(path: Path, architecture: Mapping[str, Any] | None = None) -> TensorArchive:
    """Open a TensorFlow.js model; quantised tensors are given as the numbers that they stand for.

    Args:
        path: its `model.json`, or the folder that holds that.
        architecture: not needed, the file has its own.

    Raises:
        CorruptFileError: a file is truncated or was altered.
        SourceError: a shard is not there or lies outside the folder, or a tensor is of a type without a fixed size.
    """
    path = path / FILE if path.is_dir() else path
    with hdf5.refusing_damage(path):
        whole = _parsed(path)
        tensors = {entry.name: entry for group in _groups(whole) for entry in _entries(path, group)}
        topology = whole.get("modelTopology")
        kind = _kind(whole, topology)
        metadata = {key: whole.get(key) for key in ("format", "generatedBy", "convertedBy") if whole.get(key)}
        metadata |= {"path": str(path), "kind": kind}
        if kind != "layers-model" or not isinstance(topology, dict):
            return TensorArchive(NAME, tensors, None, None, metadata)
        return _of_layers(tensors, cast(dict[str, Any], topology), metadata)


def graph(archive: TensorArchive) -> OperationGraph:
    """The operations of a model of Keras' layers, from its configuration.

    Raises:
        SourceError: it is a graph of TensorFlow's operations, or holds weights only.
    """
    if archive.metadata.get("kind") == "graph-model":
        raise SourceError(
            f"'{archive.metadata['path']}' is a graph model of TensorFlow.js, with operations fused for the browser: "
            "its tensors are read, its graph is not; convert the SavedModel that it was made from"
        )
    return keras_config.graph_of(archive)


def is_model(path: Path) -> bool:
    """Whether a file describes a TensorFlow.js model."""
    if path.stat().st_size > _LONGEST:
        return False
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and isinstance(cast(dict[str, Any], found).get("weightsManifest"), list)


def _parsed(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _LONGEST:
        raise CorruptFileError(f"'{path}' is {path.stat().st_size} bytes long; expected a description of a network")
    whole = json.loads(path.read_bytes())
    if not isinstance(whole, dict):
        raise CorruptFileError(f"'{path}' describes no network; get the file again")
    return cast(dict[str, Any], whole)


def _groups(whole: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return cast(Sequence[Mapping[str, Any]], whole["weightsManifest"])


def _kind(whole: Mapping[str, Any], topology: Any) -> str:
    stated = whole.get("format")
    if stated in ("layers-model", "graph-model"):
        return str(stated)
    return "graph-model" if isinstance(topology, dict) and "node" in topology else "layers-model"


def _of_layers(
    tensors: Mapping[str, TensorEntry], topology: Mapping[str, Any], metadata: Mapping[str, Any]
) -> TensorArchive:
    config: Mapping[str, Any] = topology.get("model_config") or topology
    config = keras_config.parsed(json.dumps(config))
    model = described(config)
    named, warnings = stored_by_session(_by_layer(tensors.values(), model), model)
    renamed = {item.name: _renamed(item.dataset, item.name) for item in named}
    version = str(topology.get("keras_version") or "2")
    known = {
        **metadata,
        "keras_version": "2" if version.startswith(_OF_THE_BROWSER) else version,
        "training_config": topology.get("training_config"),
    }
    return TensorArchive(NAME, renamed, config, None, known, (*keras_config.warnings_about(model), *warnings))


def _renamed(entry: TensorEntry, name: str) -> TensorEntry:
    return TensorEntry(name, entry.shape, entry.dtype, entry.read)


def _by_layer(entries: Iterator[TensorEntry] | Any, model: Layer) -> dict[str, list[tuple[str, TensorEntry]]]:
    """The tensors of each layer of the model, those of models in it with the model.

    A tensor is called after the layer that holds it, wherever that is, and sometimes after the model before that.
    """
    owners = dict(_owners(model, ""))
    found: dict[str, list[tuple[str, TensorEntry]]] = {}
    for entry in entries:
        name = entry.name.removeprefix(f"{model.name}/") if model.name not in owners else entry.name
        # A browser puts the class and a number behind the name of the layer: `dense_Dense1/kernel`.
        first = name.split("/")[0]
        owner = owners.get(first) or next(
            (owners[layer] for layer in sorted(owners, key=len, reverse=True) if first.startswith(f"{layer}_")), first
        )
        found.setdefault(owner, []).append((name, entry))
    return found


def _owners(model: Layer, top: str) -> Iterator[tuple[str, str]]:
    """For every layer's name that of the layer of the outermost model that it is in."""
    for layer in model.layers:
        yield layer.name, top or layer.name
        if layer.is_model:
            yield from _owners(layer, top or layer.name)


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
