"""Means, sums and extremes along axes."""

from collections.abc import Sequence
from typing import Any

import keras

from regraft.importers.graphs.builder import Builder
from regraft.importers.graphs.neutral import Node, UnsupportedError
from regraft.importers.graphs.values import Live, Value

_layers: Any = keras.layers
_GLOBAL: dict[str, tuple[Any, ...]] = {
    "mean": (_layers.GlobalAveragePooling1D, _layers.GlobalAveragePooling2D, _layers.GlobalAveragePooling3D),
    "max": (_layers.GlobalMaxPooling1D, _layers.GlobalMaxPooling2D, _layers.GlobalMaxPooling3D),
}
_PLAIN = ("mean", "sum", "max", "min", "prod")


def reduce(node: Node, build: Builder) -> Sequence[Value]:
    """One number for all elements along axes; the axes are left out of the tensor, whether they are kept or not."""
    x = build.live(node)
    given = build.integers(node, 1, range(x.rank))
    axes = sorted({axis % x.rank for axis in given})
    if x.batch in axes:
        raise UnsupportedError("one result for the whole batch")
    places = [x.place(axis) for axis in axes if axis in x.axes]
    kept = [axis for axis in x.axes if axis not in axes]
    tensor = _reduced(node, build, x, places) if places else x.tensor
    folds = {axis: fold for axis, fold in x.folds.items() if axis in kept}
    if node.settings.get("keepdims", True):
        return [Live(tensor, tuple(kept), x.rank, folds)]
    left = [axis for axis in range(x.rank) if axis not in axes]
    new = {axis: left.index(axis) for axis in kept}
    return [
        Live(tensor, tuple(new[axis] for axis in kept), len(left), {new[axis]: fold for axis, fold in folds.items()})
    ]


def _reduced(node: Node, build: Builder, x: Live, places: Sequence[int]) -> Any:
    mode, rank = node.settings["mode"], len(x.tensor.shape)
    if mode in _GLOBAL and 3 <= rank <= 5 and list(places) == list(range(1, rank - 1)):
        return build.applied(node, _GLOBAL[mode][rank - 3], x.tensor)
    ops: Any = keras.ops
    tensor, axis = x.tensor, tuple(places)
    if mode in _PLAIN:
        return build.operated(node, getattr(ops, mode)(tensor, axis=axis))
    if mode == "l1":
        return build.operated(node, ops.sum(ops.abs(tensor), axis=axis))
    squares = ops.sum(ops.square(tensor), axis=axis)
    if mode in ("l2", "sum_square"):
        return build.operated(node, ops.sqrt(squares) if mode == "l2" else squares)
    raise UnsupportedError(f"the reduction '{mode}'")
