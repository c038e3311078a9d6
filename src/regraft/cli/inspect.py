"""`regraft inspect`: what a network is."""

import argparse
from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import regraft
from regraft.cli import arguments as words
from regraft.cli import framework
from regraft.cli.text import counted, facts, table

if TYPE_CHECKING:
    from regraft.formats.inspection import Inspection

_SHOWN = 12

SUMMARY = "show what a network is: layers, tensors, where it can be cut, optimizer state"
EXAMPLE = """
regraft inspect mine.keras
regraft inspect keras:MobileNetV2 --html network.html
regraft inspect mine.keras --json
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The words that `inspect` understands."""
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a .keras, .h5 or .weights.h5 file, which is only looked at, keras:NAME, or zoo:NAME",
    )
    parser.add_argument("--html", metavar="FILE", help="also draw the network's graph into this page")
    parser.add_argument("--tensorboard", metavar="DIR", help="also write the graph to this folder for TensorBoard")
    parser.add_argument(
        "--architecture", metavar="A", help="what builds the network where SOURCE holds only weights: keras:NAME?..., "
        "or package.module:function"
    )  # fmt: skip
    words.zoo_argument(parser)


def run(arguments: argparse.Namespace) -> "Inspection":
    """Do it."""
    # Here, because this needs more than the help does.
    from regraft.recipes.inspecting import needs_framework

    if needs_framework(arguments.source, arguments.architecture):
        framework.load()
    return regraft.inspect(
        arguments.source,
        architecture=arguments.architecture,
        page=arguments.html,
        tensorboard=arguments.tensorboard,
    )


def show(result: "Inspection") -> str:
    """For people."""
    blocks = [_heading(result), _layers(result)]
    if result.optimizer is not None:
        steps = result.optimizer.iterations
        said = f"{result.optimizer.class_name}, {counted(len(result.optimizer.slots), 'tensor')} of state"
        blocks.append(facts([("optimizer", said + (f", {counted(steps, 'step')} taken" if steps is not None else ""))]))
    blocks += [_proof(result), _collections(result)]
    if result.warnings:
        blocks.append(facts([("warning", warning) for warning in result.warnings]))
    return "\n\n".join(block for block in blocks if block)


def _heading(result: "Inspection") -> str:
    parts = [
        counted(result.parameters, "parameter"),
        counted(len(result.tensors), "tensor"),
        counted(len(result.layers), "layer"),
        counted(len(result.cut_points), "cut point"),
    ]
    network = result.metadata.get("network")
    return f"{result.path}: {result.format}, {', '.join([str(network)] * bool(network) + parts)}"


def _proof(result: "Inspection") -> str:
    """What was proven of a converted network, in one line."""
    proof = result.metadata.get("proof")
    if not proof or not proof["whole"]:
        return ""
    said = (
        f"computes what {proof['runtime']} computed for '{proof['source']}': {proof['error']:.1e} of the largest "
        f"at most, {counted(proof['examples'], 'example')}"
    )
    return facts([("proof", said)])


def _collections(result: "Inspection") -> str:
    """What is in the collections of a TensorFlow graph, and its signatures, by name."""
    named = {name: _some(items) for name, items in (result.metadata.get("collections") or {}).items() if items}
    for name, signature in (result.metadata.get("signatures") or {}).items():
        sides = [", ".join(item["value"] for item in signature[side].values()) for side in ("inputs", "outputs")]
        named[name] = " -> ".join(side or "nothing" for side in sides)
    return facts(list(named.items())) if named else ""


def _some(names: Sequence[str]) -> str:
    """The first few of many names; `--json` has all."""
    more = f", ... ({len(names)} in all)" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _layers(result: "Inspection") -> str:
    """Layers from the input upwards; where the network can be cut, the number of the cut point."""
    depths = {point.name: point.depth for point in result.cut_points}
    rows = [["layer", "class", "shape", "parameters", "cut point"]]
    for layer in result.layers:
        depth = depths.get(layer.name)
        count = f"{layer.parameters:,}" if layer.parameters else ""
        rows.append([layer.name, layer.class_name, _shape(layer.shape), count, "" if depth is None else str(depth)])
    return table(rows, right=[3, 4])


def _shape(shape: tuple[int | None, ...] | None) -> str:
    if shape is None:
        return ""
    return " x ".join("?" if side is None else str(side) for side in shape) or str(prod(()))
