"""Pooling with every rounding and every way of counting the border."""

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from regraft.importers.graphs.builder import Builder
from regraft.importers.graphs.neutral import Array, Node, UnsupportedError
from regraft.importers.graphs.operations import windows
from regraft.importers.graphs.values import Live, Value

_layers: Any = keras.layers
_POOLS: dict[str, tuple[Any, ...]] = {
    "max": (_layers.MaxPooling1D, _layers.MaxPooling2D, _layers.MaxPooling3D),
    "average": (_layers.AveragePooling1D, _layers.AveragePooling2D, _layers.AveragePooling3D),
}
_GLOBAL: dict[str, tuple[Any, ...]] = {
    "max": (_layers.GlobalMaxPooling1D, _layers.GlobalMaxPooling2D, _layers.GlobalMaxPooling3D),
    "average": (_layers.GlobalAveragePooling1D, _layers.GlobalAveragePooling2D, _layers.GlobalAveragePooling3D),
}


def pool(node: Node, build: Builder) -> Sequence[Value]:
    """The largest or the mean of every window."""
    settings = node.settings
    if len(node.outputs) > 1 and any(build.consumers.get(name) for name in node.outputs[1:]):
        raise UnsupportedError("the places of the largest elements are asked for as well")
    x = build.channels_last(node, build.live(node))
    window, strides = settings["window"], settings["strides"]
    dilations = settings.get("dilations") or (1,) * len(window)
    if set(dilations) != {1}:
        raise UnsupportedError("Keras has no pooling with dilation")
    sizes = x.tensor.shape[1:-1]
    padding = windows.resolved(settings["padding"], sizes, window, strides, dilations)
    average = settings["mode"] == "average"
    if (average and padding == "same" and settings.get("count_padding")) or settings.get("ceil"):
        padding = windows.explicit(padding, sizes, window, strides, dilations)
    if isinstance(padding, str):
        tensor = _pooled(node, build, x.tensor, padding)
    elif average:
        tensor = _averaged(node, build, x.tensor, padding)
    else:
        lowest = 0.0 if node.inputs[0] in build.never_negative else windows.LOWEST
        grown = _grown(padding, sizes, window, strides) if settings.get("ceil") else padding
        tensor = _pooled(node, build, windows.padded(build, node, x.tensor, grown, lowest), "valid")
    if node.inputs[0] in build.never_negative:
        build.never_negative.update(node.outputs)
    return [x.with_tensor(tensor)]


def global_pool(node: Node, build: Builder) -> Sequence[Value]:
    """One number for each channel; the axes of space are left out of the tensor, their size being one."""
    x = build.channels_last(node, build.live(node))
    tensor = build.applied(node, _GLOBAL[node.settings["mode"]][x.rank - 3], x.tensor)
    return [Live(tensor, (0, node.settings["channels"] % x.rank), x.rank)]


def _pooled(node: Node, build: Builder, tensor: Any, padding: str) -> Any:
    window, strides = node.settings["window"], node.settings["strides"]
    kind = _POOLS[node.settings["mode"]][len(window) - 1]
    sizes = (window[0], strides[0]) if len(window) == 1 else (tuple(window), tuple(strides))
    return build.applied(node, kind, tensor, pool_size=sizes[0], strides=sizes[1], padding=padding)


def _averaged(node: Node, build: Builder, tensor: Any, pads: windows.Pads) -> Any:
    """Means of padded windows: of all of a window, then put right by how much of it counts, which is constant."""
    settings, sizes = node.settings, tensor.shape[1:-1]
    window, strides = settings["window"], settings["strides"]
    counted = bool(settings.get("count_padding"))
    if counted and not settings.get("ceil"):
        return _pooled(node, build, windows.padded(build, node, tensor, pads), "valid")
    grown = _grown(pads, sizes, window, strides) if settings.get("ceil") else pads
    pooled = _pooled(node, build, windows.padded(build, node, tensor, grown), "valid")
    share = _shares(windows.known(sizes), window, strides, pads, grown, counted)
    if (share == 1).all():
        return pooled
    # Normalization divides by the root of its variance: a constant factor for every place, without variables.
    axes = tuple(range(1, share.ndim + 1))
    kind: Any = keras.layers.Normalization
    return build.applied(
        node, kind, pooled, "_border", axis=axes, mean=np.zeros_like(share).tolist(), variance=(share**2).tolist()
    )


def _grown(pads: windows.Pads, sizes: windows.Sizes, window: Sequence[int], strides: Sequence[int]) -> windows.Pads:
    """More padding at the end, so that rounding down gives what rounding up would have given.

    A window that would begin in the padding at the end is left out, as PyTorch and ONNX say.
    """
    grown: list[tuple[int, int]] = []
    for (before, after), size, width, stride in zip(pads, windows.known(sizes), window, strides, strict=True):
        count = -(-(size + before + after - width) // stride) + 1
        count -= (count - 1) * stride >= size + before
        grown.append((before, max((count - 1) * stride + width - size - before, after)))
    return tuple(grown)


def _shares(
    sizes: tuple[int, ...],
    window: Sequence[int],
    strides: Sequence[int],
    pads: windows.Pads,
    grown: windows.Pads,
    counted: bool,
) -> Array:
    """How much of each window counts, as a part of all of it."""
    shares: list[Array] = []
    for size, width, stride, pad, more in zip(sizes, window, strides, pads, grown, strict=True):
        ones = np.zeros(more[0] + size + more[1])
        ones[more[0] - pad[0] * counted : more[0] + size + pad[1] * counted] = 1
        starts = range(0, len(ones) - width + 1, stride)
        shares.append(np.array([ones[start : start + width].mean() for start in starts]))
    return np.array([np.prod(row) for row in itertools.product(*shares)]).reshape([len(row) for row in shares])
