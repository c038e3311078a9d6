"""The table from ONNX's operators to neutral kinds, opset 7 to current.

A row reads an operation and adds nodes. Operators: https://onnx.ai/onnx/operators/
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from regraft import formats
from regraft.core.errors import SourceError
from regraft.core.tensors import Operation, TensorArchive, TensorEntry
from regraft.formats import onnx as onnx_format
from regraft.formats.onnx_tensors import DTYPES
from regraft.importers.graphs.neutral import Graph, Input, Node, Padding, Tensor

FORMAT = onnx_format.NAME
# The first that exporters of today's networks wrote, 2017.
OLDEST_OPSET = 7


def neutral(archive: TensorArchive) -> Graph:
    """The network of an ONNX file in neutral words.

    Raises:
        SourceError: the file has no operations, or is older than `OLDEST_OPSET`.
    """
    graph = formats.graph(archive)
    opset = onnx_format.opset(archive)
    if opset < OLDEST_OPSET:
        raise SourceError(
            f"'{archive.metadata.get('path')}' is written in opset {opset} of ONNX, expected {OLDEST_OPSET} or later; "
            "convert it with onnx.version_converter"
        )
    translation = Translation(archive, opset)
    for operation in graph.operations:
        _translate(translation, operation)
    stated: Mapping[str, Any] = (archive.config or {})["graph"]["values"]
    inputs = [
        Input(name, tuple(stated[name]["shape"] or ()), stated[name]["dtype"] or "float32") for name in graph.inputs
    ]
    return Graph(graph.name, tuple(translation.nodes), tuple(inputs), graph.outputs, translation.tensors)


def _translate(translation: "Translation", operation: Operation) -> None:
    try:
        ROWS.get(operation.kind, _unknown)(translation, operation)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        # An operand or a setting that the operator must have is not there, or is of another kind.
        _refused(translation, operation, f"its settings are not those of the operator ({error})")


class Translation:
    """Collects the nodes and constants of a neutral graph."""

    def __init__(self, archive: TensorArchive, opset: int) -> None:
        """Begin with the tensors of the file."""
        self.opset = opset
        self.shapes = {name: entry.shape for name, entry in archive.tensors.items()}
        self.nodes: list[Node] = []
        self.tensors: dict[str, Tensor] = {name: _tensor(entry) for name, entry in archive.tensors.items()}

    def add(self, operation: Operation, kind: str, inputs: Sequence[str] | None = None, **settings: Any) -> None:
        """Add the node that does what an operation does."""
        reads = operation.inputs if inputs is None else tuple(inputs)
        while reads and not reads[-1]:
            reads = reads[:-1]
        self.nodes.append(Node(operation.name, kind, reads, operation.outputs, settings, operation.kind))

    def constant(self, operation: Operation, role: str, values: Any, dtype: str = "int64") -> str:
        """Add a constant that the operation has as an attribute; returns the name of the value."""
        name, array = f"{operation.name}:{role}", np.asarray(values, dtype)
        self.tensors[name] = Tensor(lambda: array)
        return name

    def operand_or_attribute(self, operation: Operation, index: int, attribute: str) -> str:
        """What newer opsets have as an operand and older ones as an attribute; returns the name of the value or ""."""
        if len(operation.inputs) > index and operation.inputs[index]:
            return operation.inputs[index]
        value = operation.attributes.get(attribute)
        return "" if value is None else self.constant(operation, attribute, value)


Row = Callable[[Translation, Operation], None]


def _tensor(entry: TensorEntry) -> Tensor:
    floats = entry.dtype.startswith(("float", "bfloat"))
    # ONNX does not say what is a parameter; a single number is a factor or a bound as a rule.
    return Tensor(_in_float32(entry) if floats else entry.read, entry.name, learns=floats and entry.size > 1)


def _in_float32(entry: TensorEntry) -> Callable[[], np.ndarray[Any, Any]]:
    return lambda: entry.read().astype(np.float32)


def _unknown(translation: Translation, operation: Operation) -> None:
    translation.add(operation, "unknown", reason="no counterpart is known")


def _refused(translation: Translation, operation: Operation, reason: str) -> None:
    translation.add(operation, "unknown", reason=reason)


# Rows that need no function of their own


def _plain(kind: str, **settings: Any) -> Row:
    return lambda translation, operation: translation.add(operation, kind, **settings)


def _activation(function: str, **renamed: tuple[str, float]) -> Row:
    """A function, with the attributes that Keras calls otherwise, and ONNX's defaults for them."""

    def row(translation: Translation, operation: Operation) -> None:
        given = operation.attributes
        settings: dict[str, Any] = {ours: given.get(name, default) for ours, (name, default) in renamed.items()}
        translation.add(operation, "activation", function=function, **settings)

    return row


def _only_usual(function: str, **usual: float) -> Row:
    """A function that Keras has with the usual constants only."""

    def row(translation: Translation, operation: Operation) -> None:
        odd = [name for name, value in usual.items() if abs(operation.attributes.get(name, value) - value) > 1e-6]
        if odd:
            _refused(translation, operation, f"another {odd[0]} than {usual[odd[0]]}")
        else:
            translation.add(operation, "activation", function=function)

    return row


def _many(function: str) -> Row:
    """An operation on any number of values as a chain of operations on two."""

    def row(translation: Translation, operation: Operation) -> None:
        if len(operation.inputs) == 1:
            translation.add(operation, "identity")
            return
        _chain(translation, operation, function, operation.outputs[0])

    return row


def _chain(translation: Translation, operation: Operation, function: str, result: str) -> None:
    reached = operation.inputs[0]
    for number, other in enumerate(operation.inputs[1:], start=1):
        last = number == len(operation.inputs) - 1
        made = result if last else f"{operation.name}:{number}"
        name = operation.name if last else f"{operation.name}_{number}"
        node = Node(name, "binary", (reached, other), (made,), {"function": function}, operation.kind)
        translation.nodes.append(node)
        reached = made


def _mean(translation: Translation, operation: Operation) -> None:
    if len(operation.inputs) == 1:
        translation.add(operation, "identity")
        return
    total = f"{operation.name}:total"
    _chain(translation, operation, "add", total)
    share = translation.constant(operation, "share", 1 / len(operation.inputs), "float32")
    settings = {"function": "multiply"}
    node = Node(f"{operation.name}_mean", "binary", (total, share), operation.outputs, settings, operation.kind)
    translation.nodes.append(node)


# Layers with weights


def _windows(translation: Translation, operation: Operation) -> dict[str, Any]:
    """The settings of everything that slides over axes of space."""
    given = operation.attributes
    kernel = translation.shapes.get(operation.inputs[1], ()) if len(operation.inputs) > 1 else ()
    window = tuple(given.get("kernel_shape") or kernel[2:])
    return {
        "channels": 1,
        "strides": tuple(given.get("strides") or (1,) * len(window)),
        "dilations": tuple(given.get("dilations") or (1,) * len(window)),
        "padding": _padding(given, len(window)),
        "window": window,
    }


def _padding(given: Mapping[str, Any], axes: int) -> Padding:
    automatic = {"SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": "valid"}.get(
        given.get("auto_pad", "NOTSET")
    )
    pads = given.get("pads") or [0] * (2 * axes)
    return automatic or tuple(zip(pads[:axes], pads[axes:], strict=True))


def _conv(translation: Translation, operation: Operation) -> None:
    settings = _windows(translation, operation)
    space = tuple(range(2, len(settings.pop("window")) + 2))
    settings |= {"kernel_axes": (*space, 1, 0), "groups": operation.attributes.get("group", 1)}
    if operation.kind == "Conv":
        translation.add(operation, "conv", **settings)
    elif operation.attributes.get("output_shape"):
        _refused(translation, operation, "the size of the result is said, not the padding")
    else:
        further = tuple(operation.attributes.get("output_padding") or ())
        translation.add(operation, "conv_transposed", output_padding=further, **settings)


def _gemm(translation: Translation, operation: Operation) -> None:
    given = operation.attributes
    if given.get("transA"):
        _refused(translation, operation, "the first matrix is transposed")
        return
    settings: dict[str, Any] = {"transposed": bool(given.get("transB")), "factor": given.get("alpha", 1.0)}
    translation.add(operation, "dense", bias_factor=given.get("beta", 1.0), **settings)


def _batch_norm(translation: Translation, operation: Operation) -> None:
    given = operation.attributes
    if given.get("spatial", 1) == 0:
        _refused(translation, operation, "statistics for every place")
        return
    settings = {"epsilon": given.get("epsilon", 1e-5), "momentum": given.get("momentum", 0.9)}
    translation.add(operation, "batch_norm", channels=1, **settings)


def _group_norm(translation: Translation, operation: Operation) -> None:
    groups = operation.attributes.get("num_groups", 0)
    if groups and translation.opset < 21:
        _refused(translation, operation, "scales for groups, not for channels (opset 18 to 20)")
        return
    epsilon = operation.attributes.get("epsilon", 1e-5)
    translation.add(operation, "group_norm", channels=1, groups=groups, epsilon=epsilon)


def _layer_norm(translation: Translation, operation: Operation) -> None:
    given = operation.attributes
    translation.add(operation, "layer_norm", axis=given.get("axis", -1), epsilon=given.get("epsilon", 1e-5))


def _recurrent(cell: str) -> Row:
    def row(translation: Translation, operation: Operation) -> None:
        given = operation.attributes
        odd = [name for name in ("activations", "clip", "input_forget", "layout") if given.get(name)]
        usual = {"lstm": ["Sigmoid", "Tanh", "Tanh"], "gru": ["Sigmoid", "Tanh"], "rnn": ["Tanh"]}[cell]
        if given.get("activations") in (usual, usual * 2):
            odd.remove("activations")
        if odd:
            _refused(translation, operation, f"the setting '{odd[0]}'")
            return
        settings = {"direction": given.get("direction", "forward"), "units": given["hidden_size"]}
        translation.add(
            operation, "recurrent", cell=cell, reset_after=bool(given.get("linear_before_reset")), **settings
        )

    return row


# Functions with settings


def _pool(mode: str) -> Row:
    def row(translation: Translation, operation: Operation) -> None:
        given = operation.attributes
        settings = {"ceil": bool(given.get("ceil_mode")), "count_padding": bool(given.get("count_include_pad"))}
        translation.add(operation, "pool", mode=mode, **settings, **_windows(translation, operation))

    return row


def _lrn(translation: Translation, operation: Operation) -> None:
    given = operation.attributes
    settings = {"alpha": given.get("alpha", 1e-4), "beta": given.get("beta", 0.75), "bias": given.get("bias", 1.0)}
    translation.add(operation, "lrn", channels=1, size=given["size"], **settings)


def _hard_sigmoid(translation: Translation, operation: Operation) -> None:
    given = operation.attributes
    translation.add(operation, "hard_sigmoid", slope=given.get("alpha", 0.2), offset=given.get("beta", 0.5))


def _gelu(translation: Translation, operation: Operation) -> None:
    approximate = operation.attributes.get("approximate", "none") == "tanh"
    translation.add(operation, "unary", function="gelu", approximate=approximate)


def _clip(translation: Translation, operation: Operation) -> None:
    bounds = [""] * 2
    for index, name in enumerate(("min", "max")):
        if name in operation.attributes:
            bounds[index] = translation.constant(operation, name, operation.attributes[name], "float32")
        elif len(operation.inputs) > index + 1:
            bounds[index] = operation.inputs[index + 1]
    translation.add(operation, "clip", (operation.inputs[0], *bounds))


def _softmax(kind: str) -> Row:
    def row(translation: Translation, operation: Operation) -> None:
        newer = translation.opset >= 13
        axis = operation.attributes.get("axis", -1 if newer else 1)
        translation.add(operation, kind, axis=axis, trailing=not newer)

    return row


def _dropout(translation: Translation, operation: Operation) -> None:
    rate = operation.attributes.get("ratio", 0.5)
    translation.add(operation, "dropout", operation.inputs[:2], rate=rate)


def _cast(translation: Translation, operation: Operation) -> None:
    translation.add(
        operation, "cast", operation.inputs[:1], dtype=DTYPES.get(operation.attributes.get("to", 1), "object")
    )


def _reduce(mode: str) -> Row:
    def row(translation: Translation, operation: Operation) -> None:
        axes = translation.operand_or_attribute(operation, 1, "axes")
        if not axes and operation.attributes.get("noop_with_empty_axes"):
            translation.add(operation, "identity", operation.inputs[:1])
            return
        keepdims = bool(operation.attributes.get("keepdims", 1))
        translation.add(operation, "reduce", (operation.inputs[0], axes), mode=mode, keepdims=keepdims)

    return row


# Shapes


def _reshape(translation: Translation, operation: Operation) -> None:
    shape = translation.operand_or_attribute(operation, 1, "shape")
    copies = not operation.attributes.get("allowzero")
    translation.add(operation, "reshape", (operation.inputs[0], shape), zero_copies=copies)


def _with_axes(kind: str) -> Row:
    def row(translation: Translation, operation: Operation) -> None:
        translation.add(operation, kind, (operation.inputs[0], translation.operand_or_attribute(operation, 1, "axes")))

    return row


def _transpose(translation: Translation, operation: Operation) -> None:
    translation.add(
        operation, "transpose", (operation.inputs[0], translation.operand_or_attribute(operation, 1, "perm"))
    )


def _with_axis(kind: str, default: int) -> Row:
    return lambda translation, operation: translation.add(
        operation, kind, axis=operation.attributes.get("axis", default)
    )


def _split(translation: Translation, operation: Operation) -> None:
    sizes = translation.operand_or_attribute(operation, 1, "split")
    settings = {"axis": operation.attributes.get("axis", 0), "count": len(operation.outputs)}
    translation.add(operation, "split", (operation.inputs[0], sizes), **settings)


def _slice(translation: Translation, operation: Operation) -> None:
    operands = [
        translation.operand_or_attribute(operation, index, name)
        for index, name in enumerate(("starts", "ends", "axes", "steps"), start=1)
    ]
    translation.add(operation, "slice", (operation.inputs[0], *operands))


def _pad(translation: Translation, operation: Operation) -> None:
    given = operation.attributes
    pads = translation.operand_or_attribute(operation, 1, "pads")
    x, _, value, axes = (*operation.inputs, "", "", "")[:4]
    if "value" in given:
        value = translation.constant(operation, "value", given["value"], "float32")
    translation.add(operation, "pad", (x, pads, value, axes), mode=given.get("mode", "constant"))


def _resize(translation: Translation, operation: Operation) -> None:
    given = operation.attributes
    inputs: list[str] = [*operation.inputs, "", "", ""]
    if operation.kind == "Upsample" or translation.opset < 11:
        scales, sizes, coordinates, rounding = inputs[1], "", "asymmetric", "floor"
        if given.get("scales"):
            scales = translation.constant(operation, "scales", given["scales"], "float32")
    else:
        scales, sizes = inputs[2], inputs[3]
        coordinates = given.get("coordinate_transformation_mode", "half_pixel")
        rounding = given.get("nearest_mode", "round_prefer_floor")
    if given.get("antialias") or given.get("axes"):
        _refused(translation, operation, "antialiasing, or only some axes")
        return
    mode = {"bilinear": "linear"}.get(given.get("mode", "nearest"), given.get("mode", "nearest"))
    settings = {"mode": mode, "coordinates": coordinates, "rounding": rounding}
    translation.add(operation, "resize", (operation.inputs[0], scales, sizes), channels=1, **settings)


def _blocks(kind: str) -> Row:
    def row(translation: Translation, operation: Operation) -> None:
        given = operation.attributes
        translation.add(operation, kind, channels=1, block=given["blocksize"], order=given.get("mode", "DCR"))

    return row


def _shape(translation: Translation, operation: Operation) -> None:
    given = operation.attributes
    translation.add(operation, "shape", start=given.get("start"), end=given.get("end"))


def _constant(translation: Translation, operation: Operation) -> None:
    name, value = next(iter(operation.attributes.items()), ("value", None))
    if isinstance(value, dict) and "values" in value:
        array = np.array(value["values"], value["dtype"]).reshape(value["shape"])
    elif name.startswith("value_"):
        array = np.array(value, "float32" if "float" in name else "int64" if "int" in name else object)
    else:
        _unknown(translation, operation)
        return
    translation.tensors[operation.outputs[0]] = Tensor(lambda: array)


def _constant_of_shape(translation: Translation, operation: Operation) -> None:
    value = operation.attributes.get("value") or {"values": [0.0], "dtype": "float32"}
    if "values" not in value:
        _unknown(translation, operation)
        return
    translation.add(operation, "constant_of_shape", value=value["values"][0], dtype=value["dtype"])


ROWS: dict[str, Row] = {
    "AveragePool": _pool("average"),
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Celu": _only_usual("celu", alpha=1.0),
    "Clip": _clip,
    "Concat": _with_axis("concat", 1),
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Conv": _conv,
    "ConvTranspose": _conv,
    "DepthToSpace": _blocks("depth_to_space"),
    "Dropout": _dropout,
    "Elu": _activation("elu", alpha=("alpha", 1.0)),
    "Expand": _plain("expand"),
    "Flatten": _with_axis("flatten", 1),
    "GRU": _recurrent("gru"),
    "Gather": _with_axis("gather", 0),
    "Gelu": _gelu,
    "Gemm": _gemm,
    "GlobalAveragePool": _plain("global_pool", mode="average", channels=1),
    "GlobalMaxPool": _plain("global_pool", mode="max", channels=1),
    "GroupNormalization": _group_norm,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _activation("hard_silu"),
    "Identity": _plain("identity"),
    "InstanceNormalization": _group_norm,
    "LRN": _lrn,
    "LSTM": _recurrent("lstm"),
    "LayerNormalization": _layer_norm,
    "LeakyRelu": _activation("leaky_relu", negative_slope=("alpha", 0.01)),
    "LogSoftmax": _softmax("log_softmax"),
    "MatMul": _plain("matmul"),
    "Max": _many("maximum"),
    "MaxPool": _pool("max"),
    "Mean": _mean,
    "Min": _many("minimum"),
    "Mish": _activation("mish"),
    "PRelu": _plain("prelu"),
    "Pad": _pad,
    "RNN": _recurrent("rnn"),
    "Range": _plain("range"),
    "ReduceL1": _reduce("l1"),
    "ReduceL2": _reduce("l2"),
    "ReduceMax": _reduce("max"),
    "ReduceMean": _reduce("mean"),
    "ReduceMin": _reduce("min"),
    "ReduceProd": _reduce("prod"),
    "ReduceSum": _reduce("sum"),
    "ReduceSumSquare": _reduce("sum_square"),
    "Relu": _activation("relu"),
    "Reshape": _reshape,
    "Resize": _resize,
    "Selu": _only_usual("selu", alpha=1.6732632, gamma=1.0507010),
    "Shape": _shape,
    "Sigmoid": _activation("sigmoid"),
    "Slice": _slice,
    "Softmax": _softmax("softmax"),
    "Softplus": _activation("softplus"),
    "Softsign": _activation("softsign"),
    "SpaceToDepth": _blocks("space_to_depth"),
    "Split": _split,
    "Squeeze": _with_axes("squeeze"),
    "Sum": _many("add"),
    "Swish": _activation("silu"),
    "Tanh": _activation("tanh"),
    "Tile": _plain("tile"),
    "Transpose": _transpose,
    "Unsqueeze": _with_axes("unsqueeze"),
    "Upsample": _resize,
    "Where": _plain("where"),
    **{
        foreign: _plain("binary", function=ours)
        for foreign, ours in {
            "Add": "add",
            "And": "logical_and",
            "Div": "divide",
            "Equal": "equal",
            "Greater": "greater",
            "GreaterOrEqual": "greater_equal",
            "Less": "less",
            "LessOrEqual": "less_equal",
            "Mod": "mod",
            "Mul": "multiply",
            "Or": "logical_or",
            "Pow": "power",
            "Sub": "subtract",
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
            "Neg": "negative",
            "Not": "logical_not",
            "Reciprocal": "reciprocal",
            "Round": "round",
            "Sign": "sign",
            "Sin": "sin",
            "Sqrt": "sqrt",
        }.items()
    },
}
