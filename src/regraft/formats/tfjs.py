"""TensorFlow.js, models of layers: a Keras configuration in `model.json`, and the numbers in shards beside it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from regraft.core.tensors import OperationGraph, TensorArchive, TensorEntry
from regraft.formats import damage, keras_config, tfjs_weights
from regraft.formats.keras_layers import Layer, described
from regraft.formats.keras_session import stored_by_session

NAME = "tfjs"
TITLE = "TensorFlow.js model of layers (model.json with shards)"

# What models that were made in a browser say for a version; their configurations are those of Keras 2.
_OF_THE_BROWSER = "tfjs-layers"


def read(path: Path, architecture: Mapping[str, Any] | None = None) -> TensorArchive:
    """Open a TensorFlow.js model of layers; quantised tensors are given as the numbers that they stand for.

    Args:
        path: its `model.json`, or the folder that holds that.
        architecture: not needed, the file has its own.

    Raises:
        CorruptFileError: a file is truncated or was altered.
        SourceError: a shard is not there or lies outside the folder, or a tensor is of a type without a fixed size.
    """
    path = path / tfjs_weights.FILE if path.is_dir() else path
    with damage.refusing_damage(path):
        whole = tfjs_weights.described(path)
        tensors, metadata = tfjs_weights.tensors(path, whole), tfjs_weights.metadata(path, whole)
        topology = whole.get("modelTopology")
        if not isinstance(topology, dict):
            return TensorArchive(NAME, tensors, None, None, metadata)
        return _of_layers(tensors, cast(dict[str, Any], topology), metadata)


def graph(archive: TensorArchive) -> OperationGraph:
    """The operations of the model, from its configuration.

    Raises:
        SourceError: it holds weights only.
    """
    return keras_config.graph_of(archive)


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
