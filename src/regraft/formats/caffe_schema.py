"""What the fields of Caffe's messages are called: `caffe.proto` as far as networks need it.

https://github.com/BVLC/caffe/blob/master/src/caffe/proto/caffe.proto, and for `permute_param` and `norm_param` the
branch of the SSD detector.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from regraft.formats.prototext import Block
from regraft.formats.wire import Message


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message.

    Attributes:
        name: in the text form.
        number: in the binary form.
        kind: `int`, `bool`, `float`, `text`, `shape`, or the members of an enumeration from 0, joined by `|`.
        many: whether it is a list.
    """

    name: str
    number: int
    kind: str
    many: bool


def _fields(*rows: str) -> tuple[Field, ...]:
    found: list[Field] = []
    for row in ";".join(rows).split(";"):
        name, number, *kind = row.split()
        stated = kind[0] if kind else "int"
        found.append(Field(name, int(number), stated.rstrip("*"), stated.endswith("*")))
    return tuple(found)


_WINDOW = "kernel_h {}; kernel_w {}; stride_h {}; stride_w {}; pad_h {}; pad_w {}"

# The parameters of layers: the number in the message of a layer, in that of the first version, and the fields.
PARAMETERS: Mapping[str, tuple[int, int | None, tuple[Field, ...]]] = {
    "argmax_param": (103, 23, _fields("out_max_val 1 bool; top_k 2; axis 3")),
    "batch_norm_param": (139, None, _fields("use_global_stats 1 bool; moving_average_fraction 2 float; eps 3 float")),
    "bias_param": (141, None, _fields("axis 1; num_axes 2")),
    "clip_param": (148, None, _fields("min 1 float; max 2 float")),
    "concat_param": (104, 9, _fields("concat_dim 1; axis 2")),
    "convolution_param": (
        106,
        10,
        _fields(
            "num_output 1; bias_term 2 bool; pad 3 int*; kernel_size 4 int*; group 5; stride 6 int*; axis 16",
            _WINDOW.format(11, 12, 13, 14, 9, 10),
            "force_nd_im2col 17 bool; dilation 18 int*",
        ),
    ),
    "crop_param": (144, None, _fields("axis 1; offset 2 int*")),
    "dropout_param": (108, 12, _fields("dropout_ratio 1 float")),
    "eltwise_param": (110, 24, _fields("operation 1 PROD|SUM|MAX; coeff 2 float*; stable_prod_grad 3 bool")),
    "elu_param": (140, None, _fields("alpha 1 float")),
    "embed_param": (137, None, _fields("num_output 1; input_dim 2; bias_term 3 bool")),
    "exp_param": (111, 41, _fields("base 1 float; scale 2 float; shift 3 float")),
    "flatten_param": (135, None, _fields("axis 1; end_axis 2")),
    "inner_product_param": (117, 17, _fields("num_output 1; bias_term 2 bool; axis 5; transpose 6 bool")),
    "input_param": (143, None, _fields("shape 1 shape*")),
    "log_param": (134, None, _fields("base 1 float; scale 2 float; shift 3 float")),
    "lrn_param": (
        118,
        18,
        _fields("local_size 1; alpha 2 float; beta 3 float; norm_region 4 ACROSS_CHANNELS|WITHIN_CHANNEL; k 5 float"),
    ),
    "memory_data_param": (119, 22, _fields("batch_size 1; channels 2; height 3; width 4")),
    "mvn_param": (120, 34, _fields("normalize_variance 1 bool; across_channels 2 bool; eps 3 float")),
    "norm_param": (206, None, _fields("across_spatial 1 bool; channel_shared 3 bool; eps 4 float")),
    "permute_param": (202, None, _fields("order 1 int*")),
    "pooling_param": (
        121,
        19,
        _fields(
            "pool 1 MAX|AVE|STOCHASTIC; kernel_size 2; stride 3; pad 4",
            _WINDOW.format(5, 6, 7, 8, 9, 10),
            "global_pooling 12 bool; round_mode 13 CEIL|FLOOR",
        ),
    ),
    "power_param": (122, 21, _fields("power 1 float; scale 2 float; shift 3 float")),
    "prelu_param": (131, None, _fields("channel_shared 2 bool")),
    "python_param": (130, None, _fields("module 1 text; layer 2 text; param_str 3 text")),
    "recurrent_param": (146, None, _fields("num_output 1; expose_hidden 5 bool")),
    "reduction_param": (136, None, _fields("operation 1 |SUM|ASUM|SUMSQ|MEAN; axis 2; coeff 3 float")),
    "relu_param": (123, 30, _fields("negative_slope 1 float")),
    "reshape_param": (133, None, _fields("shape 1 shape; axis 2; num_axes 3")),
    "scale_param": (142, None, _fields("axis 1; num_axes 2; bias_term 4 bool")),
    "slice_param": (126, 31, _fields("slice_dim 1; slice_point 2 int*; axis 3")),
    "softmax_param": (125, 39, _fields("axis 2")),
    "swish_param": (147, None, _fields("beta 1 float")),
    "threshold_param": (128, 25, _fields("threshold 1 float")),
    "tile_param": (138, None, _fields("axis 1; tiles 2")),
}

# How pictures were prepared for a data layer.
TRANSFORM_NUMBERS = (100, 36)
TRANSFORM = _fields("scale 1 float; crop_size 3; mean_file 4 text; mean_value 5 float*")

# The types of layers in the first version, which numbered them.
FIRST_TYPES = (
    *("None", "Accuracy", "BNLL", "Concat", "Convolution", "Data", "Dropout", "EuclideanLoss", "Flatten", "HDF5Data"),
    *("HDF5Output", "Im2col", "ImageData", "InfogainLoss", "InnerProduct", "LRN", "MultinomialLogisticLoss", "Pooling"),
    *("ReLU", "Sigmoid", "Softmax", "SoftmaxWithLoss", "Split", "TanH", "WindowData", "Eltwise", "Power"),
    *("SigmoidCrossEntropyLoss", "HingeLoss", "MemoryData", "ArgMax", "Threshold", "DummyData", "Slice", "MVN"),
    *("AbsVal", "Silence", "ContrastiveLoss", "Exp", "Deconvolution"),
)
_IN_TEXT = {"SOFTMAX_LOSS": "SoftmaxWithLoss"}


def first_type(word: str) -> str:
    """The type that the first version's text form calls by a word in capitals.

    >>> first_type("INNER_PRODUCT"), first_type("SOFTMAX_LOSS")
    ('InnerProduct', 'SoftmaxWithLoss')
    """
    known = {name.upper(): name for name in FIRST_TYPES}
    return _IN_TEXT.get(word) or known.get(word.replace("_", ""), word)


def from_binary(message: Message, fields: tuple[Field, ...]) -> dict[str, Any]:
    """The fields of a binary message by name; those that are not in the table are left out."""
    return {field.name: _binary_value(message, field) for field in fields if field.number in message}


def _binary_value(message: Message, field: Field) -> Any:
    if field.kind == "shape":
        shapes = [inner.integers(1) for inner in message.messages(field.number)]
        return shapes if field.many else shapes[-1]
    if field.kind == "float":
        return message.reals(field.number) if field.many else message.real(field.number)
    if field.kind == "text":
        return message.text(field.number)
    values = message.integers(field.number)
    if field.many:
        return values
    return _meaning(values[-1], field.kind)


def _meaning(value: int, kind: str) -> Any:
    members = kind.split("|")
    if len(members) > 1:
        return members[value] if 0 <= value < len(members) else value
    return bool(value) if kind == "bool" else value


def from_text(block: Block, fields: tuple[Field, ...]) -> dict[str, Any]:
    """The fields of a message's text form, as `from_binary` gives them.

    Raises:
        ValueError: a value is of another kind than the field.
    """
    known = {field.name: field for field in fields}
    return {name: _text_value(values, known[name]) for name, values in block.items() if name in known and values}


def _text_value(values: list[Any], field: Field) -> Any:
    kinds = {"int": int, "float": (int, float), "bool": (bool, int), "shape": dict}.get(field.kind, str)
    if not all(isinstance(value, kinds) for value in values):
        raise ValueError(f"'{field.name}' is no {field.kind}")
    if field.kind == "shape":
        shapes = [cast(Block, value).get("dim", []) for value in values]
        return shapes if field.many else shapes[-1]
    plain = {"float": float, "bool": bool, "int": int}.get(field.kind, str)
    return [plain(value) for value in values] if field.many else plain(values[-1])
