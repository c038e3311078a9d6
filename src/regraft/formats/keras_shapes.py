"""The shapes of what Keras layers make, from their settings; for files that do not state them."""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, cast

from regraft.core.tensors import Shape
from regraft.formats.keras_layers import Config, Layer, described

_Known = Sequence[Shape]


def inferred(layer: Layer, inputs: Sequence[Shape | None]) -> Shape | None:
    """The shape of a layer's first output, without the batch; None where it cannot be told easily.

    Args:
        layer: the layer or operation.
        inputs: the shapes of what it reads, without the batch.
    """
    rule = _RULES.get(layer.class_name)
    if rule is None or not inputs or any(shape is None for shape in inputs):
        return None
    try:
        found = rule(layer.config, [shape for shape in inputs if shape is not None])
    except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError):
        # Settings of a version that spells them otherwise: a shape left open is no harm, a wrong one would be.
        return None
    # Settings are handed on as they stand, and an altered file may have anything there.
    return found if found is None or all(_is_size(size) for size in found) else None


def _is_size(size: object) -> bool:
    return size is None or (isinstance(size, int) and not isinstance(size, bool) and size >= 0)


def _same(config: Config, inputs: _Known) -> Shape:
    return inputs[0]


def _merged(config: Config, inputs: _Known) -> Shape:
    rank = max(len(shape) for shape in inputs)
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in inputs]
    return tuple(None if None in sizes else max(cast("tuple[int, ...]", sizes)) for sizes in zip(*padded, strict=True))


def _concatenated(config: Config, inputs: _Known) -> Shape:
    axis = int(config.get("axis", config.get("concat_axis", -1)))
    index = axis - 1 if axis > 0 else len(inputs[0]) + axis
    sizes = [shape[index] for shape in inputs]
    total = None if None in sizes else sum(cast("list[int]", sizes))
    return (*inputs[0][:index], total, *inputs[0][index + 1 :])


def _channels_first(config: Config) -> bool:
    return config.get("data_format") == "channels_first" or config.get("dim_ordering") == "th"


def _spatial(config: Config, shape: Shape) -> tuple[Shape, int | None]:
    return (shape[1:], shape[0]) if _channels_first(config) else (shape[:-1], shape[-1])


def _joined(config: Config, spatial: Sequence[int | None], channels: int | None) -> Shape:
    return (channels, *spatial) if _channels_first(config) else (*spatial, channels)


def _numbers(value: Any, count: int) -> list[int]:
    return [int(item) for item in value] if isinstance(value, (list, tuple)) else [int(value)] * count


def _window(size: int | None, width: int, step: int, dilation: int, padding: str) -> int | None:
    if size is None:
        return None
    reach = (width - 1) * dilation
    return -(-size // step) if padding in ("same", "causal") else (size - reach - 1) // step + 1


def _slid(config: Config, shape: Shape, widths: Any, steps: Any) -> list[int | None]:
    spatial, _ = _spatial(config, shape)
    count = len(spatial)
    padding = str(config.get("padding", config.get("border_mode", "valid")))
    dilations = _numbers(config.get("dilation_rate", 1), count)
    sizes = zip(spatial, _numbers(widths, count), _numbers(steps, count), dilations, strict=True)
    return [_window(size, width, step, dilation, padding) for size, width, step, dilation in sizes]


def _steps(config: Config) -> Any:
    return config.get("strides", config.get("subsample", config.get("subsample_length", 1)))


def _width(config: Config) -> Any:
    if "kernel_size" in config:
        return config["kernel_size"]
    return [config["nb_row"], config["nb_col"]] if "nb_row" in config else config["filter_length"]


def _convolved(config: Config, inputs: _Known) -> Shape:
    channels = config.get("filters", config.get("nb_filter"))
    return _joined(config, _slid(config, inputs[0], _width(config), _steps(config)), channels)


def _depthwise(config: Config, inputs: _Known) -> Shape:
    channels = _spatial(config, inputs[0])[1]
    channels = None if channels is None else channels * int(config.get("depth_multiplier", 1))
    return _joined(config, _slid(config, inputs[0], _width(config), _steps(config)), channels)


def _transposed(config: Config, inputs: _Known) -> Shape | None:
    if config.get("output_padding") is not None or config.get("padding") not in ("same", "valid"):
        return None
    spatial, _ = _spatial(config, inputs[0])
    count = len(spatial)
    steps, widths = _numbers(config["strides"], count), _numbers(config["kernel_size"], count)
    extra = [
        0 if config["padding"] == "same" else max(width - step, 0) for width, step in zip(widths, steps, strict=True)
    ]
    sizes = zip(spatial, steps, extra, strict=True)
    return _joined(
        config, [None if size is None else size * step + more for size, step, more in sizes], config["filters"]
    )


def _pooled(config: Config, inputs: _Known) -> Shape:
    widths = config.get("pool_size", config.get("pool_length"))
    steps = config.get("strides") or config.get("stride") or widths
    return _joined(config, _slid(config, inputs[0], widths, steps), _spatial(config, inputs[0])[1])


def _globally_pooled(config: Config, inputs: _Known) -> Shape:
    spatial, channels = _spatial(config, inputs[0])
    return _joined(config, [1] * len(spatial), channels) if config.get("keepdims") else (channels,)


def _pairs(value: Any, count: int) -> list[tuple[int, int]]:
    if isinstance(value, int):
        return [(value, value)] * count
    items = list(value)
    if count == 1 and all(isinstance(item, int) for item in items):
        return [(items[0], items[1])]
    return [(item, item) if isinstance(item, int) else (int(item[0]), int(item[1])) for item in items]


def _padded(sign: int, setting: str) -> Callable[[Config, _Known], Shape]:
    def rule(config: Config, inputs: _Known) -> Shape:
        spatial, channels = _spatial(config, inputs[0])
        pairs = _pairs(config[setting], len(spatial))
        sizes = zip(spatial, pairs, strict=True)
        return _joined(config, [None if size is None else size + sign * sum(pair) for size, pair in sizes], channels)

    return rule


def _upsampled(config: Config, inputs: _Known) -> Shape:
    spatial, channels = _spatial(config, inputs[0])
    factors = _numbers(config.get("size", config.get("length")), len(spatial))
    sizes = zip(spatial, factors, strict=True)
    return _joined(config, [None if size is None else size * factor for size, factor in sizes], channels)


def _flattened(config: Config, inputs: _Known) -> Shape:
    return (None,) if None in inputs[0] else (prod(cast("tuple[int, ...]", inputs[0])),)


def _dense(config: Config, inputs: _Known) -> Shape:
    return (*inputs[0][:-1], config.get("units", config.get("output_dim")))


def _reshaped(config: Config, inputs: _Known) -> Shape:
    target = [int(size) for size in config["target_shape"]]
    if -1 not in target:
        return tuple(target)
    if None in inputs[0]:
        return tuple(None if size == -1 else size for size in target)
    total = prod(cast("tuple[int, ...]", inputs[0]))
    rest = total // prod(size for size in target if size != -1)
    return tuple(rest if size == -1 else size for size in target)


def _permuted(config: Config, inputs: _Known) -> Shape:
    return tuple(inputs[0][int(axis) - 1] for axis in config["dims"])


def _repeated(config: Config, inputs: _Known) -> Shape:
    return (int(config["n"]), *inputs[0])


def _embedded(config: Config, inputs: _Known) -> Shape:
    return (*inputs[0], config["output_dim"])


def _recurrent(config: Config, inputs: _Known) -> Shape:
    units = config.get("units", config.get("output_dim"))
    return (inputs[0][0], units) if config.get("return_sequences") else (units,)


def _both_ways(config: Config, inputs: _Known) -> Shape | None:
    one = inferred(described(config["layer"]), inputs)
    if one is None or config.get("merge_mode", "concat") != "concat" or one[-1] is None:
        return one if config.get("merge_mode") else None
    return (*one[:-1], 2 * one[-1])


def _distributed(config: Config, inputs: _Known) -> Shape | None:
    layer = described(config["layer"])
    one = None if layer.is_model else inferred(layer, [inputs[0][1:]])
    return None if one is None else (inputs[0][0], *one)


def _attended(config: Config, inputs: _Known) -> Shape | None:
    return inputs[0] if config.get("output_shape") is None else None


# fmt: off
_IDENTITIES = (
    "Activation", "ActivityRegularization", "AlphaDropout", "BatchNormalization", "Dropout", "ELU", "GaussianDropout",
    "GaussianNoise", "GroupNormalization", "Identity", "LayerNormalization", "LeakyReLU", "Masking", "Normalization",
    "PReLU", "RMSNormalization", "ReLU", "Rescaling", "Softmax", "SpatialDropout1D", "SpatialDropout2D",
    "SpatialDropout3D", "ThresholdedReLU", "UnitNormalization", "RandomFlip", "RandomRotation", "RandomZoom",
    "RandomTranslation", "RandomContrast", "RandomBrightness", "RandomErasing",
)
# fmt: on
_MERGES = ("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract")

_RULES: Mapping[str, Callable[[Config, _Known], Shape | None]] = {
    **dict.fromkeys(_IDENTITIES, _same),
    **dict.fromkeys(_MERGES, _merged),
    "Concatenate": _concatenated,
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D", "SeparableConv1D", "SeparableConv2D"), _convolved),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), _depthwise),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), _transposed),
    **{f"{kind}Pooling{n}D": _pooled for kind in ("Max", "Average") for n in (1, 2, 3)},
    **{f"Global{kind}Pooling{n}D": _globally_pooled for kind in ("Max", "Average") for n in (1, 2, 3)},
    **{f"ZeroPadding{n}D": _padded(1, "padding") for n in (1, 2, 3)},
    **{f"Cropping{n}D": _padded(-1, "cropping") for n in (1, 2, 3)},
    **{f"UpSampling{n}D": _upsampled for n in (1, 2, 3)},
    "Flatten": _flattened,
    "Dense": _dense,
    "Reshape": _reshaped,
    "Permute": _permuted,
    "RepeatVector": _repeated,
    "Embedding": _embedded,
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN"), _recurrent),
    "Bidirectional": _both_ways,
    "TimeDistributed": _distributed,
    "MultiHeadAttention": _attended,
}
