"""The table from ONNX's operators to neutral kinds, opset 7 to current. Operators: https://onnx.ai/onnx/operators/."""

from collections.abc import Mapping
from typing import Any

from regraft import formats
from regraft.core.errors import SourceError
from regraft.core.tensors import Operation, TensorArchive
from regraft.formats import onnx as onnx_format
from regraft.importers.graphs import onnx_rows as rows
from regraft.importers.graphs.neutral import Graph, Input
from regraft.importers.graphs.onnx_translation import Row, Translation, refused, unknown

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


def _translate(translation: Translation, operation: Operation) -> None:
    try:
        ROWS.get(operation.kind, unknown)(translation, operation)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        # An operand or a setting that the operator must have is not there, or is of another kind.
        refused(translation, operation, f"its settings are not those of the operator ({error})")


ROWS: dict[str, Row] = {
    "AveragePool": rows.pool("average"),
    "BatchNormalization": rows.batch_norm,
    "Cast": rows.cast,
    "CastLike": rows.plain("cast"),
    "Celu": rows.only_usual("celu", alpha=1.0),
    "Clip": rows.clip,
    "Concat": rows.with_axis("concat", 1),
    "Constant": rows.constant,
    "ConstantOfShape": rows.constant_of_shape,
    "Conv": rows.conv,
    "ConvTranspose": rows.conv,
    "DepthToSpace": rows.blocks("depth_to_space"),
    "Dropout": rows.dropout,
    "Elu": rows.activation("elu", alpha=("alpha", 1.0)),
    "Expand": rows.plain("expand"),
    "Flatten": rows.with_axis("flatten", 1),
    "GRU": rows.recurrent("gru"),
    "Gather": rows.with_axis("gather", 0),
    "Gelu": rows.gelu,
    "Gemm": rows.gemm,
    "GlobalAveragePool": rows.plain("global_pool", mode="average", channels=1),
    "GlobalMaxPool": rows.plain("global_pool", mode="max", channels=1),
    "GroupNormalization": rows.group_norm,
    "HardSigmoid": rows.hard_sigmoid,
    "HardSwish": rows.activation("hard_silu"),
    "Identity": rows.plain("identity"),
    "InstanceNormalization": rows.group_norm,
    "LRN": rows.lrn,
    "LSTM": rows.recurrent("lstm"),
    "LayerNormalization": rows.layer_norm,
    "LeakyRelu": rows.activation("leaky_relu", negative_slope=("alpha", 0.01)),
    "LogSoftmax": rows.softmax("log_softmax"),
    "MatMul": rows.plain("matmul"),
    "Max": rows.many("maximum"),
    "MaxPool": rows.pool("max"),
    "Mean": rows.mean,
    "Min": rows.many("minimum"),
    "Mish": rows.activation("mish"),
    "PRelu": rows.plain("prelu"),
    "Pad": rows.pad,
    "RNN": rows.recurrent("rnn"),
    "Range": rows.plain("range"),
    "ReduceL1": rows.reduce("l1"),
    "ReduceL2": rows.reduce("l2"),
    "ReduceMax": rows.reduce("max"),
    "ReduceMean": rows.reduce("mean"),
    "ReduceMin": rows.reduce("min"),
    "ReduceProd": rows.reduce("prod"),
    "ReduceSum": rows.reduce("sum"),
    "ReduceSumSquare": rows.reduce("sum_square"),
    "Relu": rows.activation("relu"),
    "Reshape": rows.reshape,
    "Resize": rows.resize,
    "Selu": rows.only_usual("selu", alpha=1.6732632, gamma=1.0507010),
    "Shape": rows.shape,
    "Sigmoid": rows.activation("sigmoid"),
    "Slice": rows.sliced,
    "Softmax": rows.softmax("softmax"),
    "Softplus": rows.activation("softplus"),
    "Softsign": rows.activation("softsign"),
    "SpaceToDepth": rows.blocks("space_to_depth"),
    "Split": rows.split,
    "Squeeze": rows.with_axes("squeeze"),
    "Sum": rows.many("add"),
    "Swish": rows.activation("silu"),
    "Tanh": rows.activation("tanh"),
    "Tile": rows.plain("tile"),
    "Transpose": rows.transpose,
    "Unsqueeze": rows.with_axes("unsqueeze"),
    "Upsample": rows.resize,
    "Where": rows.plain("where"),
    **{
        foreign: rows.plain("binary", function=ours)
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
        foreign: rows.plain("unary", function=ours)
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
