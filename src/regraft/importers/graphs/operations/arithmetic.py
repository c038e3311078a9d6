"""Two values joined element by element, either of which may be constant."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from regraft.importers.graphs.builder import Builder
from regraft.importers.graphs.neutral import Array, Node, UnsupportedError
from regraft.importers.graphs.operations import shaping
from regraft.importers.graphs.values import Constant, Live, Value

_JOINING: dict[str, Any] = {
    "add": keras.layers.Add,
    "subtract": keras.layers.Subtract,
    "multiply": keras.layers.Multiply,
    "maximum": keras.layers.Maximum,
    "minimum": keras.layers.Minimum,
}
_LETTERS = "abcdefgh"
# Larger constants would make the model's configuration unreadable.
_LARGEST_IN_CONFIG = 4096


def binary(node: Node, build: Builder) -> Sequence[Value]:
    """An operation on two values."""
    first, second = build.operand(node, 0), build.operand(node, 1)
    function = node.settings["function"]
    if isinstance(first, Live) and isinstance(second, Live):
        return [joined(node, build, function, first, second)]
    if isinstance(first, Live) and isinstance(second, Constant):
        return [_with_constant(node, build, function, first, second, swapped=False)]
    if isinstance(first, Constant) and isinstance(second, Live):
        return [_with_constant(node, build, function, second, first, swapped=True)]
    raise UnsupportedError("expected two operands")


def where(node: Node, build: Builder) -> Sequence[Value]:
    """One of two values, element by element; constants must be single numbers."""
    given = [build.operand(node, index) for index in range(3)]
    alive = [value for value in given if isinstance(value, Live)]
    axes = alive[0].axes
    tensors: list[Any] = []
    for value in given:
        if isinstance(value, Live):
            tensors.append(build.plain(node, build.arranged(node, value, axes)).tensor)
        elif isinstance(value, Constant) and value.values.size == 1:
            tensors.append(value.values.reshape(-1)[0].item())
        else:
            raise UnsupportedError("a choice between tables of constants")
    return [Live(build.operated(node, keras.ops.where(*tensors)), axes, alive[0].rank)]


def joined(node: Node, build: Builder, function: str, first: Live, second: Live) -> Live:
    """Two values that depend on the input."""
    if first.rank != second.rank or first.batch != second.batch:
        raise UnsupportedError(f"{first.said()} with {second.said()}")
    axes = _common(first, second)
    sides = [build.arranged(node, side, axes) for side in (first, second)]
    if sides[0].folds != sides[1].folds:
        sides = [build.plain(node, side) for side in sides]
    tensors = [side.tensor for side in sides]
    if function in _JOINING:
        return sides[0].with_tensor(build.applied(node, _JOINING[function], tensors))
    return sides[0].with_tensor(build.operated(node, getattr(keras.ops, function)(*tensors)))


def _common(first: Live, second: Live) -> tuple[int, ...]:
    """An order with the axes of both."""
    for one, other in ((first, second), (second, first)):
        if set(other.axes) <= set(one.axes):
            return one.axes
    return (first.batch, *(axis for axis in range(first.rank) if axis != first.batch))


def _with_constant(node: Node, build: Builder, function: str, x: Live, constant: Constant, swapped: bool) -> Live:
    missing = _missing(x, constant.values)
    if missing:
        x = build.arranged(node, x, (*x.axes, *missing))
    x = _as_large(node, build, x, constant.values)
    if function == "subtract" and swapped:
        negative = x.with_tensor(build.applied(node, keras.layers.Rescaling, x.tensor, "_negative", scale=-1.0))
        return _with_constant(node, build, "add", negative, constant, swapped=False)
    if constant.values.size == 1 and constant.learns and build.graph.certain:
        line = _as_line(function, constant.values, swapped)
        if line is not None:
            return _number_that_learns(node, build, x, constant, *line)
    if constant.values.size == 1:
        return x.with_tensor(
            _with_number(node, build, function, x.tensor, float(constant.values.reshape(-1)[0]), swapped)
        )
    line = _as_line(function, constant.values, swapped)
    if line is not None:
        learns = constant.learns and node.inputs[swapped ^ 1] not in build.raw and not _is_raw(node, build)
        return _affine(node, build, x, constant, *line) if learns else _fixed_line(node, build, x, *line)
    laid = _small(x.laid_out(constant.values))
    pair = (laid, x.tensor) if swapped else (x.tensor, laid)
    return x.with_tensor(build.operated(node, getattr(keras.ops, function)(*pair)))


def _number_that_learns(
    node: Node, build: Builder, x: Live, constant: Constant, scale: Array | None, offset: Array | None
) -> Live:
    """X * scale or x + offset with one learned number for all elements: a `Dense` layer on every element by itself."""
    if scale is None:
        ones = (1,) * (len(x.tensor.shape) - 1)
        number = constant.values if offset is None else offset
        added = shaping.spread(node, build, constant.of(number.reshape(ones)), x.tensor)
        return x.with_tensor(build.applied(node, keras.layers.Add, [x.tensor, added], "_added"))
    kinds: Any = keras.layers
    flat = build.applied(node, kinds.Reshape, x.tensor, "_elements", target_shape=(-1, 1))
    weights = {"kernel": constant.of(scale.reshape(1, 1))}
    scaled = build.weighted(node, kinds.Dense, flat, weights, units=1, use_bias=False)
    return x.with_tensor(build.reshaped(node, scaled, x.tensor.shape[1:], "_shape"))


def _is_raw(node: Node, build: Builder) -> bool:
    return all(name in build.raw for name in node.inputs if isinstance(build.value(name), Live))


def _missing(x: Live, values: Array) -> list[int]:
    """The axes that the constants have and the tensor, whose size there is one, has not."""
    whole = (1,) * (x.rank - values.ndim) + values.shape
    return [axis for axis in range(x.rank) if axis not in x.axes and whole[axis] != 1]


def _as_large(node: Node, build: Builder, x: Live, values: Array) -> Live:
    """The value, repeated along axes of size one where the constants are larger."""
    whole = (1,) * (x.rank - values.ndim) + values.shape
    repeats = [new if old == 1 else 1 for old, new in zip(x.shape, whole, strict=True)]
    return shaping.repeated(node, build, x, repeats)


def _with_number(node: Node, build: Builder, function: str, tensor: Any, number: float, swapped: bool) -> Any:
    lines = {"add": (1.0, number), "multiply": (number, 0.0)}
    lines["subtract"] = (-1.0, number) if swapped else (1.0, -number)
    if not swapped and number:
        lines["divide"] = (1 / number, 0.0)
    if function in lines and str(tensor.dtype).startswith("float"):
        scale, offset = lines[function]
        return build.applied(node, keras.layers.Rescaling, tensor, scale=scale, offset=offset)
    ops: Any = keras.ops
    if function == "power" and not swapped and number in (2.0, 0.5):
        return build.operated(node, ops.square(tensor) if number == 2 else ops.sqrt(tensor))
    if not str(tensor.dtype).startswith("float") and number.is_integer():
        number = int(number)
    pair = (number, tensor) if swapped else (tensor, number)
    return build.operated(node, getattr(ops, function)(*pair))


def _as_line(function: str, values: Array, swapped: bool) -> tuple[Array | None, Array | None] | None:
    """The operation as x * scale + offset, if it is one; None for a scale of one or an offset of nothing."""
    match function, swapped:
        case ("add", _):
            return None, values
        case ("multiply", _):
            return values, None
        case ("subtract", False):
            return None, -values
        case ("divide", False) if (values != 0).all():
            return (1 / values.astype(np.float64)).astype(np.float32), None
        case _:
            return None


def _affine(node: Node, build: Builder, x: Live, constant: Constant, scale: Array | None, offset: Array | None) -> Live:
    """X * scale + offset with both learned, as an `EinsumDense` whose kernel goes element by element.

    A multiplication takes the addition after it along. An addition alone has its constants spread over the examples:
    that layer would have a kernel of ones beside them, which learns too.
    """
    if scale is None and offset is not None:
        laid = x.laid_out(offset)
        added = shaping.spread(node, build, constant.of(laid[0]), x.tensor)
        return x.with_tensor(build.applied(node, keras.layers.Add, [x.tensor, added], "_added"))
    given = {"kernel": None if scale is None else constant.of(scale), "bias": None}
    follower = build.follower(node, "binary")
    if follower is not None and follower.settings["function"] == "add":
        other = next((build.value(name) for name in follower.inputs if name != node.outputs[0]), None)
        if isinstance(other, Constant) and other.learns and other.values.shape == constant.values.shape:
            given["bias"] = other
            build.absorb(follower, node)
    laid = x.laid_out(constant.values)
    places = [place for place in range(1, laid.ndim) if laid.shape[place] != 1]
    whole, own = _LETTERS[: laid.ndim], "".join(_LETTERS[place] for place in places)
    config: dict[str, Any] = {"equation": f"{whole},{own}->{whole}", "output_shape": tuple(x.tensor.shape[1:])}
    config["bias_axes"] = own if given["bias"] is not None else None
    weights = {
        key: None if item is None else item.of(x.laid_out(item.values).reshape([laid.shape[place] for place in places]))
        for key, item in given.items()
    }
    return x.with_tensor(build.weighted(node, keras.layers.EinsumDense, x.tensor, weights, **config))


def _fixed_line(node: Node, build: Builder, x: Live, scale: Array | None, offset: Array | None) -> Live:
    """X * scale + offset with constants: preprocessing, which training leaves alone."""
    scale = None if scale is None else x.laid_out(scale)
    offset = None if offset is None else x.laid_out(offset)
    shapes = [given.shape for given in (scale, offset) if given is not None]
    if all(size == 1 for shape in shapes for size in shape[:-1]):
        config: dict[str, Any] = {"scale": 1.0 if scale is None else _small(scale.reshape(-1)).tolist()}
        config["offset"] = 0.0 if offset is None else _small(offset.reshape(-1)).tolist()
        return x.with_tensor(build.applied(node, keras.layers.Rescaling, x.tensor, **config))
    ops: Any = keras.ops
    result = x.tensor if scale is None else ops.multiply(x.tensor, _small(scale))
    return x.with_tensor(build.operated(node, result if offset is None else ops.add(result, _small(offset))))


def _small(values: Array) -> Array:
    if values.size > _LARGEST_IN_CONFIG:
        raise UnsupportedError(
            f"{values.size} constants that are no weights; Keras would keep them in the configuration"
        )
    return values
