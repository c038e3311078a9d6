"""What rules do to values on their way from a tensor to a variable: one small function for each step."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from regraft.core import layouts
from regraft.core.errors import RequestError
from regraft.core.layouts import Place
from regraft.core.rules import JOINING, Step

Array = np.ndarray[Any, Any]
Numbers = tuple[float, ...]


def applied(steps: Sequence[Step], arrays: Sequence[Array], places: Sequence[Place]) -> list[Array]:
    """The values for some variables, made of those of some tensors.

    Args:
        steps: what is done, in order. At most one of them splits or joins.
        arrays: the values.
        places: the variables. A step without numbers takes them from the variable.

    Returns:
        As many as there are places; of whatever shape the steps make them.

    Raises:
        RequestError: a step cannot be done to these values.
    """
    values = list(arrays)
    for step in steps:
        try:
            values = _done(step, values, places)
        except (ValueError, IndexError, TypeError) as error:
            found = " and ".join(_shown(value.shape) for value in values[:3])
            raise RequestError(f"'{step}' cannot be done to values of shape {found}: {error}") from None
    if len(values) != len(places):
        raise RequestError(
            f"{len(values)} tensors for {len(places)} variables: say '| split AXIS' for one tensor and several "
            "variables, '| merge AXIS', '| stack AXIS' or '| add' for several tensors and one variable"
        )
    return values


def _done(step: Step, values: list[Array], places: Sequence[Place]) -> list[Array]:
    if step.kind in JOINING:
        return [_JOINS[step.kind](values, step.numbers)]
    if step.kind == "split":
        if len(values) != 1:
            raise ValueError(f"expected one tensor, found {len(values)}")
        return _split(values[0], step.numbers, len(places))
    each = places if len(places) == len(values) else [places[0]] * len(values) if len(places) == 1 else [None]
    if len(each) != len(values):
        each = [None] * len(values)
    return [_EACH[step.kind](value, step.numbers, place) for value, place in zip(values, each, strict=True)]


def _as_is(value: Array, numbers: Numbers, place: Place | None) -> Array:
    return value


def _transpose(value: Array, numbers: Numbers, place: Place | None) -> Array:
    if numbers:
        return value.transpose([int(axis) for axis in numbers])
    found = layouts.ways(value.shape, _required(place)) if place else {}
    steps = [way for layout, way in found.items() if layout != layouts.AS_KERAS]
    if not steps:
        raise ValueError(f"no transposition of it fits {_shown(_required(place).shape)}; say the axes")
    return applied(steps[0], [value], [_required(place)])[0]


def _flip(value: Array, numbers: Numbers, place: Place | None) -> Array:
    if not numbers and value.ndim < 3:
        raise ValueError("it has no height and width; say the axes")
    # Keras' order: height and width first. So this stands behind a transposition.
    return np.flip(value, tuple(int(axis) for axis in numbers) or tuple(range(value.ndim - 2)))


def _reshape(value: Array, numbers: Numbers, place: Place | None) -> Array:
    return value.reshape([int(size) for size in numbers] if numbers else _required(place).shape)


def _inverse_std(value: Array, numbers: Numbers, place: Place | None) -> Array:
    epsilon = numbers[0] if numbers else place.epsilon if place else None
    if epsilon is None:
        raise ValueError("its layer adds no epsilon to a variance; say one")
    # Keras computes 1 / sqrt(variance + epsilon) again: in float64, so that the same number comes out.
    return (1.0 / np.square(value.astype(np.float64)) - epsilon).astype(value.dtype)


def _scale(value: Array, numbers: Numbers, place: Place | None) -> Array:
    return (value * np.asarray(numbers[0], np.float64)).astype(value.dtype)


def _slice(value: Array, numbers: Numbers, place: Place | None) -> Array:
    axis, start, stop = map(int, numbers)
    if not 0 <= start < stop <= value.shape[axis]:
        raise ValueError(f"expected 0 <= start < stop <= {value.shape[axis]}")
    return np.take(value, range(start, stop), axis)


def _blocks(value: Array, numbers: Numbers, place: Place | None) -> Array:
    axis, *order = map(int, numbers)
    if sorted(order) != list(range(len(order))):
        raise ValueError(f"expected the numbers 0 to {len(order) - 1} in their new order behind the axis")
    parts = np.split(value, len(order), axis)
    return np.concatenate([parts[index] for index in order], axis)


_EACH: dict[str, Callable[[Array, Numbers, Place | None], Array]] = {
    "as-is": _as_is,
    "transpose": _transpose,
    "flip": _flip,
    "reshape": _reshape,
    "inverse-std": _inverse_std,
    "scale": _scale,
    "slice": _slice,
    "blocks": _blocks,
}


def _split(value: Array, numbers: Numbers, parts: int) -> list[Array]:
    axis, *sizes = map(int, numbers)
    if not sizes:
        return np.split(value, parts, axis)
    if sum(sizes) != value.shape[axis] or len(sizes) != parts:
        raise ValueError(f"expected {parts} sizes that sum up to {value.shape[axis]}")
    return np.split(value, np.cumsum(sizes)[:-1], axis)


def _merge(values: Sequence[Array], numbers: Numbers) -> Array:
    return np.concatenate(values, int(numbers[0]))


def _stack(values: Sequence[Array], numbers: Numbers) -> Array:
    return np.stack(values, int(numbers[0]))


def _add(values: Sequence[Array], numbers: Numbers) -> Array:
    if len({value.shape for value in values}) != 1:
        raise ValueError("they differ")
    return np.sum(values, axis=0, dtype=values[0].dtype)


_JOINS: dict[str, Callable[[Sequence[Array], Numbers], Array]] = {"merge": _merge, "stack": _stack, "add": _add}


def _required(place: Place | None) -> Place:
    if place is None:
        raise ValueError("which variable it is for is not known before the split; say the numbers")
    return place


def _shown(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "1"
