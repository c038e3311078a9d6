"""TensorFlow.js, graph models: a frozen graph of TensorFlow as JSON in `model.json`, its constants in shards beside it.

Its converter joins operations for the browser (`_FusedConv2D`, `FusedDepthwiseConv2dNative`, `_FusedMatMul`, `Prelu`),
and multiplies batch normalisation into the kernels.
"""

import functools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from regraft.core.errors import SourceError
from regraft.core.tensors import OperationGraph, TensorArchive, TensorEntry
from regraft.formats import damage, tensorflow_json, tfjs_weights
from regraft.formats.tensorflow_graph import about, described
from regraft.formats.tensorflow_meta_graph import MetaGraph, meta_graph, operations
from regraft.formats.tensorflow_nodes import CONSTANT, Graph, all_nodes
from regraft.formats.wire import Message

NAME = "tfjs-graph"
TITLE = "TensorFlow.js graph model (model.json with shards)"

_SIGNATURE = "serving_default"


def read(path: Path, architecture: Mapping[str, Any] | None = None) -> TensorArchive:
    """Open a graph model; quantised tensors are given as the numbers that they stand for.

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
        if not isinstance(whole.get("modelTopology"), dict):
            return TensorArchive(NAME, tensors, None, None, metadata)
        meta = _parsed(path, damage.stamp(path))
        named = _named(tensors, meta.graph)
    metadata |= {**described(meta.graph), "signatures": dict(meta.signatures) or None}
    absent = [name for name, node in all_nodes(meta.graph) if node.kind == CONSTANT and name not in named]
    lacking = (f"no values in the shards for '{absent[0]}' and {len(absent) - 1} more",) if absent else ()
    return TensorArchive(NAME, named, None, None, metadata, (*about(meta.graph), *lacking))


def graph(archive: TensorArchive) -> OperationGraph:
    """The operations of the graph; where it has no signature, from the main feed to what depends on it alone.

    Raises:
        SourceError: the file states no graph, or one in which a node reads what nobody makes.
        CorruptFileError: the file was altered since it was opened.
    """
    path = Path(archive.metadata["path"])
    if "kinds" not in archive.metadata:
        raise SourceError(f"'{path}' holds weights but no graph; expected one in 'modelTopology'")
    with damage.refusing_damage(path):
        return operations(_parsed(path, damage.stamp(path)), path.resolve().parent.name, archive)


# The graph of a file is asked for right after the file was opened.
@functools.lru_cache(maxsize=1)
def _parsed(path: Path, stamp: tuple[int, int]) -> MetaGraph:
    whole = tfjs_weights.described(path)
    stated = {"graphDef": whole["modelTopology"], "signatureDef": {_SIGNATURE: _signature(whole)}}
    content = tensorflow_json.encoded("MetaGraphDef", stated)
    meta = meta_graph(Message(content), memoryview(content))
    return replace(meta, signatures=_of_the_graph(meta))


def _signature(whole: Mapping[str, Any]) -> Any:
    """Where the converter has put it since 2.0, or before that among what is the user's own."""
    own = whole.get("userDefinedMetadata")
    return (
        whole.get("signature") or (cast(dict[str, Any], own).get("signature") if isinstance(own, dict) else None) or {}
    )


def _of_the_graph(meta: MetaGraph) -> dict[str, Any]:
    """The signatures without values that no node makes: resources that were frozen stay listed as inputs."""
    made, found = {node.name for node in meta.graph.nodes}, dict[str, Any]()
    for name, stated in meta.signatures.items():
        ends = {
            end: {key: item for key, item in stated[end].items() if item["value"].partition(":")[0] in made}
            for end in ("inputs", "outputs")
        }
        if ends["inputs"] and ends["outputs"]:
            found[name] = {**stated, **ends}
    return found


def _named(tensors: Mapping[str, TensorEntry], graph: Graph) -> dict[str, TensorEntry]:
    """Tensors as those of other graphs are called: constants inside of a function under `function/node`."""
    outside = {node.name for node in graph.nodes}
    found = dict(tensors)
    for name, node in all_nodes(graph):
        entry = tensors.get(node.name)
        if entry is not None and name != node.name and node.kind == CONSTANT and name not in found:
            found[name] = TensorEntry(name, entry.shape, entry.dtype, entry.read)
            if node.name not in outside:
                found.pop(node.name, None)
    return found
