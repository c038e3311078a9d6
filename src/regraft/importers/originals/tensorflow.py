"""TensorFlow's graphs in a session of TensorFlow, its variables restored by TensorFlow from the checkpoint."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from regraft import formats
from regraft.core.errors import WorkError
from regraft.core.tensors import flat
from regraft.formats import tensorflow_graph, tensorflow_meta_graph
from regraft.importers.graphs.tensorflow_patterns import Patterns
from regraft.importers.originals import tensorflow_calls
from regraft.importers.originals.ran import Array, Ran

PACKAGE = INSTALL = "tensorflow"

_SERVE = "serve"
_META = ".meta"


def version() -> str:
    """The runtime and its version."""
    return f"tensorflow {importlib.import_module(PACKAGE).__version__}"


def run(path: Path, batches: Sequence[Mapping[str, Array]], wanted: Sequence[str]) -> Ran:
    """Compute values of the graph; dropout left out, as when the network is used.

    Args:
        path: a frozen graph, a meta graph with its checkpoint beside it, or a SavedModel.
        batches: arrays for the inputs, each with the batch that the file was written for.
        wanted: names of values, also inside of functions.

    Raises:
        WorkError: TensorFlow does not take the file or the arrays.
    """
    tensorflow: Any = importlib.import_module(PACKAGE)
    try:
        dropped = _dropped(path)
        meta, checkpoint = _read(tensorflow, path)
        names = tensorflow_calls.opened(meta.graph_def, [*wanted, *dropped, *dropped.values()], _signature)
        _bypass(meta.graph_def, {names.get(made, made): names.get(x, x) for made, x in dropped.items()})
        values = _answers(tensorflow, meta, checkpoint, batches, {name: names.get(name, name) for name in wanted})
    except Exception as error:  # Its errors have no class in common.
        reason = " ".join(str(error).split())[:200]
        raise WorkError(f"{version()} does not run '{path}': {reason}; leave --check out") from error
    return Ran(values, tuple(f"dropout that makes '{made}' left out, as when the network is used" for made in dropped))


def _read(tensorflow: Any, path: Path) -> tuple[Any, str]:
    """The graph with what belongs to it, and the prefix of its checkpoint; empty where all is in the graph."""
    messages = tensorflow.compat.v1
    kind = formats.sniff(path)
    if kind == tensorflow_graph.NAME:
        return messages.MetaGraphDef(graph_def=messages.GraphDef.FromString(path.read_bytes())), ""
    if kind == tensorflow_meta_graph.NAME:
        return messages.MetaGraphDef.FromString(path.read_bytes()), str(path).removesuffix(_META)
    folder = path if path.is_dir() else path.parent
    saved = importlib.import_module("tensorflow.core.protobuf.saved_model_pb2").SavedModel
    versions = saved.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs
    meta = next((item for item in versions if _SERVE in item.meta_info_def.tags), versions[0])
    return meta, str(folder / "variables" / "variables")


def _signature(kind: str) -> Any:
    found = importlib.import_module("tensorflow.python.framework.op_def_registry").get(kind)
    if found is None:
        raise LookupError(f"operation {kind} is not TensorFlow's own")
    return found


def _dropped(path: Path) -> dict[str, str]:
    """What dropout makes, and what it is made of: the graph drops at random whatever it is used for."""
    graph = flat(formats.graph(formats.read(path)))
    patterns = Patterns(graph)
    found = [(operation, patterns.dropout(operation)) for operation in graph.operations if len(operation.inputs) > 1]
    return {operation.outputs[0]: pattern.x for operation, pattern in found if pattern is not None}


def _bypass(definition: Any, instead: Mapping[str, str]) -> None:
    """Let what reads one value read another, in place."""
    for node in definition.node:
        for place, reference in enumerate(node.input):
            while _full(reference) in instead and not reference.startswith("^"):
                reference = instead[_full(reference)]
            node.input[place] = reference


def _full(reference: str) -> str:
    return reference if ":" in reference else f"{reference}:0"


def _answers(
    tensorflow: Any, meta: Any, checkpoint: str, batches: Sequence[Mapping[str, Array]], names: Mapping[str, str]
) -> tuple[dict[str, Array], ...]:
    v1 = tensorflow.compat.v1
    with tensorflow.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        saver = v1.train.import_meta_graph(meta, clear_devices=True)
        if saver is not None and checkpoint:
            saver.restore(session, checkpoint)
        return tuple(session.run(dict(names), _feed(graph, given)) for given in batches)


def _feed(graph: Any, given: Mapping[str, Array]) -> dict[str, Array]:
    types = {name: graph.get_tensor_by_name(name).dtype.as_numpy_dtype for name in given}
    return {name: values.astype(types[name]) for name, values in given.items()}
