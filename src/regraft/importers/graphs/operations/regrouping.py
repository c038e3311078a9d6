"""Reshaping a value whose axes stand in an order of their own, with as few layers as possible.

Both shapes are split into the smallest groups of axes that have as many elements. Within a group of one axis on either
side nothing happens. What becomes one axis keeps Keras' order and says so (`Fold`); only where an axis is split, or
axes are regrouped, the foreign order must be made first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from regraft.importers.graphs.builder import Builder
from regraft.importers.graphs.neutral import Node, UnsupportedError
from regraft.importers.graphs.values import BATCH, Fold, Live, Value


@dataclass(frozen=True, slots=True)
class _Group:
    """Foreign axes before and after that have the same elements; axes of size one are in no group."""

    before: tuple[int, ...]
    after: tuple[int, ...]


def regrouped(node: Node, build: Builder, x: Live, shape: Sequence[int]) -> Live:
    """The value in another foreign shape.

    Args:
        node: that reshapes.
        build: the builder.
        x: the value.
        shape: definite, with `BATCH` for the batch.

    Raises:
        UnsupportedError: examples of the batch would be mixed, or sizes do not fit.
    """
    before = x.known_shape if None in x.shape and not _keeps_open(x, shape) else x.shape
    groups = _groups([0 if size is None else size for size in before], shape, x)
    for group in groups:
        x = _readied(node, build, x, group, shape)
    return _merged(node, build, x, groups, shape)


def to_shape(
    node: Node,
    build: Builder,
    x: Live,
    sizes: Sequence[int],
    merge: Callable[[Node, Builder, Live, Sequence[int]], Value],
) -> Value:
    """The value in the shape that a foreign reshape asks for.

    Args:
        node: that reshapes.
        build: the builder.
        x: the value.
        sizes: as the file says them: -1 is what is left. Where the graph was written for a definite batch, `[1, 256]`
            says the batch too.
        merge: reshapes to a shape in which the batch is one with other axes.
    """
    total = prod(x.known_shape)
    filled = _filled(list(sizes), total)
    if filled is not None and BATCH in filled:
        return regrouped(node, build, x, filled)
    for place, size in enumerate(sizes):
        if size == build.declared_batch:
            declared = _filled([*sizes[:place], BATCH, *sizes[place + 1 :]], total)
            if declared is not None:
                return regrouped(node, build, x, declared)
    if filled is None:
        raise UnsupportedError(f"{x.said()} to {list(sizes)}, which mixes the examples of a batch or does not fit")
    return merge(node, build, x, filled)


def _filled(sizes: list[int], total: int) -> tuple[int, ...] | None:
    if sizes.count(-1) == 1:
        rest = prod(size for size in sizes if size != -1)
        sizes = [total // rest if size == -1 and rest else size for size in sizes]
    return tuple(sizes) if prod(sizes) == total and min(sizes, default=1) > 0 else None


def _keeps_open(x: Live, shape: Sequence[int]) -> bool:
    """Whether only axes of size one come and go, so that open sizes do not matter."""
    return [size for size in x.shape if size not in (1, None)] == [size for size in shape if size not in (0, 1)]


def _groups(before: Sequence[int], after: Sequence[int], x: Live) -> list[_Group]:
    left = [axis for axis, size in enumerate(before) if size != 1]
    right = [axis for axis, size in enumerate(after) if size != 1]
    groups: list[_Group] = []
    while left or right:
        if not left or not right:
            raise UnsupportedError(f"{x.said()} to {list(after)} does not fit")
        mine, other = [left.pop(0)], [right.pop(0)]
        while (a := prod(before[axis] for axis in mine)) != (b := prod(after[axis] for axis in other)):
            shorter, rest = (mine, left) if a < b else (other, right)
            if not rest:
                raise UnsupportedError(f"{x.said()} to {list(after)} does not fit")
            shorter.append(rest.pop(0))
        groups.append(_Group(tuple(mine), tuple(other)))
    if any(x.batch in group.before and len(group.before) + len(group.after) > 2 for group in groups):
        raise UnsupportedError(f"{x.said()} to {list(after)} mixes the examples of a batch")
    return groups


def _readied(node: Node, build: Builder, x: Live, group: _Group, shape: Sequence[int]) -> Live:
    """The axes of a group side by side, in the foreign order where that matters."""
    if len(group.before) == len(group.after) == 1:
        return x
    folded = [axis for axis in group.before if axis in x.folds]
    if folded and not _opens_fold(x, group, shape):
        x = build.plain(node, x, folded)
    places = sorted(x.place(axis) for axis in group.before)
    together = places == list(range(places[0], places[-1] + 1)) or _only_ones_between(x, places)
    if together and (len(group.after) == 1 or [x.axes[place] for place in places] == list(group.before)):
        return x
    others = [axis for axis in x.axes if axis not in group.before]
    at = sum(axis in others for axis in x.axes[: places[0]])
    return build.arranged(node, x, (*others[:at], *group.before, *others[at:]))


def _opens_fold(x: Live, group: _Group, shape: Sequence[int]) -> bool:
    """Whether the group takes a flattened axis apart again into what it was made of."""
    sizes = tuple(shape[axis] for axis in group.after)
    return len(group.before) == 1 and sizes == x.folds[group.before[0]].sizes


def _only_ones_between(x: Live, places: Sequence[int]) -> bool:
    return all(x.tensor.shape[place] == 1 for place in range(places[0], places[-1] + 1) if place not in places)


def _merged(node: Node, build: Builder, x: Live, groups: Sequence[_Group], shape: Sequence[int]) -> Live:
    by_axis = {axis: group for group in groups for axis in group.before}
    axes: list[int] = []
    sizes: list[int | None] = []
    folds: dict[int, Fold] = {}
    done: set[_Group] = set()
    for axis in x.axes:
        group = by_axis.get(axis)
        if group is None or group in done:
            continue
        done.add(group)
        order, fold = _after(x, group, shape)
        folds |= fold
        axes += order
        kept = x.tensor.shape[x.place(axis)]
        sizes += [kept] if len(group.before) == len(group.after) == 1 else [shape[place] for place in order]
    tensor = build.reshaped(node, x.tensor, sizes[1:])
    return Live(tensor, tuple(axes), len(shape), folds)


def _after(x: Live, group: _Group, shape: Sequence[int]) -> tuple[list[int], dict[int, Fold]]:
    """The new axes of a group in the tensor's order, and how the new axis is folded if it is."""
    if len(group.after) == 1:
        (axis,) = group.after
        if len(group.before) == 1:
            own = x.folds.get(group.before[0])
            return [axis], {} if own is None else {axis: own}
        inside = [place for place in x.axes if place in group.before]
        order = tuple(group.before.index(place) for place in inside)
        sizes = tuple(x.tensor.shape[x.place(place)] for place in group.before)
        return [axis], {} if order == tuple(sorted(order)) else {axis: Fold(sizes, order)}
    fold = x.folds.get(group.before[0])
    if fold is not None:
        return [group.after[place] for place in fold.order], {}
    return list(group.after), {}
