"""Values in which the batch and another axis have become one, such as the heads of attention for every example.

They are kept with those axes apart (`Merged`): an operation is done on the value apart, and what belongs together is
remembered. So a product for "batch times heads" matrices is a product with two leading axes, as Keras has it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from regraft.importers.graphs.builder import Builder
from regraft.importers.graphs.neutral import Node, UnsupportedError
from regraft.importers.graphs.operations import regrouping
from regraft.importers.graphs.values import BATCH, Constant, Live, Merged, Value

Groups = tuple[tuple[int, ...], ...]
Build = Callable[[Node, Builder], Sequence[Value]]

_ELEMENT_BY_ELEMENT = frozenset(("activation", "cast", "clip", "dropout", "hard_sigmoid", "identity", "unary"))
_ALONG_AN_AXIS = frozenset(("gather", "log_softmax", "layer_norm", "softmax", "split"))


def reshaped(node: Node, build: Builder, x: Live, shape: Sequence[int]) -> Value:
    """The value in a shape that merges its batch with other axes.

    Raises:
        UnsupportedError: the sizes do not fit.
    """
    groups, sizes = _refined(x.known_shape, shape)
    if not groups:
        raise UnsupportedError(f"{x.said()} to {list(shape)}, which mixes the examples of a batch or does not fit")
    return together(regrouping.regrouped(node, build, x, sizes), groups)


def together(live: Live, groups: Groups) -> Value:
    """The value with axes that belong together; as it is where each is alone."""
    return live if all(len(group) == 1 for group in groups) else Merged(live, groups)


def _refined(before: Sequence[int], after: Sequence[int]) -> tuple[Groups, tuple[int, ...]]:
    """The second shape with its batch apart, and which axes of that make each of its own; nothing where that cannot be.

    >>> _refined((7, BATCH, 16), (7, BATCH * 4, 4)) == (((0,), (1, 2), (3,)), (7, BATCH, 4, 4))
    True
    """
    merged = [place for place, size in enumerate(after) if size % BATCH == 0]
    if len(merged) != 1 or BATCH not in before:
        return (), ()
    place = merged[0]
    inside = prod(before[before.index(BATCH) + 1 :])
    behind, left = divmod(inside, prod(after[place + 1 :]))
    ahead, more = divmod(after[place] // BATCH, behind or 1)
    if left or more:
        return (), ()
    apart = [size for size in (ahead, BATCH, behind) if size != 1]
    sizes = (*after[:place], *apart, *after[place + 1 :])
    extra = len(apart) - 1
    groups: list[tuple[int, ...]] = [(axis + (axis > place) * extra,) for axis in range(len(after))]
    groups[place] = tuple(range(place, place + len(apart)))
    return tuple(groups), sizes


def performed(node: Node, build: Builder, operations: dict[str, Build]) -> Sequence[Value]:
    """The results of an operation on a merged value.

    Raises:
        UnsupportedError: it cannot be done with the axes apart.
    """
    merged = next(value for index in range(len(node.inputs)) if isinstance(value := build.operand(node, index), Merged))
    kind = node.kind
    if kind == "shape":
        return [Constant(np.array(merged.shape[node.settings.get("start") : node.settings.get("end")], np.int64))]
    if kind == "reshape":
        return [_again(node, build, merged)]
    if kind == "transpose":
        return [_transposed(merged, build.integers(node, 1, range(len(merged.groups))[::-1]))]
    if kind in ("matmul", "dense"):
        _require_apart(merged, -1)
        return _apart(node, build, operations, merged.groups)
    if kind in _ALONG_AN_AXIS:
        axis = _require_apart(merged, node.settings.get("axis", 0 if kind == "gather" else -1))
        return _apart(replace(node, settings={**node.settings, "axis": axis}), build, operations, merged.groups)
    if kind in _ELEMENT_BY_ELEMENT or kind in ("binary", "where"):
        return _apart(node, build, operations, merged.groups)
    raise UnsupportedError(f"{merged.said()}, in which the examples of a batch are one with another axis")


def _require_apart(merged: Merged, axis: int) -> int:
    group = merged.groups[axis]
    if len(group) != 1:
        raise UnsupportedError(f"{merged.said()} along an axis that is one with the examples of the batch")
    return group[0]


def _again(node: Node, build: Builder, merged: Merged) -> Value:
    wanted = build.integers(node, 1)
    copies, shape = node.settings.get("zero_copies", True), merged.shape
    sizes = [shape[place] if size == 0 and copies else size for place, size in enumerate(wanted)]
    return regrouping.to_shape(node, build, merged.live, sizes, reshaped)


def _transposed(merged: Merged, order: Sequence[int]) -> Value:
    groups = [merged.groups[axis] for axis in order]
    flat = [axis for group in groups for axis in group]
    return together(merged.live.transposed(flat), tuple(tuple(map(flat.index, group)) for group in groups))


def _apart(node: Node, build: Builder, operations: dict[str, Build], groups: Groups) -> Sequence[Value]:
    """What the operation makes of its operands with the axes apart, together again."""
    names: list[str] = []
    for place, name in enumerate(node.inputs):
        value = build.operand(node, place)
        weights = node.kind in ("matmul", "dense") and isinstance(value, Constant)
        if value is not None and not weights:
            build.values[f"{name}:apart"] = _opened(value, groups, node.kind == "matmul")
            name = f"{name}:apart"
        names.append(name)
    results = operations[node.kind](replace(node, inputs=tuple(names)), build)
    return [together(value, groups) if isinstance(value, Live) else value for value in results]


def _opened(value: Value, groups: Groups, leading: bool) -> Value:
    """A value as it goes with one whose axes are kept apart so.

    Args:
        value: an operand.
        groups: of the merged operand.
        leading: whether only the axes before the last two must agree.
    """
    if isinstance(value, Merged):
        same = value.groups[:-2] == groups[:-2] if leading else value.groups == groups
        if same and all(len(group) == 1 for group in value.groups[-2:]):
            return value.live
        if value.groups == groups:
            return value.live
    if isinstance(value, Constant) and value.values.ndim <= len(groups):
        sizes = (1,) * (len(groups) - value.values.ndim) + value.values.shape
        if all(size == 1 or len(group) == 1 for size, group in zip(sizes, groups, strict=True)):
            shape: list[Any] = [
                part for size, group in zip(sizes, groups, strict=True) for part in (size, *(1,) * (len(group) - 1))
            ]
            return value.of(value.values.reshape(shape)) if value.values.ndim else value
    raise UnsupportedError("examples of the batch are one with another axis in one operand and not in the other")
