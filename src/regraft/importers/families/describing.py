"""A recognised state dict as an archive with a graph, so that it can be inspected and drawn without a framework.

The operations have the names and shapes of the layers that Keras will be given.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from regraft.core.errors import RegraftError
from regraft.core.tensors import TensorArchive
from regraft.importers.families.recognising import Recognised, recognised
from regraft.importers.graphs.neutral import Node, layer_name


def described(archive: TensorArchive) -> TensorArchive:
    """The archive with the graph of its network, where that is known by names and shapes; else as it is.

    What does not fit is a warning.
    """
    try:
        found = recognised(archive)
    except RegraftError as error:
        return dataclasses.replace(archive, warnings=(*archive.warnings, str(error)))
    if found is None:
        return archive
    metadata = {**archive.metadata, "network": found.member.name, "names": found.member.naming}
    metadata["counters"] = found.counters or None
    notes = found.member.notes
    return dataclasses.replace(
        archive, config={"graph": _graph(found)}, metadata=metadata, warnings=(*archive.warnings, *notes)
    )


def _graph(found: Recognised) -> dict[str, Any]:
    graph = found.graph
    sources = {name: tensor.source for name, tensor in graph.tensors.items()}
    # What is only bookkeeping in Keras is the value that it is made from.
    called = {item.name: layer_name(item.name) for item in graph.inputs}
    operations: list[dict[str, Any]] = []
    shapes = {called[item.name]: _shape(found, item.name) for item in graph.inputs}
    for node in graph.nodes:
        value = node.inputs[0]
        if _does_nothing(node, graph.nodes):
            called[node.name] = called[value]
            continue
        reads = [called[name] if name in called else sources[name] for name in node.inputs]
        for operation, shape in _operations(node, found, [item for item in reads if item]):
            operations.append(operation)
            shapes[operation["name"]] = shape
        called[node.name] = layer_name(node.name)
    return {
        "name": graph.name,
        "inputs": [called[item.name] for item in graph.inputs],
        "outputs": [called[name] for name in graph.outputs],
        "shapes": shapes,
        "operations": operations,
    }


def _does_nothing(node: Node, nodes: tuple[Node, ...]) -> bool:
    """Whether a node is no layer of Keras: another order of axes, or one number for each channel in a row."""
    if node.kind == "flatten":
        return any(other.name == node.inputs[0] and other.kind == "global_pool" for other in nodes)
    return node.kind == "transpose"


def _operations(
    node: Node, found: Recognised, reads: list[str]
) -> Iterator[tuple[dict[str, Any], tuple[int | None, ...]]]:
    """The layers that a node becomes: where it steps over a padded picture, one that pads and one that steps."""
    name, settings = layer_name(node.name), dict(node.settings)
    padding = settings.get("padding")
    if isinstance(padding, tuple) and any(map(sum, padding)) and set(settings["strides"]) != {1}:
        channels, height, width = found.sketch.maps[node.inputs[0]]
        yield (
            _operation(f"{name}_pad", "ZeroPad2d", reads[:1], {"padding": padding}),
            (height + sum(padding[0]), width + sum(padding[1]), channels),
        )
        reads = [f"{name}_pad", *reads[1:]]
        settings["padding"] = "valid"
    yield _operation(name, node.operator, reads, settings), _shape(found, node.name)


def _operation(name: str, kind: str, reads: list[str], settings: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "kind": kind, "inputs": reads, "outputs": [name], "attributes": dict(settings)}


def _shape(found: Recognised, value: str) -> tuple[int | None, ...]:
    """Channels last; without height and width where nothing but channels is left."""
    channels, height, width = found.sketch.maps[value]
    return (height, width, channels) if value not in found.sketch.rows else (channels,)
