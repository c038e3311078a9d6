"""A configuration of Keras 1 or 2 in the words of today's, step by step: one small function for each known oddity.

Plain JSON in, plain JSON out; no Keras is needed to follow it. What a step does not know it leaves alone: whatever is
left over that today's class does not take is refused later, by name, unless it says nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from regraft.core.errors import SourceError

Item = dict[str, Any]
Config = dict[str, Any]


def rewritten(item: Mapping[str, Any]) -> Item:
    """One layer or model and all that is in it, rewritten.

    Args:
        item: `{"class_name": ..., "config": ...}` as any Keras before 3 wrote it; it is not changed.

    Raises:
        SourceError: it means what no layer of today's Keras does.
    """
    given = item.get("config") or {}
    config: Config = {"layers": list(given)} if isinstance(given, list) else dict(cast(Mapping[str, Any], given))
    new: Item = {**item, "config": config}
    new["class_name"] = str(item["class_name"]).rpartition(".")[2]
    for step in STEPS:
        step(new, config)
    for key in ("layer", "backward_layer", "cell"):
        if isinstance(config.get(key), Mapping) and "class_name" in config[key]:
            config[key] = rewritten(config[key])
    for key in ("layers", "cells"):
        if isinstance(config.get(key), list):
            config[key] = [rewritten(part) if isinstance(part, Mapping) else part for part in config[key]]
    return new


def _cudnn(item: Item, config: Config) -> None:
    """Layers for NVIDIA's library are the ordinary ones with the settings that it can compute."""
    if item["class_name"] in ("CuDNNLSTM", "CuDNNGRU"):
        config.update(activation="tanh", recurrent_activation="sigmoid")
    if item["class_name"] == "CuDNNGRU":
        config["reset_after"] = True


def _gates_before_2_2(item: Item, config: Config) -> None:
    """A GRU that does not say where its reset gate acts is older than the choice."""
    if item["class_name"] in ("GRU", "GRUCell"):
        config.setdefault("reset_after", False)


def _merge(item: Item, config: Config) -> None:
    """Keras 1 had one `Merge` for what are seven layers since."""
    if item["class_name"] != "Merge":
        return
    mode = config.get("mode", "sum")
    if mode not in _MERGES or config.get("mode_type", "raw") != "raw":
        raise SourceError(
            f"layer '{config.get('name')}' merges by Python code of its own (mode '{mode}'), which is not run from a "
            f"file; expected one of {', '.join(_MERGES)}; give the model itself, or its weights with --architecture"
        )
    item["class_name"] = _MERGES[mode]
    axis, axes = config.get("concat_axis", -1), config.get("dot_axes", -1)
    kept = {key: config[key] for key in ("name", "trainable", "layers") if key in config}
    config.clear()
    config.update(kept)
    if mode == "concat":
        config["axis"] = axis
    if mode in ("dot", "cos"):
        flat = [part[0] if isinstance(part, list) else part for part in axes] if isinstance(axes, list) else axes
        config.update(axes=flat, normalize=mode == "cos")


def _class_name(item: Item, config: Config) -> None:
    """Classes that changed their name and nothing else."""
    item["class_name"] = _CLASSES.get(item["class_name"], item["class_name"])


def _kernel_size(item: Item, config: Config) -> None:
    """Keras 1 gave the sides of a kernel one by one, or called it a filter."""
    for sides in (("nb_row", "nb_col"), ("kernel_dim1", "kernel_dim2", "kernel_dim3"), ("filter_length",)):
        if all(side in config for side in sides):
            config["kernel_size"] = [config.pop(side) for side in sides]


def _arguments(item: Item, config: Config) -> None:
    """The names of settings in Keras 1 (and of two in Keras 2)."""
    own = _OF_CLASS.get(item["class_name"], {})
    for old, new in {**_ARGUMENTS, **own}.items():
        if (
            old in config
            and new
            and new not in config
            and not (item["class_name"] in _UNITS_ARE_NOT and old == "output_dim")
        ):
            config[new] = config.pop(old)


def _layout(item: Item, config: Config) -> None:
    """Which axis holds the channels, in Keras 1's words."""
    if "dim_ordering" in config:
        order = config.pop("dim_ordering")
        config["data_format"] = "channels_first" if order == "th" else "channels_last"


def _forget_bias(item: Item, config: Config) -> None:
    """Keras 1 gave the initializer of the forget gate's bias."""
    if "forget_bias_init" in config:
        config["unit_forget_bias"] = config.pop("forget_bias_init") == "one"


def _axis_in_a_list(item: Item, config: Config) -> None:
    """tf.keras put the axis of a BatchNormalization into a list."""
    axis = config.get("axis")
    if item["class_name"] == "BatchNormalization" and isinstance(axis, list) and len(cast("list[Any]", axis)) == 1:
        config["axis"] = axis[0]


def _threshold(item: Item, config: Config) -> None:
    """ThresholdedReLU is a ReLU with a threshold."""
    if item["class_name"] == "ThresholdedReLU":
        item["class_name"] = "ReLU"
        config["threshold"] = config.pop("theta", 1.0)


def _activation_in_a_dictionary(item: Item, config: Config) -> None:
    """Settings of a ReLU were once NumPy scalars, stored with their type beside them."""
    if item["class_name"] in ("ReLU", "LeakyReLU", "ELU"):
        for key, value in config.items():
            if isinstance(value, Mapping) and "value" in value:
                config[key] = value["value"]


def _input(item: Item, config: Config) -> None:
    """The shape of an input had a longer name; its batch was now and then of one fixed size."""
    shape = config.pop("batch_input_shape", None) or config.pop("batch_shape", None)
    if isinstance(shape, Sequence) and not isinstance(shape, str):
        config["batch_shape"] = [None, *list(cast("list[Any]", shape))[1:]]


def _without_effect(item: Item, config: Config) -> None:
    """How something was computed, not what; and what only Keras itself was told."""
    for key in (*_SILENT, *_SILENT_IN.get(item["class_name"], ())):
        config.pop(key, None)
    if item["class_name"] != "Embedding":
        config.pop("input_dim", None)
    if config.get("groups") == 1:
        config.pop("groups")


# In the order in which they are applied.
STEPS: tuple[Callable[[Item, Config], None], ...] = (
    _cudnn,
    _gates_before_2_2,
    _merge,
    _class_name,
    _threshold,
    _kernel_size,
    _arguments,
    _layout,
    _forget_bias,
    _axis_in_a_list,
    _activation_in_a_dictionary,
    _input,
    _without_effect,
)

_MERGES = {
    "sum": "Add",
    "mul": "Multiply",
    "concat": "Concatenate",
    "ave": "Average",
    "max": "Maximum",
    "dot": "Dot",
    "cos": "Dot",
}

_CLASSES = {
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "CuDNNGRU": "GRU",
    "CuDNNLSTM": "LSTM",
    "Deconvolution2D": "Conv2DTranspose",
    "GRUV2": "GRU",
    "LSTMV2": "LSTM",
    "Model": "Functional",
    "SeparableConvolution2D": "SeparableConv2D",
    "SyncBatchNormalization": "BatchNormalization",
    "TimeDistributedDense": "Dense",
}

_ARGUMENTS = {
    "W_constraint": "kernel_constraint",
    "W_regularizer": "kernel_regularizer",
    "U_regularizer": "recurrent_regularizer",
    "atrous_rate": "dilation_rate",
    "b_constraint": "bias_constraint",
    "b_regularizer": "bias_regularizer",
    "beta_init": "beta_initializer",
    "bias": "use_bias",
    "border_mode": "padding",
    "dropout_U": "recurrent_dropout",
    "dropout_W": "dropout",
    "gamma_init": "gamma_initializer",
    "init": "kernel_initializer",
    "inner_activation": "recurrent_activation",
    "inner_init": "recurrent_initializer",
    "length": "size",
    "nb_filter": "filters",
    "output_dim": "units",
    "p": "rate",
    "pool_length": "pool_size",
    "sigma": "stddev",
    "stride": "strides",
    "subsample": "strides",
    "subsample_length": "strides",
}
_EMBEDDED = {
    "init": "embeddings_initializer",
    "W_regularizer": "embeddings_regularizer",
    "W_constraint": "embeddings_constraint",
}
_OF_CLASS: dict[str, dict[str, str]] = {
    "Embedding": _EMBEDDED,
    "LeakyReLU": {"alpha": "negative_slope"},
    "PReLU": {"init": "alpha_initializer"},
    "Reshape": {"dims": "target_shape"},
    "SeparableConv2D": {"init": "pointwise_initializer"},
}
_UNITS_ARE_NOT = ("Embedding",)

_SILENT = (
    "batch_size",
    "consume_less",
    "force_generator",
    "fused",
    "implementation",
    "input_dtype",
    "input_length",
    "rng_type",
)
_KERNEL_SETTINGS = ("kernel_initializer", "kernel_regularizer", "kernel_constraint")
_SILENT_IN: dict[str, tuple[str, ...]] = {
    # Which a DepthwiseConv2D inherited and never used.
    "DepthwiseConv2D": (*_KERNEL_SETTINGS, "filters"),
    "SeparableConv1D": _KERNEL_SETTINGS,
    "SeparableConv2D": _KERNEL_SETTINGS,
    "MultiHeadAttention": ("query_shape", "key_shape", "value_shape"),
    "Embedding": ("sparse",),
    "BatchNormalization": ("renorm_clipping", "renorm_momentum"),
}
