"""`.keras` files of Keras 3 (and TensorFlow 2.13 to 2.15): a zip of config.json, metadata.json, model.weights.h5."""

import dataclasses
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regraft.core.errors import SourceError
from regraft.core.tensors import OperationGraph, OptimizerEntry, TensorArchive
from regraft.formats import damage, hdf5, keras_config, keras_optimizer, keras_proof, zip_members
from regraft.formats.keras_layers import Layer, described
from regraft.formats.keras_names import Named, stored_by_position

NAME = "keras"
TITLE = "Keras 3 model (.keras)"

WEIGHTS = "model.weights.h5"


def read(path: Path, architecture: Mapping[str, Any] | None = None) -> TensorArchive:
    """Open a `.keras` file; its checksums are verified first, so that a damaged one is refused whole.

    Args:
        path: the file.
        architecture: not needed, the file has its own.

    Raises:
        CorruptFileError: the file is truncated or was altered.
        SourceError: it holds what this version cannot read.
    """
    with damage.refusing_damage(path):
        members = zip_members.members(path)
        config = members.content("config.json")
        metadata = members.content("metadata.json") if "metadata.json" in members.by_name else b"{}"
        if WEIGHTS not in members.by_name:
            found = ", ".join(members.by_name)
            raise SourceError(f"'{path}': expected '{WEIGHTS}' inside, found {found}; save it with Keras' defaults")
        weights = members.plain(WEIGHTS)
        found = assembled(NAME, path, config, metadata, hdf5.source(path, weights))
        if keras_proof.INSIDE not in members.by_name:
            return found
        record = keras_proof.kept(members.content(keras_proof.INSIDE), path)
        inside = {"config.json": lambda: io.BytesIO(config), WEIGHTS: weights.opened}
        proof = keras_proof.proof(record, lambda name: inside[name]())
    warned = ("the network is not the one that the proof inside is about",) if proof and not proof["whole"] else ()
    return dataclasses.replace(found, metadata={**found.metadata, "proof": proof}, warnings=(*found.warnings, *warned))


def assembled(name: str, path: Path, config: bytes, metadata: bytes, source: hdf5.Source) -> TensorArchive:
    """The archive of a Keras 3 model from its three parts.

    Args:
        name: of the format.
        path: of the whole, for messages.
        config: JSON.
        metadata: JSON.
        source: the weights.
    """
    parsed = keras_config.parsed(config)
    model = described(parsed)
    with source.opened() as file:
        groups, datasets = hdf5.held(file, source.path)
        named, warnings = stored_by_position(groups, datasets, model)
        tensors = {item.name: hdf5.entry(item.name, item.dataset, source) for item in named}
        optimizer, more = _optimizer(source, parsed, datasets, named, model)
    warnings = [*keras_config.warnings_about(model), *warnings, *more]
    about = {**json.loads(metadata), "path": str(path)}
    return TensorArchive(name, tensors, parsed, optimizer, about, tuple(warnings))


def graph(archive: TensorArchive) -> OperationGraph:
    """The operations of the model, from its configuration; no code is run."""
    return keras_config.graph_of(archive)


def _optimizer(
    source: hdf5.Source, config: Any, datasets: dict[str, Any], named: list[Named], model: Layer
) -> tuple[OptimizerEntry | None, list[str]]:
    stored = {
        key[len("optimizer/vars/") :]: item for key, item in datasets.items() if key.startswith("optimizer/vars/")
    }
    if not stored:
        return None, []
    keys = sorted((key for key in stored if key.isdigit()), key=int)
    arrays = [hdf5.entry(f"optimizer/{key}", stored[key], source) for key in keys]
    stated = (config.get("compile_config") or {}).get("optimizer")
    learning = [(item.name, tuple(item.dataset.shape)) for item in named if item.learns and model.trainable]
    return keras_optimizer.entry(stated, arrays, [learning], alternating=True)
