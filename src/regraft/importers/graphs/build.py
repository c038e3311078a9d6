"""From a neutral graph to a trainable `keras.Model`, channels last, of Keras' own layers only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from regraft.core.errors import SourceError
from regraft.core.progress import warn
from regraft.core.separators import Step, separators
from regraft.importers.graphs import folding
from regraft.importers.graphs.builder import Builder, channel_order
from regraft.importers.graphs.neutral import Graph, Input, Node, UnsupportedError
from regraft.importers.graphs.operations import OPERATIONS, merging
from regraft.importers.graphs.values import OPEN, Constant, Live, Merged, Value

_LARGEST_SIZE = 1 << 31
# How many of its operands a constant is made of, where it is not all of them.
_NOT_MADE_OF = {"shape": 0, "cast": 1}


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """A model made from a graph, and how to find one in the other.

    Attributes:
        model: the network.
        values: what every foreign value that depends on the input has become.
        outputs: the foreign values that the model answers, in its order.
        loaded: the variables that were given values, with the tensors of the file that these came from.
        read: the tensors of the file that something was made of.
        failed: operations that could not be said in Keras, with the reason.
    """

    model: keras.Model
    values: Mapping[str, Live]
    outputs: tuple[str, ...]
    loaded: tuple[tuple[tuple[str, ...], Any], ...]
    read: frozenset[str]
    failed: tuple[tuple[Node, str], ...]


def build(graph: Graph, where: str, input_size: int | None = None) -> Built:
    """Make the model. What cannot be said in Keras is named, and the model ends below it.

    Args:
        graph: the network in neutral words.
        where: the file, for messages.
        input_size: height and width where the graph leaves them open.

    Raises:
        SourceError: no part of the network can be made that gives one value for every input.
    """
    nodes = _needed(graph)
    # What nobody needs reads nothing: an operation may take along what follows it all the same.
    builder = Builder(replace(graph, nodes=tuple(nodes)))
    failed: list[tuple[Node, str]] = []
    _fold_constants(builder, nodes)
    inputs = [_given(builder, item, input_size) for item in graph.inputs]
    for node in nodes:
        reason = _perform(builder, node)
        if reason:
            failed.append((node, reason))
    failed += _mixing(builder, nodes)
    outputs = _outputs(builder, nodes, failed, where)
    try:
        tensors = [_finished(builder, name) for name in outputs]
        model = keras.Model(_one_or_all(inputs), _one_or_all(tensors), name=builder.name(graph.name or "network"))
    except Exception as error:  # Keras' own, of no common class.
        raise SourceError(f"'{where}' is no network of Keras': {' '.join(str(error).split())[:200]}") from error
    # What was absorbed by the layer below is never computed by itself.
    hidden = set(builder.absorbed.values())
    alive = {name: item for name, item in builder.values.items() if isinstance(item, Live) and name not in hidden}
    return Built(model, alive, tuple(outputs), tuple(builder.loaded), frozenset(builder.read), tuple(failed))


def _needed(graph: Graph) -> list[Node]:
    """The nodes that the outputs depend on."""
    wanted = set(graph.outputs)
    needed: list[Node] = []
    for node in reversed(graph.nodes):
        if wanted.intersection(node.outputs):
            wanted.update(node.inputs)
            needed.append(node)
    return needed[::-1]


def _fold_constants(builder: Builder, nodes: Sequence[Node]) -> None:
    """Evaluate what depends on tensors alone first, so that an operation can look at what follows it."""
    known = {"", *builder.graph.tensors}
    for node in nodes:
        if node.inputs and known.issuperset(node.inputs) and _perform(builder, node) is None:
            known.update(node.outputs)


def _given(builder: Builder, item: Input, input_size: int | None) -> Any:
    """An input of the model, its axes in the order that the network's first layers want them in."""
    rank = len(item.shape)
    if rank == 0:
        raise SourceError(f"input '{item.name}' has no batch axis; expected a network that takes examples in batches")
    order = builder.wanted_order(item.name, rank) or tuple(range(rank))
    sizes = [item.shape[axis] for axis in order[1:]]
    if any(size is not None and not 0 < size < _LARGEST_SIZE for size in sizes):
        raise SourceError(f"input '{item.name}' is said to have shape {list(item.shape)}; get the file again")
    if input_size is not None and rank == 4 and sizes[-1] is not None:
        sizes = [size or input_size for size in sizes]
    dtype = item.dtype if item.dtype.startswith("float") else "int32" if "int" in item.dtype else item.dtype
    dtype = "float32" if dtype.startswith("float") else dtype
    tensor: Any = keras.Input(tuple(sizes), dtype=dtype, name=builder.name(item.name))
    builder.values[item.name] = Live(tensor, order, rank)
    if not builder.graph.certain:
        builder.raw.add(item.name)
    return tensor


def _perform(builder: Builder, node: Node) -> str | None:
    """Bind the results of a node; returns why that cannot be done, and "" where something below it failed."""
    if all(name in builder.values for name in node.outputs):
        return None
    operands = [builder.value(name) if name else None for name in node.inputs]
    sources = {source for value in operands if isinstance(value, Constant) for source in value.sources}
    if node.name in builder.absorbed:
        builder.values[node.outputs[0]] = builder.values[builder.absorbed[node.name]]
        builder.read.update(sources)
        return None
    if any(value is None for value, name in zip(operands, node.inputs, strict=True) if name):
        return ""
    before = len(builder.loaded)
    try:
        results = _results(builder, node, operands)
    except UnsupportedError as error:
        return str(error)
    except Exception as error:
        # Whatever Keras or NumPy has against what the file asks for: the file is what is wrong, or beyond them.
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    builder.read.update(sources)
    builder.values.update((name, value) for name, value in zip(node.outputs, results, strict=False) if name and value)
    live = [name for name in node.inputs if _is_live(builder, name)]
    # What is computed from constants alone is a constant: it may be learned all the same.
    if live and len(builder.loaded) == before and all(name in builder.raw for name in live):
        builder.raw.update(node.outputs)
    return None


def _mixing(builder: Builder, nodes: Sequence[Node]) -> list[tuple[Node, str]]:
    """The nodes that make an output in which the batch is one with another axis: no model can answer that."""
    mixed = {name: value for name in builder.graph.outputs if isinstance(value := builder.values.get(name), Merged)}
    return [
        (node, f"{mixed[name].said()}, which mixes the examples of a batch")
        for node in nodes
        for name in node.outputs
        if name in mixed
    ]


def _is_live(builder: Builder, name: str) -> bool:
    return isinstance(builder.values.get(name), Live)


def _results(builder: Builder, node: Node, operands: Sequence[Value | None]) -> Sequence[Value]:
    constants = [value for value in operands if isinstance(value, Constant)]
    if any(isinstance(value, Merged) for value in operands):
        return merging.performed(node, builder, OPERATIONS)
    if not any(isinstance(value, Live) for value in operands):
        arrays = folding.evaluated(node, [value.values if isinstance(value, Constant) else None for value in operands])
        if node.kind in _NOT_MADE_OF:
            # Sizes and types of weights are none of their values.
            constants = constants[: _NOT_MADE_OF[node.kind]]
        learns = any(value.learns for value in constants)
        # The shape that weights were brought to is no part of them.
        counted = [value for value in constants if value.learns or not learns]
        sources = tuple(dict.fromkeys(source for value in counted for source in value.sources))
        parts = tuple(constants) if node.kind == "concat" and node.settings["axis"] == 0 else ()
        return [Constant(array, sources, learns and array.dtype.kind == "f", parts) for array in arrays]
    if node.kind == "shape":
        shape = [OPEN if size is None else size for size in builder.live(node).shape]
        return [Constant(np.array(shape[node.settings.get("start") : node.settings.get("end")], np.int64))]
    return OPERATIONS[node.kind](node, builder)


def _outputs(builder: Builder, nodes: Sequence[Node], failed: Sequence[tuple[Node, str]], where: str) -> list[str]:
    """The values that the model is to answer; where an output failed, the last cut point below."""
    graph = builder.graph
    whole = [name for name in graph.outputs if _is_live(builder, name)]
    lost = [name for name in graph.outputs if name not in whole]
    if not lost:
        return whole
    said = _said(failed) or f"output '{lost[0]}' does not depend on the input"
    outputs = whole or _last_cut_point(builder, nodes)
    if not outputs:
        raise SourceError(
            f"'{where}' has no part that Keras' layers can say, up to a place where it can be cut: {said}"
        )
    ends = ", ".join(f"'{name}'" for name in outputs)
    warn(f"'{where}' is opened in part, up to {ends}; what is above is left out: {said}")
    return outputs


def _said(failed: Sequence[tuple[Node, str]]) -> str:
    named = [(node, reason) for node, reason in failed if reason]
    parts = [f"{node.operator or node.kind} '{node.name}': {reason}" for node, reason in named[:3]]
    return "; ".join(parts) + (f"; and {len(named) - 3} more" if len(named) > 3 else "")


def _last_cut_point(builder: Builder, nodes: Sequence[Node]) -> list[str]:
    graph = builder.graph
    # What only asks for sizes needs none of the numbers.
    steps = [Step(() if node.kind == "shape" else node.inputs, node.outputs) for node in nodes]
    given = [item.name for item in graph.inputs]
    found = [str(value) for value in separators(steps, given, graph.outputs)]
    return [name for name in found if _is_live(builder, name) and name not in given][-1:]


def _finished(builder: Builder, name: str) -> Any:
    """An output as Keras' users expect it: maps stay channels last, everything else is in the foreign order.

    Where that is channels last itself, the output has the axes of the original, one by one.
    """
    value = builder.values[name]
    assert isinstance(value, Live)
    node = Node(name, "output", (name,), ())
    value = builder.plain(node, value)
    if builder.graph.channels == -1 and value.batch == 0:
        builder.values[name] = value = builder.arranged(node, value, range(value.rank))
        return value.tensor
    usual = (channel_order(value.rank, 1), channel_order(value.rank, -1))
    present = [tuple(axis for axis in order if axis in value.axes) for order in usual]
    if value.axes not in present and value.batch == 0:
        value = builder.arranged(node, value, tuple(sorted(value.axes)))
    builder.values[name] = value
    return value.tensor


def _one_or_all(tensors: Sequence[Any]) -> Any:
    return tensors[0] if len(tensors) == 1 else list(tensors)
