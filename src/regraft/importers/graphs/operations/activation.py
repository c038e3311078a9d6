"""Functions of one value, element by element or along an axis."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from regraft.importers.graphs.builder import Builder
from regraft.importers.graphs.neutral import Node, UnsupportedError
from regraft.importers.graphs.values import Constant, Live, Merged, Value

# Functions with arguments have layers of their own; what each argument is called there.
_LAYERS: dict[str, Any] = {"leaky_relu": keras.layers.LeakyReLU, "elu": keras.layers.ELU, "relu": keras.layers.ReLU}
_NEVER_NEGATIVE = frozenset(("relu", "relu6", "sigmoid", "hard_sigmoid", "softplus", "exponential"))


def activation(node: Node, build: Builder) -> Sequence[Value]:
    """A function of `keras.activations`."""
    x = build.live(node)
    function = node.settings["function"]
    config = {key: value for key, value in node.settings.items() if key != "function"}
    if function in _NEVER_NEGATIVE:
        build.never_negative.update(node.outputs)
    if function in _LAYERS:
        return [x.with_tensor(build.applied(node, _LAYERS[function], x.tensor, **config))]
    kind: Any = keras.layers.Activation
    return [x.with_tensor(build.applied(node, kind, x.tensor, activation=function))]


def hard_sigmoid(node: Node, build: Builder) -> Sequence[Value]:
    """max(0, min(1, slope * x + offset)), with any slope and offset."""
    x = build.live(node)
    settings = node.settings
    build.never_negative.update(node.outputs)
    scaled = build.applied(
        node, keras.layers.Rescaling, x.tensor, "_line", scale=settings["slope"], offset=settings["offset"]
    )
    return [x.with_tensor(build.applied(node, keras.layers.ReLU, scaled, max_value=1.0))]


def clip(node: Node, build: Builder) -> Sequence[Value]:
    """Between two bounds, either of which may be left out."""
    x = build.live(node)
    low, high = _bound(node, build, 1), _bound(node, build, 2)
    if low == 0:
        build.never_negative.update(node.outputs)
        return [x.with_tensor(build.applied(node, keras.layers.ReLU, x.tensor, max_value=high))]
    if low is None and high is None:
        return [x]
    ops: Any = keras.ops
    if low is None or high is None:
        limited = ops.minimum(x.tensor, high) if low is None else ops.maximum(x.tensor, low)
    else:
        limited = ops.clip(x.tensor, low, high)
    return [x.with_tensor(build.operated(node, limited))]


def prelu(node: Node, build: Builder) -> Sequence[Value]:
    """A slope for negative values that is learned, for each channel or each element."""
    x = build.plain(node, build.live(node))
    slope = build.constant(node, 1)
    laid = x.laid_out(slope.values)
    if any(own not in (1, size) for own, size in zip(laid.shape[1:], x.tensor.shape[1:], strict=True)):
        raise UnsupportedError(f"slopes of shape {slope.values.shape} for {x.said()}")
    shared = [place for place in range(1, laid.ndim) if laid.shape[place] == 1]
    if laid.ndim < 2:
        raise UnsupportedError(f"slopes of shape {slope.values.shape} for {x.said()}")
    kind: Any = keras.layers.PReLU
    return [
        x.with_tensor(build.weighted(node, kind, x.tensor, {"alpha": slope.of(laid[0])}, shared_axes=shared or None))
    ]


def softmax(node: Node, build: Builder) -> Sequence[Value]:
    """Exponentials that add up to one along an axis."""
    x = build.live(node)
    axis = node.settings["axis"] % x.rank
    if node.settings.get("trailing") and any(size != 1 for size in x.shape[axis + 1 :]):
        raise UnsupportedError(f"one softmax over several axes of {x.said()}")
    if axis not in x.axes:
        x = build.arranged(node, x, (*x.axes, axis))
    place = x.place(axis)
    if node.kind == "softmax":
        build.never_negative.update(node.outputs)
        return [x.with_tensor(build.applied(node, keras.layers.Softmax, x.tensor, axis=place))]
    return [x.with_tensor(build.operated(node, keras.ops.log_softmax(x.tensor, axis=place)))]


def unary(node: Node, build: Builder) -> Sequence[Value]:
    """A function of `keras.ops`."""
    x = build.live(node)
    function = node.settings["function"]
    if function in ("exp", "abs", "absolute", "square", "sqrt"):
        build.never_negative.update(node.outputs)
    if function == "negative":
        return [x.with_tensor(build.applied(node, keras.layers.Rescaling, x.tensor, scale=-1.0))]
    config = {key: value for key, value in node.settings.items() if key != "function"}
    return [x.with_tensor(build.operated(node, getattr(keras.ops, function)(x.tensor, **config)))]


def identity(node: Node, build: Builder) -> Sequence[Value]:
    """The value itself; no layer."""
    if node.inputs[0] in build.never_negative:
        build.never_negative.update(node.outputs)
    value = build.operand(node, 0)
    return [value] if value is not None else []


def dropout(node: Node, build: Builder) -> Sequence[Value]:
    """Dropout as it was trained with, so that fine-tuning has it too."""
    x = build.live(node)
    rate = build.constant_or(node, 1, None)
    share = float(node.settings.get("rate", 0.5) if rate is None else rate.values.reshape(-1)[0])
    if node.inputs[0] in build.never_negative:
        build.never_negative.update(node.outputs)
    return [x if share == 0 else x.with_tensor(build.applied(node, keras.layers.Dropout, x.tensor, rate=share))]


def cast(node: Node, build: Builder) -> Sequence[Value]:
    """To whole numbers or back; between types of floating point numbers nothing is done, float32 holds them all."""
    like = build.operand(node, 1)
    dtype = node.settings.get("dtype") or _dtype(like)
    given = build.operand(node, 0)
    if isinstance(given, Constant):
        return [given.of(given.values.astype(dtype))]
    x = build.live(node)
    floats = ("float16", "float32", "float64", "bfloat16")
    if dtype in floats and str(x.tensor.dtype) in floats:
        return [x]
    kept = "float32" if dtype in floats else "int32" if dtype == "int64" else dtype
    return [x.with_tensor(build.operated(node, keras.ops.cast(x.tensor, kept)))]


def _dtype(value: Value | None) -> str:
    if value is None or isinstance(value, Merged):
        raise UnsupportedError("a type that is not said")
    return str(value.tensor.dtype) if isinstance(value, Live) else str(value.values.dtype)


def _bound(node: Node, build: Builder, index: int) -> float | None:
    given = build.constant_or(node, index, None)
    bound = None if given is None or given.values.size != 1 else float(given.values.reshape(-1)[0])
    return None if bound is None or not np.isfinite(bound) or abs(bound) > 3e38 else bound
