"""What a model file is, found out without any framework: layers, tensors, cut points, optimizer state."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from regraft import formats
from regraft.core.errors import SourceError
from regraft.core.records import CutPoint
from regraft.core.tensors import Operation, OperationGraph, OptimizerEntry, Shape, TensorArchive, TensorEntry, flat

# TensorFlow's operations that multiply with weights which another operation holds: their cost is not in them.
_MULTIPLYING = ("Conv2D", "Conv3D", "DepthwiseConv2dNative", "MatMul", "BatchMatMul", "BatchMatMulV2", "Einsum")
# PyTorch's, whose kernels are called weights.
_PYTORCH = ("Conv2d", "Linear")


@dataclass(frozen=True, slots=True)
class TensorSummary:
    """A tensor of the file: canonical name, shape and type."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """A layer of the network, models before what is in them.

    Attributes:
        name: canonical path.
        class_name: its class; empty where a file of weights does not say.
        shape: of its first output without the batch; None where it is not known or open.
        parameters: elements of its variables, those of layers in it included.
        trainable: whether its configuration lets it learn; None where there is none.
    """

    name: str
    class_name: str
    shape: tuple[int | None, ...] | None
    parameters: int
    trainable: bool | None = None


@dataclass(frozen=True, slots=True)
class SlotSummary:
    """A tensor of the optimizer's state: what it is, the variable it belongs to, shape and type."""

    slot: str
    variable: str | None
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class OptimizerSummary:
    """The optimizer: class, settings, steps taken, state."""

    class_name: str
    config: Mapping[str, Any]
    iterations: int | None
    slots: tuple[SlotSummary, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a model file is.

    Attributes:
        path: the file.
        format: a key of `regraft.formats.FORMATS`.
        parameters: elements of all tensors.
        tensors: all of them.
        layers: from the input upwards.
        cut_points: where the network can be cut, from the input upwards; empty where the file has no graph.
        optimizer: its state; None where there is none.
        metadata: what else the file says about itself.
        warnings: what one should know before relying on it.
    """

    path: str
    format: str
    parameters: int
    tensors: tuple[TensorSummary, ...]
    layers: tuple[LayerSummary, ...]
    cut_points: tuple[CutPoint, ...]
    optimizer: OptimizerSummary | None
    metadata: Mapping[str, Any]
    warnings: tuple[str, ...]


def inspect(path: Path | str) -> Inspection:
    """Find out what a model file is; no framework is loaded and no code in the file is run.

    Args:
        path: a file of any format of `regraft.formats.FORMATS`.

    Raises:
        SourceError: the file is absent, of no known format, or of one that this version cannot read.
        CorruptFileError: it is truncated or was altered.
    """
    return summary(formats.read(path), str(path))


def summary(archive: TensorArchive, path: str) -> Inspection:
    """What an opened archive is.

    Args:
        archive: of a file, or made of a live network.
        path: where it came from, as the user said it.
    """
    graph, warnings = graph_or_reason(archive)
    # A graph of thousands of operations is opened up once.
    opened = flat(graph) if graph else None
    owned = _owned(archive, opened.operations if opened else ())
    return Inspection(
        path=path,
        format=archive.format,
        parameters=parameter_count(archive),
        tensors=tuple(TensorSummary(item.name, item.shape, item.dtype) for item in archive.tensors.values()),
        layers=tuple(_layers(graph, parameters_below(owned)) if graph else _layers_of_names(owned)),
        cut_points=_cut_points(opened, owned) if opened else (),
        optimizer=_optimizer(archive.optimizer),
        metadata={key: value for key, value in archive.metadata.items() if key != "path" and value is not None},
        warnings=(*archive.warnings, *warnings),
    )


def parameter_count(archive: TensorArchive) -> int:
    """Elements of all tensors that are parameters, where a file tells them from shapes and from counts of batches."""
    counters: set[str] = set(archive.metadata.get("counters") or ())
    names = archive.metadata.get("variables") or archive.tensors
    return sum(archive.tensors[name].size for name in names if name not in counters)


def graph_or_reason(archive: TensorArchive) -> tuple[OperationGraph | None, list[str]]:
    """The graph of the network, or why there is none."""
    try:
        return formats.graph(archive), []
    except SourceError as error:
        return None, [str(error)]


def cut_points(archive: TensorArchive, graph: OperationGraph) -> tuple[CutPoint, ...]:
    """The cut points of a network at rest; the same as those of the model made from it.

    Args:
        archive: its tensors.
        graph: its operations, nested graphs included.
    """
    opened = flat(graph)
    return _cut_points(opened, _owned(archive, opened.operations))


def _cut_points(opened: OperationGraph, owned: Mapping[str, Sequence[TensorEntry]]) -> tuple[CutPoint, ...]:
    separating = {operation.name: depth for depth, operation in enumerate(opened.separating())}
    points: list[CutPoint] = []
    parameters, flops = dict[str, int](), list[int | None]()
    for operation in opened.operations:
        tensors = owned.get(operation.layer, [])
        parameters[operation.layer] = sum(tensor.size for tensor in tensors)
        flops.append(_flops(operation, opened.shapes, tensors))
        if operation.name in separating:
            shape = opened.shapes.get(operation.outputs[0], ())
            known = [count for count in flops if count is not None]
            total = sum(known) if len(known) == len(flops) else None
            points.append(CutPoint(operation.name, separating[operation.name], shape, sum(parameters.values()), total))
    return tuple(points)


def _flops(operation: Operation, shapes: Mapping[str, Shape], tensors: Sequence[TensorEntry]) -> int | None:
    """Two for every multiplication with a weight at every position, one for every element made otherwise."""
    kernels = [item.size for item in tensors if _is_kernel(item.name, operation) and len(item.shape) > 1]
    if not kernels and operation.kind in _MULTIPLYING:
        return None
    total = 0
    for value in operation.outputs:
        shape = shapes.get(value)
        if shape is None or None in shape:
            return None
        sizes = [size for size in shape if size is not None]
        total += sum(2 * kernel * prod(sizes[:-1]) for kernel in kernels) if kernels else prod(sizes)
    return total


def _is_kernel(name: str, operation: Operation) -> bool:
    return "kernel" in name.rpartition("/")[2] or (operation.kind in _PYTORCH and name.endswith("weight"))


def tensors_by_layer(archive: TensorArchive, graph: OperationGraph | None) -> dict[str, list[TensorEntry]]:
    """The tensors that each innermost layer of the network owns, by the layer's canonical path.

    Where operations name the tensors that they read, the first reader owns one; else the names of tensors say it.
    """
    return _owned(archive, flat(graph).operations if graph else ())


def _owned(archive: TensorArchive, operations: Sequence[Operation]) -> dict[str, list[TensorEntry]]:
    known = {operation.layer for operation in operations}
    readers = {value: operation.layer for operation in reversed(operations) for value in operation.inputs}
    # TensorFlow has operations that do nothing but hold a tensor.
    held = ((operation.attributes.get("tensor"), operation.layer) for operation in reversed(operations))
    holders = {name: layer for name, layer in held if isinstance(name, str)}
    owned: dict[str, list[TensorEntry]] = {}
    counters: set[str] = set(archive.metadata.get("counters") or ())
    for name, tensor in archive.tensors.items():
        if name in counters:
            continue
        by_name = next((path for path in _above(name) if path in known), _owner(name))
        layer = holders.get(name) or readers.get(name, by_name)
        owned.setdefault(layer, []).append(tensor)
    return owned


def parameters_below(owned: Mapping[str, Sequence[TensorEntry]]) -> dict[str, int]:
    """The number of elements that each layer owns, and each model with all that is in it, by canonical path."""
    totals: dict[str, int] = {}
    for layer, tensors in owned.items():
        size = sum(tensor.size for tensor in tensors)
        for path in (layer, *_above(layer)):
            totals[path] = totals.get(path, 0) + size
    return totals


def _owner(name: str) -> str:
    """The layer in the name of a tensor: what stands before its last part; the whole name where it has no parts.

    >>> _owner("conv1/kernel"), _owner("layer1.0.conv1.weight"), _owner("arr_7")
    ('conv1', 'layer1.0.conv1', 'arr_7')
    """
    return re.sub(r"(^|[/.])[^/.]*$", "", name) or name


def _above(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        if name:
            yield name


def _layers(graph: OperationGraph, totals: Mapping[str, int], prefix: str = "") -> Iterator[LayerSummary]:
    if not prefix:
        for value in graph.inputs:
            yield LayerSummary(value, "InputLayer", graph.shapes.get(value), 0)
    seen: set[str] = set()
    for operation in graph.operations:
        if operation.layer in seen:
            continue
        seen.add(operation.layer)
        path = prefix + operation.layer
        shape = graph.shapes.get(operation.outputs[0])
        learns = operation.attributes.get("trainable")
        trainable = learns if isinstance(learns, bool) else None
        yield LayerSummary(path, operation.kind, shape, totals.get(path, 0), trainable)
        if operation.graph is not None:
            yield from _layers(operation.graph, totals, f"{path}/")


def _layers_of_names(owned: Mapping[str, Sequence[TensorEntry]]) -> Iterator[LayerSummary]:
    for layer, tensors in owned.items():
        yield LayerSummary(layer, "", None, sum(tensor.size for tensor in tensors))


def _optimizer(entry: OptimizerEntry | None) -> OptimizerSummary | None:
    if entry is None:
        return None
    slots = tuple(SlotSummary(item.slot, item.variable, item.tensor.shape, item.tensor.dtype) for item in entry.slots)
    return OptimizerSummary(entry.class_name, entry.config, entry.iterations, slots)
