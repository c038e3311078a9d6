"""Convolutions of one to three axes of space: plain, in groups, depthwise, transposed."""

from collections.abc import Sequence
from typing import Any

import keras

from regraft.importers.graphs.builder import Builder
from regraft.importers.graphs.neutral import Array, Node, UnsupportedError
from regraft.importers.graphs.operations import bias, windows
from regraft.importers.graphs.values import Constant, Live, Value

_layers: Any = keras.layers
_PLAIN = (_layers.Conv1D, _layers.Conv2D, _layers.Conv3D)
_DEPTHWISE = (_layers.DepthwiseConv1D, _layers.DepthwiseConv2D)
_TRANSPOSED = (_layers.Conv1DTranspose, _layers.Conv2DTranspose, _layers.Conv3DTranspose)


def conv(node: Node, build: Builder) -> Sequence[Value]:
    """A convolution, or a depthwise one where every channel is a group of its own."""
    x, kernel = _operands(node, build)
    settings = node.settings
    *window, inputs, outputs = kernel.values.shape
    build.sized(kernel, *window, x.tensor.shape[-1] / settings["groups"], outputs)
    tensor = x.tensor
    pads = windows.resolved(settings["padding"], tensor.shape[1:-1], window, settings["strides"], settings["dilations"])
    if not isinstance(pads, str):
        tensor, pads = windows.padded(build, node, tensor, pads), "valid"
    offset = bias.of(node, build, outputs)
    config: dict[str, Any] = {"padding": pads, "use_bias": offset is not None}
    config |= {"kernel_size": tuple(window), "strides": settings["strides"], "dilation_rate": settings["dilations"]}
    groups = settings["groups"]
    if groups > 1 == inputs and _runs_depthwise(settings, window):
        config["depth_multiplier"] = outputs // groups
        kernel = kernel.of(_by_channel(kernel.values, groups))
        kind = _DEPTHWISE[len(window) - 1]
    else:
        config |= {"filters": outputs, "groups": groups}
        kind = _PLAIN[len(window) - 1]
    return [x.with_tensor(build.weighted(node, kind, tensor, {"kernel": kernel, "bias": offset}, **config))]


def conv_transposed(node: Node, build: Builder) -> Sequence[Value]:
    """The gradient of a convolution; what padding takes away at the borders is cropped."""
    x, kernel = _operands(node, build)
    settings = node.settings
    *window, outputs, _ = kernel.values.shape
    build.sized(kernel, *window, outputs, x.tensor.shape[-1])
    if settings["groups"] != 1:
        raise UnsupportedError("Keras has no transposed convolution in groups")
    offset = bias.of(node, build, outputs)
    crops, further = _crops(settings, x.tensor.shape[1:-1], window)
    config: dict[str, Any] = {"padding": "valid", "use_bias": offset is not None, "filters": outputs}
    config |= {"kernel_size": tuple(window), "strides": settings["strides"], "dilation_rate": settings["dilations"]}
    if any(further):
        config["output_padding"] = tuple(further)
    if len(window) == 1:
        config = {key: value[0] if isinstance(value, tuple) else value for key, value in config.items()}
    kind = _TRANSPOSED[len(window) - 1]
    tensor = build.weighted(node, kind, x.tensor, {"kernel": kernel, "bias": offset}, **config)
    return [x.with_tensor(windows.cropped(build, node, tensor, crops))]


def _operands(node: Node, build: Builder) -> tuple[Live, Constant]:
    x = build.channels_last(node, build.live(node))
    kernel = build.constant(node, 1)
    if not 3 <= kernel.values.ndim <= 5:
        raise UnsupportedError(f"a kernel of shape {kernel.values.shape}; Keras convolves over one to three axes")
    return x, kernel.of(kernel.values.transpose(node.settings["kernel_axes"]))


def _runs_depthwise(settings: Any, window: Sequence[int]) -> bool:
    # TensorFlow's kernel wants one stride for both axes, and no dilation beside a stride.
    strides, dilations = set(settings["strides"]), set(settings["dilations"])
    return len(window) <= len(_DEPTHWISE) and len(strides) == 1 and (strides == {1} or dilations == {1})


def _by_channel(kernel: Array, groups: int) -> Array:
    """(window ..., 1, channels * multiplier) as (window ..., channels, multiplier)."""
    return kernel.reshape((*kernel.shape[:-2], groups, -1))


def _crops(settings: Any, sizes: windows.Sizes, window: Sequence[int]) -> tuple[windows.Pads, tuple[int, ...]]:
    """What to cut off Keras' full result at both ends, and what to add where that is too short."""
    strides, dilations, padding = settings["strides"], settings["dilations"], settings["padding"]
    further = settings.get("output_padding") or (0,) * len(window)
    reach = [(width - 1) * dilation + 1 for width, dilation in zip(window, dilations, strict=True)]
    if padding == "valid":
        padding = ((0, 0),) * len(window)
    elif isinstance(padding, str):
        # The result is to have size * stride elements.
        totals = [max(far - stride + more, 0) for far, stride, more in zip(reach, strides, further, strict=True)]
        halves = [(total // 2, total - total // 2) for total in totals]
        padding = tuple(halves if padding == "same" else [pair[::-1] for pair in halves])
    crops: list[tuple[int, int]] = []
    added: list[int] = []
    for (before, after), more, far, stride in zip(padding, further, reach, strides, strict=True):
        # Keras fills up a window that is narrower than its stride.
        surplus = max(stride - far, 0) if more <= after else 0
        crops.append((before, max(after - more, 0) + surplus))
        added.append(max(more - after, 0))
    if any(added) and not all(added):
        raise UnsupportedError("needs padding of the result along some axes only")
    return tuple(crops), tuple(added)
