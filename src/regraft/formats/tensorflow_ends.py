"""Where a TensorFlow graph begins and ends, found out where no signature says it.

A graph that was trained in holds more than the network: feeds of labels and switches, the loss, gradients, savers. The
network is what depends on the main feed alone: a loss depends on the labels too.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from regraft.formats.tensorflow_nodes import CONSTANT, OUTPUT_SHAPES, Node
from regraft.formats.tensorflow_operations import PLACEHOLDERS, value_name

# They look at the form of what they read, not at its values.
_OF_FORM = ("Shape", "ShapeN", "Rank", "Size", "ZerosLike", "OnesLike", "BroadcastGradientArgs")
# The scope that `tf.gradients` works in.
_GRADIENTS = re.compile(r"(?:^|/)gradients(?:_\d+)?/")
# They write, and what they hand on is no answer.
_EFFECTS = ("Assign", "Apply", "ResourceApply", "SparseApply", "ScatterUpdate", "Save", "HistogramSummary", "Print")
_SUMMARIES = ("ScalarSummary", "ImageSummary", "MergeSummary", "AudioSummary", "TensorSummary", "TensorSummaryV2")


@dataclass(frozen=True, slots=True)
class Ends:
    """The values that are given, and those that are wanted."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def ends(nodes: Iterable[Node]) -> Ends:
    """The main feed of a graph, and the last values that depend on it and on no other feed of examples."""
    nodes = tuple(nodes)
    by_name = {node.name: node for node in nodes}
    feeds = [node for node in nodes if node.kind in PLACEHOLDERS and not _fed_by_the_graph(node, by_name)]
    given = _main(feeds)
    others = {node.name for node in feeds if node.name not in given and _batched(node)}
    readers = _readers(nodes)
    carried = _reached(given, readers) - _reached(others, readers)
    carried = {name for name in carried if not _GRADIENTS.search(name)}
    last = [
        value_name(name)
        for name in by_name
        if name in carried
        and name not in given
        and not by_name[name].kind.startswith((*_EFFECTS, *_SUMMARIES))
        and not any(reader in carried for reader in readers.get(name, ()))
    ]
    return Ends(tuple(value_name(name) for name in given), tuple(last))


def _fed_by_the_graph(node: Node, by_name: Mapping[str, Node]) -> bool:
    """Whether what a placeholder holds by default is computed: then it is a handle on a value, not a feed."""
    sources = [by_name.get(name.partition(":")[0]) for name in node.inputs]
    return any(source is not None and source.kind != CONSTANT for source in sources)


def _main(feeds: list[Node]) -> tuple[str, ...]:
    """The feeds of the highest rank, floating point before integers: pictures rather than their labels or a rate."""
    if len(feeds) < 2:
        return tuple(node.name for node in feeds)
    weights = {node.name: (len(_shape(node) or ()), "float" in str(node.attributes.get("dtype"))) for node in feeds}
    heaviest = max(weights.values())
    return tuple(name for name, weight in weights.items() if weight == heaviest)


def _shape(node: Node) -> tuple[int | None, ...] | None:
    shapes = node.attributes.get(OUTPUT_SHAPES)
    shape = shapes[0] if isinstance(shapes, tuple) and shapes else node.attributes.get("shape")
    return shape if isinstance(shape, tuple) else None


def _batched(node: Node) -> bool:
    """Whether it takes something of every example; of unknown shape, whole numbers and texts do, and rates do not."""
    shape, dtype = _shape(node), str(node.attributes.get("dtype"))
    return bool(shape) if shape is not None else not dtype.startswith(("float", "bfloat", "bool"))


def _readers(nodes: Iterable[Node]) -> dict[str, list[str]]:
    """By a node's name the nodes that its values go into."""
    readers: dict[str, list[str]] = {}
    for node in nodes:
        if node.kind not in _OF_FORM:
            for name in node.inputs:
                readers.setdefault(name.partition(":")[0], []).append(node.name)
    return readers


def _reached(starts: Iterable[str], readers: Mapping[str, list[str]]) -> set[str]:
    reached, waiting = set[str](), list(starts)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += readers.get(name, [])
    return reached
