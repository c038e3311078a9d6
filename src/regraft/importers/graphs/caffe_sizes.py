"""What a Caffe network is given: sizes that the file states, else those that its weights leave possible."""

from collections.abc import Mapping, Sequence
from typing import Any

from regraft.core.progress import warn
from regraft.core.tensors import Operation, OperationGraph, TensorEntry
from regraft.importers.graphs.neutral import Input

# Pixels; no classifier with dense layers on top was written for more.
_LARGEST = 1024
_WINDOWS = ("Convolution", "Pooling")
_KEEPING = (
    "ReLU",
    "PReLU",
    "ELU",
    "LRN",
    "BatchNorm",
    "Scale",
    "Bias",
    "Dropout",
    "Power",
    "Sigmoid",
    "TanH",
    "AbsVal",
)

Tensors = Mapping[str, TensorEntry]


def given(name: str, stated: Sequence[int], graph: OperationGraph, tensors: Tensors, where: str) -> Input:
    """An input of the network.

    A network that reads from a data base does not say how large pictures are. Where dense layers follow, only few sizes
    fit; of these the one is taken at which windows end at the border.

    Args:
        name: of the value.
        stated: its shape as the file says it, batch included; empty where it does not.
        graph: the network.
        tensors: those of the file, by name.
        where: the file, for messages.
    """
    if stated:
        return Input(name, tuple(stated))
    first = _first(name, graph)
    kernel = _kernel(first, tensors) if first else ()
    if first and first.kind == "InnerProduct":
        return Input(name, (None, kernel[-1])) if kernel else Input(name, (None, None))
    channels = kernel[1] * int(first.attributes.get("group", 1)) if first and len(kernel) == 4 else None
    size = _size(name, channels, graph, tensors) if channels else None
    if size:
        warn(
            f"'{where}' does not say how large its pictures are; {size} x {size} is taken, at which its weights fit "
            "and its windows end at the border"
        )
    return Input(name, (None, channels, size, size))


def _first(value: str, graph: OperationGraph) -> Operation | None:
    """The first layer whose weights say how many channels a value has."""
    same = {value}
    for operation in graph.operations:
        if same.intersection(operation.inputs):
            if operation.kind in ("Convolution", "InnerProduct"):
                return operation
            same.update(operation.outputs if operation.kind in (*_KEEPING, "Pooling") else ())
    return None


def _kernel(operation: Operation, tensors: Tensors) -> tuple[int, ...]:
    entry = tensors.get(f"{operation.name}/weights")
    return entry.shape if entry else ()


def _size(name: str, channels: int, graph: OperationGraph, tensors: Tensors) -> int | None:
    """The size that fits with the least cut off or padded; None where no dense layer says, or several are as good."""
    cut = {size: _cut_off(name, (channels, size), graph, tensors) for size in range(1, _LARGEST + 1)}
    fitting = {size: rest for size, rest in cut.items() if rest is not None}
    least = [size for size, rest in fitting.items() if rest == min(fitting.values())]
    return least[0] if len(least) == 1 else None


def _cut_off(name: str, shape: tuple[int, int], graph: OperationGraph, tensors: Tensors) -> int | None:
    """How many windows do not end at the border; None where the size does not fit, or nothing depends on it."""
    shapes = {name: shape}
    cut, fits = 0, False
    for operation in graph.operations:
        below = shapes.get(operation.inputs[0]) if operation.inputs else None
        if below is None:
            continue
        if operation.kind in _KEEPING:
            shapes.update(dict.fromkeys(operation.outputs, below))
        elif operation.kind == "InnerProduct":
            if below[0] * below[1] ** 2 != _kernel(operation, tensors)[-1]:
                return None
            fits = True
        elif operation.kind in _WINDOWS:
            channels, size, rest = _slid(operation, below, _kernel(operation, tensors))
            if size < 1:
                return None
            cut += rest
            shapes[operation.outputs[0]] = channels, size
    return cut if fits else None


def _slid(operation: Operation, below: tuple[int, int], kernel: tuple[int, ...]) -> tuple[int, int, bool]:
    """Channels and size above a window, and whether the last one does not end at the border."""
    attributes = operation.attributes
    if attributes.get("global_pooling"):
        return below[0], 1, False
    pool = operation.kind == "Pooling"
    width = _number(attributes, "kernel_size", "kernel_h", 1) if pool else kernel[-1]
    pad, stride = _number(attributes, "pad", "pad_h", 0), _number(attributes, "stride", "stride_h", 1)
    room = below[1] + 2 * pad - (width - 1) * _number(attributes, "dilation", "dilation", 1) - 1
    up = pool and attributes.get("round_mode", "CEIL") == "CEIL"
    size = (-(-room // stride) if up else room // stride) + 1 if room >= 0 else 0
    size -= up and pad > 0 and (size - 1) * stride >= below[1] + pad
    return below[0] if pool else kernel[0], size, bool(room % stride)


def _number(attributes: Mapping[str, Any], name: str, one: str, default: int) -> int:
    value = attributes.get(name) or attributes.get(one) or default
    return int(value[0] if isinstance(value, list) else value)
