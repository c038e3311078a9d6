"""Model files <-> named tensors at rest. Knows no model, imports no framework, runs no code found in a file."""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from regraft.core.errors import SourceError, nearest
from regraft.core.tensors import OperationGraph, TensorArchive
from regraft.formats import (
    caffe,
    damage,
    folders,
    keras_folder,
    keras_h5,
    keras_weights,
    keras_zip,
    npy,
    npz,
    onnx,
    pickles,
    pytorch,
    safetensors,
    sniffing,
    tensorflow_checkpoint,
    tensorflow_graph,
    tensorflow_meta_graph,
    tensorflow_saved_model,
    tfjs,
    tfjs_graph,
    tflite,
    torchscript,
)

__all__ = ["FORMATS", "graph", "read", "sniff"]

FORMATS: dict[str, ModuleType] = {
    module.NAME: module
    for module in (
        keras_zip,
        keras_folder,
        keras_h5,
        keras_weights,
        onnx,
        pytorch,
        torchscript,
        safetensors,
        npz,
        npy,
        pickles,
        caffe,
        tfjs,
        tfjs_graph,
        tflite,
        tensorflow_checkpoint,
        tensorflow_graph,
        tensorflow_meta_graph,
        tensorflow_saved_model,
    )
}


def sniff(path: Path | str) -> str:
    """The format of a file by its content.

    Args:
        path: a file or a folder.

    Returns:
        A key of `FORMATS`.

    Raises:
        SourceError: there is no such file, its format is not known, or is known and cannot be read yet.
        CorruptFileError: it is empty, or begins as a known format and is cut off.
    """
    path = folders.network(Path(path))
    found = sniffing.recognised(path)
    if found not in FORMATS:
        raise SourceError(
            f"'{path}' was recognised as {sniffing.FOREIGN[found]}; this version cannot read it yet; "
            "expected .keras, .h5 or .weights.h5 of Keras 1 to 3"
        )
    return found


def read(path: Path | str, architecture: Mapping[str, Any] | None = None) -> TensorArchive:
    """Open a model file of any known format; tensors are read when asked for.

    Args:
        path: the file.
        architecture: for a file of weights only, the configuration of the model that they are for (what `to_json`
            gives, parsed); names are then certain where they would be guessed.

    Returns:
        What the file holds, under canonical names.

    Raises:
        SourceError: see `sniff`; or the file holds what this version cannot read.
        CorruptFileError: the file is truncated or was altered; nothing of it is used.
    """
    path = folders.network(Path(path))
    return FORMATS[sniff(path)].read(path, architecture)


def graph(archive: TensorArchive) -> OperationGraph:
    """The operations of the network in an archive, as plain data.

    Raises:
        SourceError: the file holds weights only, a model whose graph only its own code knows, or a graph whose output
            nothing makes.
        CorruptFileError: its description of the graph makes no sense.
    """
    path = Path(str(archive.metadata.get("path", "the file")))
    with damage.refusing_damage(path):
        found = FORMATS[archive.format].graph(archive)
        _refuse_gaps(found, path)
    return found


def _refuse_gaps(graph: OperationGraph, path: Path) -> None:
    """What every graph must have, so that nobody who reads one need ask: operations make something, as do outputs."""
    made = {*graph.inputs, *(value for operation in graph.operations for value in operation.outputs)}
    for operation in graph.operations:
        if not operation.outputs:
            raise SourceError(f"'{path}': operation '{operation.name}' ({operation.kind}) makes nothing")
        if operation.graph is not None:
            _refuse_gaps(operation.graph, path)
    absent = [value for value in graph.outputs if value not in made]
    if absent:
        raise SourceError(f"'{path}': no operation makes the output '{absent[0]}'{nearest(absent[0], sorted(made))}")
