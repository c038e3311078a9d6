"""Frozen TensorFlow graphs: a `GraphDef` whose weights are constants."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regraft.core.tensors import OperationGraph, TensorArchive, TensorEntry
from regraft.formats import damage, tensorflow_text
from regraft.formats.tensorflow_ends import ends
from regraft.formats.tensorflow_nodes import CONSTANT, VARIABLES, Graph, all_nodes, constants
from regraft.formats.tensorflow_nodes import graph as graph_in
from regraft.formats.tensorflow_operations import PLACEHOLDERS, graph_of, value_name
from regraft.formats.wire import Message

NAME = "tensorflow-graph"
TITLE = "frozen TensorFlow graph (.pb, .pbtxt)"

_LARGE = 256


def read(path: Path, architecture: Mapping[str, Any] | None = None) -> TensorArchive:
    """Open a frozen graph; its constants are its tensors, by the names of their nodes.

    Args:
        path: the file.
        architecture: not needed, the file has its own.

    Raises:
        CorruptFileError: the file is truncated or was altered.
    """
    with damage.refusing_damage(path):
        graph = _parsed(path, damage.stamp(path))
        tensors = constants(all_nodes(graph), path, tensorflow_text.content(path))
    warnings = (*about(graph), *_emptied(graph, tensors, path))
    return TensorArchive(NAME, tensors, None, None, {**described(graph), "path": str(path)}, warnings)


def graph(archive: TensorArchive) -> OperationGraph:
    """The operations of the graph.

    Raises:
        SourceError: a node reads what nobody makes, or waits for itself.
        CorruptFileError: the file was altered since it was opened.
    """
    path = Path(archive.metadata["path"])
    with damage.refusing_damage(path):
        found = _parsed(path, damage.stamp(path))
        between = ends(found.nodes)
        return graph_of(found, path.stem, between.inputs, between.outputs, held(found, archive))


def _emptied(graph: Graph, tensors: Mapping[str, TensorEntry], path: Path) -> tuple[str, ...]:
    """Values that are all alike take no room, those left out are zeros; where all are so, the weights are elsewhere."""
    stored = {name: node.constant[1] for name, node in all_nodes(graph) if node.constant is not None}
    large = [
        entry for entry in tensors.values() if entry.size >= _LARGE and entry.dtype.startswith(("float", "bfloat"))
    ]
    if not large or any(stored[entry.name] >= entry.size for entry in large):
        return ()
    return (
        f"'{path.name}' holds no weights: what stands in all {len(large)} large constants takes less than one byte "
        "a number, and is read as zeros or one number; its weights must be in another file",
    )


# The graph of a file is asked for right after the file was opened.
@functools.lru_cache(maxsize=1)
def _parsed(path: Path, stamp: tuple[int, int]) -> Graph:
    whole = tensorflow_text.content(path)
    return graph_in(Message(whole), whole)


def held(graph: Graph, archive: TensorArchive) -> dict[str, str]:
    """The tensor of every node that holds one: a constant's has its name, a variable's that which it is shared by."""
    found: dict[str, str] = {}
    for name, node in all_nodes(graph):
        shared = str(node.attributes.get("shared_name") or name)
        tensor = shared if shared in archive.tensors else name
        if tensor in archive.tensors and node.kind in (CONSTANT, *VARIABLES):
            found[name] = tensor
    return found


def described(graph: Graph) -> dict[str, Any]:
    """What a graph says about itself besides its tensors: feeds, kinds of operations, functions."""
    kinds: dict[str, int] = {}
    for node in graph.nodes:
        kinds[node.kind] = kinds.get(node.kind, 0) + 1
    feeds = {
        value_name(node.name): {"dtype": node.attributes.get("dtype"), "shape": node.attributes.get("shape")}
        for node in graph.nodes
        if node.kind in PLACEHOLDERS
    }
    return {"inputs": feeds, "kinds": kinds, "functions": sorted(graph.functions) or None}


def about(graph: Graph) -> tuple[str, ...]:
    """What one should know before relying on a graph."""
    eight_bit = sorted({node.kind for node in graph.nodes if node.kind.startswith(("Quantized", "Requantiz"))})
    return (f"computed in 8 bits: {', '.join(eight_bit)}",) if eight_bit else ()
