"""What numbers mean in TensorFlow Lite's flat buffers: operators, their options, types of tensors.

https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs
"""

from collections.abc import Mapping
from typing import Any

from regraft.formats.flatbuffer import Table

# By number; later ones are those of other compilers.
OPERATORS = (
    *("ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE", "DEQUANTIZE"),
    *("EMBEDDING_LOOKUP", "FLOOR", "FULLY_CONNECTED", "HASHTABLE_LOOKUP", "L2_NORMALIZATION", "L2_POOL_2D"),
    *("LOCAL_RESPONSE_NORMALIZATION", "LOGISTIC", "LSH_PROJECTION", "LSTM", "MAX_POOL_2D", "MUL", "RELU"),
    *("RELU_N1_TO_1", "RELU6", "RESHAPE", "RESIZE_BILINEAR", "RNN", "SOFTMAX", "SPACE_TO_DEPTH", "SVDF", "TANH"),
    *("CONCAT_EMBEDDINGS", "SKIP_GRAM", "CALL", "CUSTOM", "EMBEDDING_LOOKUP_SPARSE", "PAD"),
    *("UNIDIRECTIONAL_SEQUENCE_RNN", "GATHER", "BATCH_TO_SPACE_ND", "SPACE_TO_BATCH_ND", "TRANSPOSE", "MEAN", "SUB"),
    *("DIV", "SQUEEZE", "UNIDIRECTIONAL_SEQUENCE_LSTM", "STRIDED_SLICE", "BIDIRECTIONAL_SEQUENCE_RNN", "EXP"),
    *("TOPK_V2", "SPLIT", "LOG_SOFTMAX", "DELEGATE", "BIDIRECTIONAL_SEQUENCE_LSTM", "CAST", "PRELU", "MAXIMUM"),
    *("ARG_MAX", "MINIMUM", "LESS", "NEG", "PADV2", "GREATER", "GREATER_EQUAL", "LESS_EQUAL", "SELECT", "SLICE"),
    *("SIN", "TRANSPOSE_CONV", "SPARSE_TO_DENSE", "TILE", "EXPAND_DIMS", "EQUAL", "NOT_EQUAL", "LOG", "SUM", "SQRT"),
    *("RSQRT", "SHAPE", "POW", "ARG_MIN", "FAKE_QUANT", "REDUCE_PROD", "REDUCE_MAX", "PACK", "LOGICAL_OR"),
    *("ONE_HOT", "LOGICAL_AND", "LOGICAL_NOT", "UNPACK", "REDUCE_MIN", "FLOOR_DIV", "REDUCE_ANY", "SQUARE"),
    *("ZEROS_LIKE", "FILL", "FLOOR_MOD", "RANGE", "RESIZE_NEAREST_NEIGHBOR", "LEAKY_RELU", "SQUARED_DIFFERENCE"),
    *("MIRROR_PAD", "ABS", "SPLIT_V", "UNIQUE", "CEIL", "REVERSE_V2", "ADD_N", "GATHER_ND", "COS", "WHERE", "RANK"),
    *("ELU", "REVERSE_SEQUENCE", "MATRIX_DIAG", "QUANTIZE", "MATRIX_SET_DIAG", "ROUND", "HARD_SWISH", "IF", "WHILE"),
    *("NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5", "SCATTER_ND", "SELECT_V2", "DENSIFY", "SEGMENT_SUM"),
    *("BATCH_MATMUL", "PLACEHOLDER_FOR_GREATER_OP_CODES", "CUMSUM", "CALL_ONCE", "BROADCAST_TO", "RFFT2D"),
    *("CONV_3D", "IMAG", "REAL", "COMPLEX_ABS", "HASHTABLE", "HASHTABLE_FIND", "HASHTABLE_IMPORT", "HASHTABLE_SIZE"),
    *("REDUCE_ALL", "CONV_3D_TRANSPOSE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "BROADCAST_ARGS"),
    *("RANDOM_STANDARD_NORMAL", "BUCKETIZE", "RANDOM_UNIFORM", "MULTINOMIAL", "GELU", "DYNAMIC_UPDATE_SLICE"),
    *("RELU_0_TO_1", "UNSORTED_SEGMENT_PROD"),
)

DTYPES: Mapping[int, str] = {
    0: "float32",
    1: "float16",
    2: "int32",
    3: "uint8",
    4: "int64",
    6: "bool",
    7: "int16",
    8: "complex64",
    9: "int8",
    10: "float64",
    11: "complex128",
    12: "uint64",
    15: "uint32",
    16: "uint16",
    18: "bfloat16",
}

_PADDING = ("SAME", "VALID")
_ACTIVATION = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
_MIRROR = ("REFLECT", "SYMMETRIC")
_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "padding": _PADDING,
    "fused_activation_function": _ACTIVATION,
    "mode": _MIRROR,
}
# How fields are laid out; what is not named is a 32-bit integer that is 0 where it is absent.
_LAYOUTS: Mapping[str, str] = {
    **dict.fromkeys(("padding", "fused_activation_function", "mode", "weights_format"), "<b"),
    **dict.fromkeys(("in_data_type", "out_data_type", "output_type", "out_type"), "<b"),
    **dict.fromkeys(("keep_num_dims", "keep_dims", "align_corners", "half_pixel_centers", "approximate"), "<?"),
    **dict.fromkeys(("adj_x", "adj_y", "exclusive", "reverse", "time_major", "merge_outputs", "offset"), "<?"),
    **dict.fromkeys(("beta", "alpha", "bias", "cell_clip", "proj_clip"), "<f"),
    **dict.fromkeys(("new_shape", "squeeze_dims"), "*i"),
}
_DEFAULTS: Mapping[str, Any] = {
    **dict.fromkeys(("dilation_w_factor", "dilation_h_factor", "dilation_d_factor"), 1),
    "BIDIRECTIONAL_SEQUENCE_LSTM.time_major": True,
}

_STRIDES = ("padding", "stride_w", "stride_h")
_FUSED = "fused_activation_function"
_DILATIONS = ("dilation_w_factor", "dilation_h_factor")

# The fields of each operator's options, by slot; None for a slot that has no meaning any more.
OPTIONS: Mapping[str, tuple[str | None, ...]] = {
    "CONV_2D": (*_STRIDES, _FUSED, *_DILATIONS),
    "DEPTHWISE_CONV_2D": (*_STRIDES, "depth_multiplier", _FUSED, *_DILATIONS),
    "CONV_3D": ("padding", "stride_d", "stride_w", "stride_h", _FUSED, "dilation_d_factor", *_DILATIONS),
    "TRANSPOSE_CONV": (*_STRIDES, _FUSED),
    **dict.fromkeys(
        ("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"), (*_STRIDES, "filter_width", "filter_height", _FUSED)
    ),
    "FULLY_CONNECTED": (_FUSED, "weights_format", "keep_num_dims"),
    "SOFTMAX": ("beta",),
    "CONCATENATION": ("axis", _FUSED),
    **dict.fromkeys(("ADD", "SUB", "MUL", "DIV", "L2_NORMALIZATION", "RNN"), (_FUSED,)),
    "LOCAL_RESPONSE_NORMALIZATION": ("radius", "bias", "alpha", "beta"),
    "LSTM": (_FUSED, "cell_clip", "proj_clip"),
    "UNIDIRECTIONAL_SEQUENCE_RNN": ("time_major", _FUSED),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (_FUSED, "cell_clip", "proj_clip", "time_major"),
    "BIDIRECTIONAL_SEQUENCE_LSTM": (_FUSED, "cell_clip", "proj_clip", "merge_outputs", "time_major"),
    "RESIZE_BILINEAR": (None, None, "align_corners", "half_pixel_centers"),
    "RESIZE_NEAREST_NEIGHBOR": ("align_corners", "half_pixel_centers"),
    "RESHAPE": ("new_shape",),
    "SQUEEZE": ("squeeze_dims",),
    **dict.fromkeys(("SPACE_TO_DEPTH", "DEPTH_TO_SPACE"), ("block_size",)),
    "GATHER": ("axis", "batch_dims"),
    **dict.fromkeys(
        ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "REDUCE_ANY", "REDUCE_ALL"), ("keep_dims",)
    ),
    "STRIDED_SLICE": ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask", "offset"),
    **dict.fromkeys(("SPLIT", "SPLIT_V"), ("num_splits",)),
    "CAST": ("in_data_type", "out_data_type"),
    **dict.fromkeys(("ARG_MAX", "ARG_MIN"), ("output_type",)),
    "SHAPE": ("out_type",),
    "PACK": ("values_count", "axis"),
    "UNPACK": ("num", "axis"),
    "ONE_HOT": ("axis",),
    "LEAKY_RELU": ("alpha",),
    "MIRROR_PAD": ("mode",),
    "BATCH_MATMUL": ("adj_x", "adj_y"),
    "CUMSUM": ("exclusive", "reverse"),
    "GELU": ("approximate",),
    "IF": ("then_subgraph_index", "else_subgraph_index"),
    "WHILE": ("cond_subgraph_index", "body_subgraph_index"),
    "CALL_ONCE": ("init_subgraph_index",),
}


def options(kind: str, table: Table | None) -> dict[str, Any]:
    """The options of an operator by name, as the schema's own names; absent ones with their defaults."""
    fields = OPTIONS.get(kind, ())
    if table is None:
        return {}
    return {name: _value(table, slot, kind, name) for slot, name in enumerate(fields) if name is not None}


def _value(table: Table, slot: int, kind: str, name: str) -> Any:
    layout = _LAYOUTS.get(name, "<i")
    if layout.startswith("*"):
        return table.numbers(slot, layout[1:])
    value = table.number(slot, layout, _DEFAULTS.get(f"{kind}.{name}", _DEFAULTS.get(name, 0)))
    members = _MEMBERS.get(name)
    if members is not None:
        return members[value] if 0 <= value < len(members) else value
    if name.endswith("_type"):
        return DTYPES.get(value, value)
    return bool(value) if layout == "<?" else value
