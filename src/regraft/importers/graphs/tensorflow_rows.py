"""The rows of TensorFlow's table: one for each operation.

Operations: https://www.tensorflow.org/api_docs/python/tf/raw_ops
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from regraft.core.tensors import Operation
from regraft.importers.graphs.neutral import Node, Padding, Tensor
from regraft.importers.graphs.tensorflow_fused import joined
from regraft.importers.graphs.tensorflow_patterns import SAME
from regraft.importers.graphs.tensorflow_translation import Translation

Row = Callable[[Translation, Operation], None]

# What `tf.nn.moments` and slim's networks are trained with is not written down; this is Keras' own.
MOMENTUM = 0.99
# An end beyond every size.
_TO_THE_END = (1 << 31) - 1


def unknown(translation: Translation, operation: Operation) -> None:
    """What no row is there for."""
    translation.refuse(operation, "no counterpart is known")


# Rows that need no function of their own


def _plain(kind: str, **settings: Any) -> Row:
    return lambda translation, operation: translation.add(operation, kind, **settings)


def _activation(function: str, **renamed: tuple[str, float]) -> Row:
    """A function, with the attributes that Keras calls otherwise, and TensorFlow's defaults for them."""

    def row(translation: Translation, operation: Operation) -> None:
        given = operation.attributes
        settings: dict[str, Any] = {ours: given.get(name, default) for ours, (name, default) in renamed.items()}
        translation.add(operation, "activation", function=function, **settings)

    return row


def _same(translation: Translation, operation: Operation) -> None:
    value, result = operation.inputs[0], operation.outputs[0]
    if value in translation.shapes:
        translation.shapes.setdefault(result, translation.shapes[value])
    if value in translation.tensors:
        translation.tensors[result] = translation.tensors[value]
    else:
        translation.add(operation, "identity", (value,))


def _line(function: str) -> Row:
    """An addition or a multiplication; a variable of one number that all channels share becomes one for each channel.

    Keras has no layer that learns one number for all; those of every channel begin with the value of the original.
    """

    def row(translation: Translation, operation: Operation) -> None:
        first, second = operation.inputs
        if translation.is_learned_number(first) and second in translation.patterns.varying:
            first = _for_each_channel(translation, operation, first, second)
        elif translation.is_learned_number(second) and first in translation.patterns.varying:
            second = _for_each_channel(translation, operation, second, first)
        translation.add(operation, "binary", (first, second), function=function)

    return row


def _for_each_channel(translation: Translation, operation: Operation, number: str, x: str) -> str:
    channels = (translation.stated.get(x) or (None,))[-1]
    if channels is None or channels < 2:
        return number
    held, name = translation.tensors[number], f"{operation.name}:channels"
    translation.tensors[name] = Tensor(lambda: np.full(channels, held.read()), held.source, learns=True)
    return name


def _rsqrt(translation: Translation, operation: Operation) -> None:
    root = translation.step(operation, "root", "unary", operation.inputs, function="sqrt")
    translation.add(operation, "unary", (root,), function="reciprocal")


def _squared_difference(translation: Translation, operation: Operation) -> None:
    difference = translation.step(operation, "difference", "binary", operation.inputs, function="subtract")
    translation.add(operation, "unary", (difference,), function="square")


def _add_n(translation: Translation, operation: Operation) -> None:
    first, *others = operation.inputs
    if not others:
        translation.add(operation, "identity")
        return
    for number, other in enumerate(others[:-1]):
        first = translation.step(operation, f"sum{number}", "binary", (first, other), function="add")
    translation.add(operation, "binary", (first, others[-1]), function="add")


# Layers with weights


def _windows(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of everything that slides over axes of space."""
    space = slice(1, -1)
    strides = tuple(given.get("strides") or (1, 1, 1, 1))[space]
    return {
        "channels": -1,
        "strides": strides,
        "dilations": tuple(given.get("dilations") or (1,) * (len(strides) + 2))[space],
        "padding": _padding(given),
    }


def _padding(given: Mapping[str, Any]) -> Padding:
    explicit = tuple(given.get("explicit_paddings") or ())
    if given.get("padding") == "EXPLICIT":
        return tuple(zip(explicit[2:-2:2], explicit[3:-2:2], strict=True))
    return "same" if given.get("padding") == "SAME" else "valid"


def _conv(translation: Translation, operation: Operation) -> None:
    settings = _windows(operation.attributes)
    axes = tuple(range(len(settings["strides"]) + 2))
    translation.add(operation, "conv", kernel_axes=axes, groups=1, **settings)


def _depthwise(translation: Translation, operation: Operation) -> None:
    x, kernel = operation.inputs
    shape = translation.shapes.get(kernel)
    if shape is None or len(shape) != 4 or shape[2] is None:
        translation.refuse(operation, "how many channels its kernel has is not known")
        return
    flattened = translation.constant(operation, "shape", (0, 0, 1, -1))
    kernel = translation.step(operation, "kernel", "reshape", (kernel, flattened), zero_copies=True)
    settings = _windows(operation.attributes)
    translation.add(operation, "conv", (x, kernel), kernel_axes=(0, 1, 2, 3), groups=shape[2], **settings)


def _matmul(translation: Translation, operation: Operation) -> None:
    given = operation.attributes
    if any(given.get(name) for name in ("transpose_a", "adj_x", "a_is_sparse")):
        translation.refuse(operation, "the first matrix is transposed or sparse")
    elif not given.get("transpose_b") and not given.get("adj_y"):
        translation.add(operation, "matmul")
    elif operation.inputs[1] in translation.patterns.varying:
        translation.refuse(operation, "the second matrix depends on the input and is transposed")
    else:
        translation.add(operation, "dense", transposed=True)


def _fused_batch_norm(translation: Translation, operation: Operation) -> None:
    given = operation.attributes
    # What is left at its default is not always written.
    if given.get("is_training", True):
        translation.refuse(operation, "it normalises by the statistics of the batch; freeze the graph for inference")
        return
    settings: dict[str, Any] = {"epsilon": given.get("epsilon", 1e-4), "momentum": MOMENTUM}
    translation.add(operation, "batch_norm", channels=-1, **settings)


def _pool(mode: str) -> Row:
    def row(translation: Translation, operation: Operation) -> None:
        given = operation.attributes
        window, strides = tuple(given["ksize"]), tuple(given["strides"])
        if {window[0], window[-1], strides[0], strides[-1]} != {1}:
            translation.refuse(operation, "pooling over examples or channels")
            return
        translation.add(operation, "pool", mode=mode, window=window[1:-1], ceil=False, **_windows(given))

    return row


def _lrn(translation: Translation, operation: Operation) -> None:
    given = operation.attributes
    size = 2 * given.get("depth_radius", 5) + 1
    alpha, beta, bias = (given.get(name, usual) for name, usual in (("alpha", 1.0), ("beta", 0.5), ("bias", 1.0)))
    translation.add(operation, "lrn", channels=-1, size=size, alpha=alpha * size, beta=beta, bias=bias)


def _resize(mode: str) -> Row:
    def row(translation: Translation, operation: Operation) -> None:
        given = operation.attributes
        corners, centres = given.get("align_corners"), given.get("half_pixel_centers")
        coordinates = "align_corners" if corners else "half_pixel" if centres else "asymmetric"
        settings = {"coordinates": coordinates, "rounding": "round_prefer_ceil" if corners or centres else "floor"}
        reads = (operation.inputs[0], "", operation.inputs[1])
        translation.add(operation, "resize", reads, channels=-1, mode=mode, **settings)

    return row


def _blocks(kind: str) -> Row:
    def row(translation: Translation, operation: Operation) -> None:
        translation.add(operation, kind, channels=-1, block=operation.attributes["block_size"], order="DCR")

    return row


# Shapes


def _cast(translation: Translation, operation: Operation) -> None:
    dtype = str(operation.attributes.get("DstT", "float32"))
    whole = dtype.startswith(("int", "uint"))
    translation.add(operation, "cast", dtype="int64" if whole else "float32" if "float" in dtype else dtype)


def _reduce(mode: str) -> Row:
    def row(translation: Translation, operation: Operation) -> None:
        given = operation.attributes
        translation.add(operation, "reduce", mode=mode, keepdims=bool(given.get("keep_dims", False)))

    return row


def _squeeze(translation: Translation, operation: Operation) -> None:
    given = operation.attributes
    axes = given.get("squeeze_dims") or given.get("axis")
    named = translation.constant(operation, "axes", axes) if axes else ""
    translation.add(operation, "squeeze", (operation.inputs[0], named))


def _with_axis_operand(kind: str, place: int) -> Row:
    """An operation whose axis is one of its operands, where neutral kinds have a setting."""

    def row(translation: Translation, operation: Operation) -> None:
        axis = translation.integers(operation.inputs[place])
        others = list(operation.inputs)
        del others[place]
        if axis is None:
            translation.refuse(operation, "its axis is computed")
            return
        # Parts that nobody reads may not be listed.
        settings = {"count": operation.attributes.get("num_split", len(operation.outputs))} if kind == "split" else {}
        translation.add(operation, kind, others, axis=axis[0], **settings)

    return row


def _gather(translation: Translation, operation: Operation) -> None:
    axis = translation.integers(operation.inputs[2]) if len(operation.inputs) > 2 else (0,)
    if axis is None or operation.attributes.get("batch_dims"):
        translation.refuse(operation, "its axis is computed, or differs between examples")
        return
    translation.add(operation, "gather", operation.inputs[:2], axis=axis[0])


def _pack(translation: Translation, operation: Operation) -> None:
    axis = operation.attributes.get("axis", 0)
    where = translation.constant(operation, "axis", [axis])
    parts = [
        translation.step(operation, f"part{number}", "unsqueeze", (value, where))
        for number, value in enumerate(operation.inputs)
    ]
    translation.add(operation, "concat", parts, axis=axis)


def _unpack(translation: Translation, operation: Operation) -> None:
    """Taken apart; not every part need be wanted."""
    axis = operation.attributes.get("axis", 0)
    where = translation.constant(operation, "axis", [axis])
    count = operation.attributes.get("num", len(operation.outputs))
    parts = tuple(f"{operation.name}:part{number}" for number in range(count))
    settings = {"axis": axis, "count": len(parts)}
    translation.nodes.append(
        Node(f"{operation.name}_parts", "split", operation.inputs, parts, settings, operation.kind)
    )
    for number, (part, value) in enumerate(zip(parts, operation.outputs, strict=False)):
        name = f"{operation.name}_{number}"
        translation.nodes.append(Node(name, "squeeze", (part, where), (value,), {}, operation.kind))


def _pad(translation: Translation, operation: Operation) -> None:
    mode = {"": "constant", "REFLECT": "reflect"}.get(operation.attributes.get("mode", ""))
    if mode is None:
        translation.refuse(operation, "the border is mirrored with the edge twice")
        return
    x, pads, value = (*operation.inputs, "")[:3]
    pads = translation.step(operation, "pads", "transpose", (pads,))
    translation.add(operation, "pad", (x, pads, value), mode=mode)


def _slice(translation: Translation, operation: Operation) -> None:
    x, begin, size = operation.inputs
    starts, sizes = translation.integers(begin), translation.integers(size)
    if starts is not None and sizes is not None:
        pairs = zip(starts, sizes, strict=True)
        ends = translation.constant(operation, "ends", [_TO_THE_END if n == -1 else at + n for at, n in pairs])
    elif sizes is None or -1 not in sizes:
        ends = translation.step(operation, "ends", "binary", (begin, size), function="add")
    else:
        translation.refuse(operation, "where it begins is computed, and it goes to the end")
        return
    translation.add(operation, "slice", (x, begin, ends))


def _strided_slice(translation: Translation, operation: Operation) -> None:
    """Python's indexing: a number drops its axis."""
    given = operation.attributes
    x, *listed = operation.inputs
    starts, ends, steps = (translation.integers(value) for value in listed)
    if starts is None or ends is None or steps is None:
        translation.refuse(operation, "the places where it begins and ends are computed")
        return
    if given.get("ellipsis_mask") or given.get("new_axis_mask"):
        translation.refuse(operation, "indexing with ... or a new axis")
        return
    dropped = [axis for axis in range(len(starts)) if given.get("shrink_axis_mask", 0) >> axis & 1]
    begins = [
        (0 if step > 0 else _TO_THE_END) if given.get("begin_mask", 0) >> axis & 1 and axis not in dropped else start
        for axis, (start, step) in enumerate(zip(starts, steps, strict=True))
    ]
    stops = [
        (start + 1 or _TO_THE_END) if axis in dropped
        else (_TO_THE_END if step > 0 else -_TO_THE_END - 2) if given.get("end_mask", 0) >> axis & 1
        else end
        for axis, (start, end, step) in enumerate(zip(starts, ends, steps, strict=True))
    ]  # fmt: skip
    lists = {"begins": begins, "stops": stops, "axes": range(len(begins)), "steps": steps}
    reads = (x, *(translation.constant(operation, role, list(values)) for role, values in lists.items()))
    if not dropped:
        translation.add(operation, "slice", reads)
        return
    cut = translation.step(operation, "cut", "slice", reads)
    translation.add(operation, "squeeze", (cut, translation.constant(operation, "dropped", dropped)))


def _fill(translation: Translation, operation: Operation) -> None:
    dims, value = operation.inputs
    translation.add(operation, "expand", (value, dims))


# What is not here is `unknown`.
ROWS: dict[str, Row] = {
    "Add": _line("add"),
    "AddN": _add_n,
    "AddV2": _line("add"),
    "AvgPool": _pool("average"),
    "AvgPool3D": _pool("average"),
    "BatchMatMul": _matmul,
    "BatchMatMulV2": _matmul,
    "BiasAdd": _line("add"),
    "BiasAddV1": _line("add"),
    "Cast": _cast,
    "Concat": _with_axis_operand("concat", 0),
    "ConcatV2": _with_axis_operand("concat", -1),
    "Conv2D": _conv,
    "Conv3D": _conv,
    "DepthToSpace": _blocks("depth_to_space"),
    "DepthwiseConv2dNative": _depthwise,
    "Elu": _activation("elu"),
    "ExpandDims": _plain("unsqueeze"),
    "Fill": _fill,
    "FusedBatchNorm": _fused_batch_norm,
    "FusedBatchNormV2": _fused_batch_norm,
    "FusedBatchNormV3": _fused_batch_norm,
    "FusedDepthwiseConv2dNative": joined(_depthwise, MOMENTUM),
    "Gather": _gather,
    "GatherV2": _gather,
    "LRN": _lrn,
    "LeakyRelu": _activation("leaky_relu", negative_slope=("alpha", 0.2)),
    "LogSoftmax": _plain("log_softmax", axis=-1),
    "MatMul": _matmul,
    "Max": _reduce("max"),
    "MaxPool": _pool("max"),
    "MaxPool3D": _pool("max"),
    "Mean": _reduce("mean"),
    "Min": _reduce("min"),
    "MirrorPad": _pad,
    "Mul": _line("multiply"),
    "Pack": _pack,
    "Pad": _pad,
    "PadV2": _pad,
    "Prelu": _plain("prelu"),
    "Prod": _reduce("prod"),
    "Range": _plain("range"),
    "Relu": _activation("relu"),
    "Relu6": _activation("relu6"),
    "Reshape": _plain("reshape", zero_copies=False),
    "ResizeBilinear": _resize("linear"),
    "ResizeNearestNeighbor": _resize("nearest"),
    "Rsqrt": _rsqrt,
    "Select": _plain("where"),
    "SelectV2": _plain("where"),
    "Selu": _activation("selu"),
    "Shape": _plain("shape"),
    "Sigmoid": _activation("sigmoid"),
    "Slice": _slice,
    "Softmax": _plain("softmax", axis=-1),
    "Softplus": _activation("softplus"),
    "Softsign": _activation("softsign"),
    "SpaceToDepth": _blocks("space_to_depth"),
    "Split": _with_axis_operand("split", 0),
    "SplitV": _with_axis_operand("split", -1),
    "SquaredDifference": _squared_difference,
    "Squeeze": _squeeze,
    "StridedSlice": _strided_slice,
    "Sub": _line("subtract"),
    "Sum": _reduce("sum"),
    "Tanh": _activation("tanh"),
    "Tile": _plain("tile"),
    "Transpose": _plain("transpose"),
    "Unpack": _unpack,
    "_FusedConv2D": joined(_conv, MOMENTUM),
    "_FusedDepthwiseConv2dNative": joined(_depthwise, MOMENTUM),
    "_FusedMatMul": joined(_matmul, MOMENTUM),
    **dict.fromkeys(SAME, _same),
    **{
        foreign: _plain("binary", function=ours)
        for foreign, ours in {
            "Div": "divide",
            "Equal": "equal",
            "FloorDiv": "floor_divide",
            "Greater": "greater",
            "GreaterEqual": "greater_equal",
            "Less": "less",
            "LessEqual": "less_equal",
            "LogicalAnd": "logical_and",
            "LogicalOr": "logical_or",
            "Maximum": "maximum",
            "Minimum": "minimum",
            "Pow": "power",
            "RealDiv": "divide",
        }.items()
    },
    **{
        foreign: _plain("unary", function=ours)
        for foreign, ours in {
            "Abs": "abs",
            "Ceil": "ceil",
            "Cos": "cos",
            "Erf": "erf",
            "Exp": "exp",
            "Floor": "floor",
            "Log": "log",
            "LogicalNot": "logical_not",
            "Neg": "negative",
            "Reciprocal": "reciprocal",
            "Round": "round",
            "Sign": "sign",
            "Sin": "sin",
            "Sqrt": "sqrt",
            "Square": "square",
        }.items()
    },
}
