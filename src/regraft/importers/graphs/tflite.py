"""The table from TensorFlow Lite's operators to neutral kinds; models of floating point numbers.

Operators: https://ai.google.dev/edge/litert/models/ops_compatibility
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from regraft import formats
from regraft.core.tensors import Operation, OperationGraph, TensorArchive, TensorEntry
from regraft.formats import tflite as tflite_format
from regraft.importers.graphs.neutral import Array, Graph, Input, Node, Tensor

FORMAT = tflite_format.NAME
_FUSED = {"RELU": "relu", "RELU6": "relu6", "TANH": "tanh"}
_SMALL = ("int8", "uint8", "int16")


def neutral(archive: TensorArchive) -> Graph:
    """The network of a TensorFlow Lite model in neutral words.

    Raises:
        SourceError: the file holds no operators.
    """
    graph = formats.graph(archive)
    shapes: Mapping[str, Sequence[int | None]] = (archive.config or {})["graph"]["shapes"]
    translation = Translation(archive, graph)
    for operation in graph.operations:
        quantized = [name for name in operation.inputs if translation.dtypes.get(name) in _SMALL]
        if quantized:
            _refused(translation, operation, f"'{quantized[0]}' is quantized")
        else:
            ROWS.get(operation.kind, _unknown)(translation, operation)
    inputs = tuple(Input(name, tuple(shapes.get(name, ()))) for name in graph.inputs)
    return Graph(graph.name, tuple(translation.nodes), inputs, graph.outputs, translation.tensors, channels=-1)


class Translation:
    """Collects the nodes and constants of a neutral graph."""

    def __init__(self, archive: TensorArchive, graph: OperationGraph) -> None:
        """Begin with the tensors of the file."""
        self.shapes = {name: entry.shape for name, entry in archive.tensors.items()}
        self.dtypes = {name: entry.dtype for name, entry in archive.tensors.items()}
        self.ranks = {name: len(shape) + 1 for name, shape in graph.shapes.items()}
        self.nodes: list[Node] = []
        self.tensors: dict[str, Tensor] = {name: _tensor(entry) for name, entry in archive.tensors.items()}
        self._names: set[str] = set()

    def add(
        self, operation: Operation, kind: str, reads: Sequence[str] | None = None, part: str = "", **settings: Any
    ) -> str:
        """Add the node that does what an operator does, or a part of it, and the function that is fused into it."""
        inputs = tuple(operation.inputs if reads is None else reads)
        name = self._name(operation, part)
        function = None if part else _FUSED.get(operation.attributes.get("fused_activation_function", "NONE"))
        made = (f"{operation.name}:{part}",) if part else operation.outputs
        if function is None:
            self.nodes.append(Node(name, kind, inputs, made, settings, operation.kind))
            return made[0]
        before = f"{operation.name}:before"
        self.nodes.append(Node(name, kind, inputs, (before,), settings, operation.kind))
        self.nodes.append(Node(f"{name}:{function}", "activation", (before,), made, {"function": function}))
        return made[0]

    def constant(self, operation: Operation, role: str, values: Any) -> str:
        """Add a constant that the operator has as an option; returns the name of the value."""
        name, array = f"{operation.name}:{role}", np.asarray(values, "int64")
        self.tensors[name] = Tensor(lambda: array)
        return name

    def _name(self, operation: Operation, part: str) -> str:
        """The first of the names that the converter joined, where that is still free."""
        stem = operation.name.split(";")[0] + (f":{part}" if part else "")
        name = operation.name + part if stem in self._names else stem
        self._names.add(name)
        return name


Row = Callable[[Translation, Operation], None]


def _tensor(entry: TensorEntry) -> Tensor:
    floats = entry.dtype.startswith(("float", "bfloat"))
    # The format does not say what is a parameter; a single number is a factor or a bound as a rule.
    return Tensor(_in_float32(entry) if floats else entry.read, entry.name, learns=floats and entry.size > 1)


def _in_float32(entry: TensorEntry) -> Callable[[], Array]:
    return lambda: entry.read().astype(np.float32)


def _unknown(translation: Translation, operation: Operation) -> None:
    _refused(translation, operation, "no counterpart is known")


def _refused(translation: Translation, operation: Operation, reason: str) -> None:
    translation.add(operation, "unknown", reason=reason)


def _plain(kind: str, **settings: Any) -> Row:
    return lambda translation, operation: _add(translation, operation, kind, settings)


def _add(translation: Translation, operation: Operation, kind: str, settings: Mapping[str, Any]) -> None:
    if operation.attributes.get("fused_activation_function", "NONE") not in ("NONE", *_FUSED):
        _refused(translation, operation, f"the function {operation.attributes['fused_activation_function']} after it")
        return
    translation.add(operation, kind, **settings)


def _windows(operation: Operation) -> dict[str, Any]:
    given = operation.attributes
    return {
        "channels": -1,
        "strides": (given["stride_h"], given["stride_w"]),
        "dilations": (given.get("dilation_h_factor", 1), given.get("dilation_w_factor", 1)),
        "padding": str(given["padding"]).lower(),
    }


def _conv(translation: Translation, operation: Operation) -> None:
    # Kernels are outputs, height, width, inputs; depthwise ones 1, height, width, outputs.
    depthwise = operation.kind == "DEPTHWISE_CONV_2D"
    kernel = list(translation.shapes.get(operation.inputs[1], ()))
    groups = kernel[-1] // max(operation.attributes.get("depth_multiplier", 1), 1) if depthwise and kernel else 1
    axes = (1, 2, 0, 3) if depthwise else (1, 2, 3, 0)
    _add(translation, operation, "conv", _windows(operation) | {"kernel_axes": axes, "groups": groups})


def _pool(mode: str) -> Row:
    def row(translation: Translation, operation: Operation) -> None:
        given = operation.attributes
        settings = _windows(operation) | {"mode": mode, "window": (given["filter_height"], given["filter_width"])}
        _add(translation, operation, "pool", settings)

    return row


def _fully_connected(translation: Translation, operation: Operation) -> None:
    reads: Sequence[str] = operation.inputs
    if translation.ranks.get(operation.inputs[0], 2) > 2 and not operation.attributes.get("keep_num_dims"):
        reads = (translation.add(operation, "flatten", operation.inputs[:1], "flat", axis=1), *operation.inputs[1:])
    translation.add(operation, "dense", reads, transposed=True)


def _softmax(translation: Translation, operation: Operation) -> None:
    if operation.attributes.get("beta", 1.0) != 1:
        _refused(translation, operation, "another beta than 1")
        return
    translation.add(operation, "softmax", axis=-1)


def _reshape(translation: Translation, operation: Operation) -> None:
    shape = (*operation.inputs, "", "")[1]
    shape = shape or translation.constant(operation, "shape", operation.attributes.get("new_shape") or [])
    translation.add(operation, "reshape", (operation.inputs[0], shape), zero_copies=False)


def _reduce(mode: str) -> Row:
    return lambda translation, operation: _add(
        translation, operation, "reduce", {"mode": mode, "keepdims": bool(operation.attributes.get("keep_dims"))}
    )


def _concat(translation: Translation, operation: Operation) -> None:
    _add(translation, operation, "concat", {"axis": operation.attributes["axis"]})


def _leaky(translation: Translation, operation: Operation) -> None:
    slope = operation.attributes["alpha"]
    translation.add(operation, "activation", function="leaky_relu", negative_slope=slope)


def _pad(translation: Translation, operation: Operation) -> None:
    name = operation.inputs[1]
    if name not in translation.tensors:
        _unknown(translation, operation)
        return
    source = translation.tensors[name]
    # Pairs for every axis here, all befores and then all afters there.
    translation.tensors[f"{name}:sides"] = Tensor(lambda: source.read().T.reshape(-1), name)
    translation.add(operation, "pad", (operation.inputs[0], f"{name}:sides"))


ROWS: dict[str, Row] = {
    "ADD": _plain("binary", function="add"),
    "AVERAGE_POOL_2D": _pool("average"),
    "CONCATENATION": _concat,
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _conv,
    "DEQUANTIZE": _plain("cast", dtype="float32"),
    "DIV": _plain("binary", function="divide"),
    "ELU": _plain("activation", function="elu"),
    "FULLY_CONNECTED": _fully_connected,
    "HARD_SWISH": _plain("activation", function="hard_silu"),
    "LEAKY_RELU": _leaky,
    "LOGISTIC": _plain("activation", function="sigmoid"),
    "MAXIMUM": _plain("binary", function="maximum"),
    "MAX_POOL_2D": _pool("max"),
    "MEAN": _reduce("mean"),
    "MINIMUM": _plain("binary", function="minimum"),
    "MUL": _plain("binary", function="multiply"),
    "PAD": _pad,
    "PRELU": _plain("prelu"),
    "REDUCE_MAX": _reduce("max"),
    "RELU": _plain("activation", function="relu"),
    "RELU6": _plain("activation", function="relu6"),
    "RESHAPE": _reshape,
    "SOFTMAX": _softmax,
    "SUB": _plain("binary", function="subtract"),
    "SUM": _reduce("sum"),
    "TANH": _plain("activation", function="tanh"),
    "TRANSPOSE": _plain("transpose"),
}
