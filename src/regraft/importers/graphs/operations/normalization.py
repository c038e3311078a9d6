"""Normalisation: over a batch, over channels, over groups of channels, over neighbouring channels."""

from collections.abc import Sequence
from typing import Any

import keras

from regraft.importers.graphs.builder import Builder, channel_order
from regraft.importers.graphs.neutral import Node, UnsupportedError
from regraft.importers.graphs.values import Constant, Live, Value


def batch_norm(node: Node, build: Builder) -> Sequence[Value]:
    """Batch normalisation with its statistics, which stay statistics."""
    if any(build.consumers.get(name) for name in node.outputs[1:]):
        raise UnsupportedError("the statistics of the batch are asked for as well")
    x = build.live(node)
    axis = node.settings["channels"] % x.rank
    if axis not in x.axes:
        x = build.arranged(node, x, channel_order(x.rank, node.settings["channels"]))
    scale, offset = build.constant_or(node, 1, None), build.constant_or(node, 2, None)
    weights = {
        "gamma": scale,
        "beta": offset,
        "moving_mean": build.constant(node, 3),
        "moving_variance": build.constant(node, 4),
    }
    config: dict[str, Any] = {
        "axis": x.place(axis),
        "epsilon": node.settings["epsilon"],
        "momentum": node.settings["momentum"],
    }
    config |= {"scale": scale is not None, "center": offset is not None}
    ordered = {place: _ordered(build, x, axis, values) for place, values in weights.items()}
    return [x.with_tensor(build.weighted(node, keras.layers.BatchNormalization, x.tensor, ordered, **config))]


def layer_norm(node: Node, build: Builder) -> Sequence[Value]:
    """Every example on its own, over the last axes."""
    x = build.live(node)
    x = build.plain(node, build.arranged(node, x, (x.batch, *(axis for axis in range(x.rank) if axis != x.batch))))
    first = node.settings["axis"] % x.rank
    scale, offset = build.constant_or(node, 1, None), build.constant_or(node, 2, None)
    config: dict[str, Any] = {"axis": list(range(first, x.rank)), "epsilon": node.settings["epsilon"]}
    config |= {"scale": scale is not None, "center": offset is not None}
    shape = x.tensor.shape[first:]
    weights = {name: item and build.sized(item, *shape) for name, item in (("gamma", scale), ("beta", offset))}
    return [x.with_tensor(build.weighted(node, keras.layers.LayerNormalization, x.tensor, weights, **config))]


def group_norm(node: Node, build: Builder) -> Sequence[Value]:
    """Every example on its own, over space and groups of channels."""
    x = build.channels_last(node, build.live(node))
    config: dict[str, Any] = {
        "groups": node.settings["groups"] or x.tensor.shape[-1],
        "axis": -1,
        "epsilon": node.settings["epsilon"],
    }
    weights = {"gamma": build.constant(node, 1), "beta": build.constant(node, 2)}
    weights = {name: build.sized(item, x.tensor.shape[-1]) for name, item in weights.items()}
    return [x.with_tensor(build.weighted(node, keras.layers.GroupNormalization, x.tensor, weights, **config))]


def lrn(node: Node, build: Builder) -> Sequence[Value]:
    """X / (bias + alpha * mean of squares over neighbouring channels) ^ beta, by pooling over channels.

    Krizhevsky, Sutskever, Hinton: ImageNet Classification with Deep Convolutional Neural Networks, 2012, section 3.3.
    """
    x = build.channels_last(node, build.live(node))
    settings, tensor = node.settings, x.tensor
    size, channels = settings["size"], tensor.shape[-1]
    ops, layers = keras.ops, keras.layers
    squares: Any = build.operated(node, ops.square(tensor), "_squares")
    rows = build.applied(node, layers.Reshape, squares, "_rows", target_shape=(-1, channels, 1))
    border = ((0, 0), ((size - 1) // 2, size // 2))
    rows = build.applied(node, layers.ZeroPadding2D, rows, "_pad", padding=border)
    rows = build.applied(node, layers.AveragePooling2D, rows, "_mean", pool_size=(1, size), strides=1)
    means = build.reshaped(node, rows, tensor.shape[1:], "_back")
    base = build.applied(node, layers.Rescaling, means, "_base", scale=settings["alpha"], offset=settings["bias"])
    factor: Any = build.operated(node, ops.power(base, -settings["beta"]), "_factor")
    return [x.with_tensor(build.applied(node, layers.Multiply, [tensor, factor]))]


def _ordered(build: Builder, x: Live, axis: int, values: Constant | None) -> Constant | None:
    if values is None:
        return None
    flat = build.sized(values.of(values.values.reshape(-1)), x.tensor.shape[x.place(axis)])
    return flat.of(flat.values[x.folds[axis].places()]) if axis in x.folds else flat
