"""HDF5 files of Keras 1 and 2, and of Keras 3's legacy writer: whole models and weights only."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from regraft.core.errors import CorruptFileError
from regraft.core.tensors import OperationGraph, OptimizerEntry, TensorArchive, TensorEntry
from regraft.formats import damage, hdf5, keras_config, keras_optimizer
from regraft.formats.keras_layers import described
from regraft.formats.keras_names import Named
from regraft.formats.keras_session import stored_by_session

NAME = "keras-h5"
TITLE = "Keras 1 or 2 model or weights (.h5, .hdf5)"


def read(path: Path, architecture: Mapping[str, Any] | None = None) -> TensorArchive:
    """Open a legacy HDF5 file, with or without an architecture in it.

    Args:
        path: the file.
        architecture: the configuration that the weights are for, where the file itself has none.

    Raises:
        CorruptFileError: the file is truncated or was altered.
        SourceError: it refers to other files.
    """
    source = hdf5.source(path)
    with damage.refusing_damage(path), source.opened() as file:
        groups, datasets = hdf5.held(file, source.path)
        config = hdf5.text(file.attrs, "model_config")
        parsed = architecture if config is None else keras_config.parsed(config)
        model = None if parsed is None else described(parsed)
        root = "model_weights/" if "model_weights" in groups else ""
        top = groups["model_weights"] if root else file
        version = hdf5.text(top.attrs, "keras_version") or hdf5.text(file.attrs, "keras_version") or "1"
        weights = dict(_weights(path, root, top.attrs, groups, datasets))
        named, warnings = stored_by_session(weights, model, version.startswith("1"))
        tensors = {item.name: hdf5.entry(item.name, item.dataset, source) for item in named}
        training = json.loads(hdf5.text(file.attrs, "training_config") or "null")
        orders, session = _orders(named, weights, version), _session(named, weights)
        optimizer, more = _optimizer(source, training, groups, datasets, orders, session, version)
        backend = hdf5.text(top.attrs, "backend") or hdf5.text(file.attrs, "backend")
    warnings += _theano(tensors)
    if model is not None:
        warnings = [*keras_config.warnings_about(model), *warnings]
    metadata = {"keras_version": version, "backend": backend, "training_config": training, "path": str(path)}
    return TensorArchive(NAME, tensors, parsed, optimizer, metadata, (*warnings, *more))


def graph(archive: TensorArchive) -> OperationGraph:
    """The operations of the model, from its configuration; no code is run."""
    return keras_config.graph_of(archive)


def _weights(
    path: Path, root: str, attributes: Mapping[str, Any], groups: Mapping[str, Any], datasets: Mapping[str, Any]
) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    for layer in hdf5.texts(attributes, "layer_names") or []:
        if root + layer not in groups:
            raise CorruptFileError(
                f"'{path}' is incomplete: it names layer '{layer}' and does not hold it; get it again"
            )
        names = hdf5.texts(groups[root + layer].attrs, "weight_names") or []
        absent = [name for name in names if f"{root}{layer}/{name}" not in datasets]
        if absent:
            raise CorruptFileError(f"'{path}' is incomplete: it names tensor '{absent[0]}' and does not hold it")
        yield layer, [(name, datasets[f"{root}{layer}/{name}"]) for name in names]


def _orders(named: Sequence[Named], weights: Mapping[str, list[tuple[str, Any]]], version: str) -> list[Any]:
    """The orders in which the version that wrote the file may have passed variables to its optimizer."""
    learning = [(item.name, tuple(item.dataset.shape)) for item in named if item.learns]
    session = {stored.name: name for items in weights.values() for name, stored in items}
    by_name = sorted((item for item in named if item.learns), key=lambda item: session.get(item.dataset.name, ""))
    sorted_once = [(item.name, tuple(item.dataset.shape)) for item in by_name]
    # Keras before 2.1 sorted the variables by their name in the session.
    return [sorted_once, learning] if version.startswith(("1.", "2.0")) else [learning, sorted_once]


def _session(named: Sequence[Named], weights: Mapping[str, list[tuple[str, Any]]]) -> dict[str, str]:
    """The canonical name of every variable by the one that its version gave it; none where two have the same."""
    canonical = {item.dataset.name: item.name for item in named}
    pairs = [(name, canonical[stored.name]) for items in weights.values() for name, stored in items]
    return dict(pairs) if len(dict(pairs)) == len(pairs) else {}


def _optimizer(
    source: hdf5.Source,
    training: Any,
    groups: Mapping[str, Any],
    datasets: Mapping[str, Any],
    orders: list[Any],
    session: Mapping[str, str],
    version: str,
) -> tuple[OptimizerEntry | None, list[str]]:
    if "optimizer_weights" not in groups:
        return None, []
    names = hdf5.texts(groups["optimizer_weights"].attrs, "weight_names") or []
    absent = [name for name in names if f"optimizer_weights/{name}" not in datasets]
    if absent:
        raise CorruptFileError(f"'{source.path}' is incomplete: it names tensor '{absent[0]}' and does not hold it")
    arrays = [hdf5.entry(f"optimizer/{name}", datasets[f"optimizer_weights/{name}"], source) for name in names]
    stated = (training or {}).get("optimizer_config")
    return keras_optimizer.entry(stated, arrays, orders, _alternating(version), session)


def _theano(tensors: Mapping[str, TensorEntry]) -> list[str]:
    """A warning where biases show that the outputs of the kernels come first, as Theano had them."""
    first, last = 0, 0
    for name, kernel in tensors.items():
        bias = tensors.get(f"{name.removesuffix('/kernel')}/bias")
        if len(kernel.shape) == 4 and bias is not None and len(bias.shape) == 1 and kernel.shape[0] != kernel.shape[3]:
            first += bias.shape[0] == kernel.shape[0]
            last += bias.shape[0] == kernel.shape[3]
    return ["kernels are in Theano's order: outputs, inputs, height, width"] if first > last else []


def _alternating(version: str) -> bool:
    # TensorFlow 2.11 brought the optimizers of Keras 3.
    major, _, rest = version.partition(".")
    minor = rest.partition(".")[0]
    return int(major) >= 3 or (int(major) == 2 and minor.isdigit() and int(minor) >= 11)
