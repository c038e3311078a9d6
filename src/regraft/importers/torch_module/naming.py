"""Names of an exported module: parameters as the module calls them, layers after the parameters that they hold."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import takewhile
from typing import Any

from regraft.core.tensors import TensorArchive
from regraft.importers.graphs.neutral import Graph, Node, Tensor

_RECURRENT = re.compile(r"(?:weight|bias)_(?:ih|hh|hr)_(l\d+)(?:_reverse)?")
_COUNTED = re.compile(r"n\d+(_\d+)?")


def without_prefix(archive: TensorArchive, prefix: str) -> TensorArchive:
    """The archive of an ONNX file with the prefix taken from the names of its tensors."""
    tensors = {
        name.removeprefix(prefix): replace(entry, name=name.removeprefix(prefix))
        for name, entry in archive.tensors.items()
    }
    config: Mapping[str, Any] = archive.config or {}
    graph = config.get("graph", {})
    operations = [
        {**operation, "inputs": [_stripped(name, archive, prefix) for name in operation["inputs"]]}
        for operation in graph.get("operations", [])
    ]
    outputs = [_stripped(name, archive, prefix) for name in graph.get("outputs", [])]
    return replace(
        archive, tensors=tensors, config={**config, "graph": {**graph, "operations": operations, "outputs": outputs}}
    )


def _stripped(value: str, archive: TensorArchive, prefix: str) -> str:
    return value.removeprefix(prefix) if value in archive.tensors else value


def after_parameters(graph: Graph, parameters: AbstractSet[str]) -> Graph:
    """The graph with its operations called after the parameters that they read, and only parameters learning.

    Args:
        graph: of an exported module.
        parameters: names of what the module learns; every other tensor is a buffer or a setting.
    """
    tensors = {name: replace(item, learns=item.source in parameters) for name, item in graph.tensors.items()}
    names = _names(graph.nodes, tensors)
    nodes = tuple(replace(node, name=name) for node, name in zip(graph.nodes, names, strict=True))
    return replace(graph, nodes=nodes, tensors=tensors, certain=True)


def _names(nodes: Sequence[Node], tensors: Mapping[str, Tensor]) -> list[str]:
    """A unique name for every node."""
    # The parameters that each constant value was computed from.
    origins: dict[str, tuple[str, ...]] = {
        name: (item.source,) if item.learns else () for name, item in tensors.items()
    }
    counts: Counter[str] = Counter()
    names: list[str] = []
    for node in nodes:
        # Sizes and types of parameters are none of their values.
        values = () if node.kind == "shape" else node.inputs[:1] if node.kind == "cast" else node.inputs
        reads = tuple(dict.fromkeys(source for value in values for source in origins.get(value, ())))
        constant = node.kind == "shape" or all(value == "" or value in origins for value in node.inputs)
        if constant and node.inputs:
            origins.update((value, reads) for value in node.outputs)
        wanted = _owner(reads) if reads and not constant else _plain(node)
        counts[wanted] += 1
        names.append(wanted if counts[wanted] == 1 else f"{wanted}.{counts[wanted]}")
    return names


def _owner(reads: Sequence[str]) -> str:
    """The part of the module that parameters belong to: `conv1` of `conv1.weight` and `conv1.bias`.

    >>> _owner(["block.0.weight", "block.0.bias"]), _owner(["attention.in_proj_weight"]), _owner(["rnn.weight_hh_l1"])
    ('block.0', 'attention.in_proj', 'rnn.l1')
    """
    parts = [_without_leaf(name.split(".")) for name in reads]
    alike = takewhile(lambda level: len(set(level)) == 1, zip(*parts, strict=False))
    shared = [level[0] for level in alike]
    return ".".join(shared or parts[0])


def _without_leaf(parts: list[str]) -> list[str]:
    *parents, leaf = parts
    if leaf in ("weight", "bias") and parents:
        return parents
    layer = _RECURRENT.fullmatch(leaf)
    if layer is not None:
        return [*parents, layer[1]]
    return [*parents, leaf.removesuffix("_weight").removesuffix("_bias")]


def _plain(node: Node) -> str:
    """The name that the exporter gave, without what every name has, or the operator where it only counted.

    >>> _plain(Node("node_relu_1", "activation", (), ())), _plain(Node("n2", "clip", (), (), {}, "Clip"))
    ('relu_1', 'clip')
    """
    name = re.sub(r"^(node_|/?module/)", "", node.name)
    if _COUNTED.fullmatch(name) or not name:
        return (node.operator or node.kind).lower()
    return name
