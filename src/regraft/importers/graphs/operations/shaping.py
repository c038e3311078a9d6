"""Reshaping, transposing, joining, taking apart: mostly bookkeeping, see `regrouping`."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from regraft.importers.graphs.builder import Builder
from regraft.importers.graphs.neutral import Node, UnsupportedError
from regraft.importers.graphs.operations import merging, regrouping, windows
from regraft.importers.graphs.operations.dense import looked_up
from regraft.importers.graphs.values import BATCH, Constant, Live, Value

# Their numbers stand in the model's configuration.
_MOST_ROWS = 4096


def reshape(node: Node, build: Builder) -> Sequence[Value]:
    """Another shape."""
    x = build.live(node)
    copies = node.settings.get("zero_copies", True)
    shape = x.known_shape
    sizes = [shape[place] if size == 0 and copies else size for place, size in enumerate(build.integers(node, 1))]
    return [regrouping.to_shape(node, build, x, sizes, merging.reshaped)]


def flatten(node: Node, build: Builder) -> Sequence[Value]:
    """Everything from an axis on as one axis."""
    x = build.live(node)
    if node.settings["axis"] % x.rank != 1 or x.batch != 0:
        raise UnsupportedError(f"{x.said()} from axis {node.settings['axis']} on, which mixes the examples of a batch")
    return [regrouping.regrouped(node, build, x, (BATCH, int(np.prod(x.known_shape[1:], dtype=np.int64))))]


def squeeze(node: Node, build: Builder) -> Sequence[Value]:
    """Without axes of size one; all of them where none are named."""
    x = build.live(node)
    ones = [axis for axis, size in enumerate(x.shape) if size == 1]
    axes = [axis % x.rank for axis in build.integers(node, 1, ones)]
    shape = [size or 0 for axis, size in enumerate(x.shape) if axis not in axes]
    return [regrouping.regrouped(node, build, x, shape)]


def unsqueeze(node: Node, build: Builder) -> Sequence[Value]:
    """With new axes of size one."""
    x = build.live(node)
    given = build.integers(node, 1)
    rank = x.rank + len(given)
    new = [axis % rank for axis in given]
    old = [axis for axis in range(rank) if axis not in new]
    # Axes of size one need not be in the tensor: nothing is done.
    return [Live(x.tensor, tuple(old[axis] for axis in x.axes), rank, {old[a]: fold for a, fold in x.folds.items()})]


def transpose(node: Node, build: Builder) -> Sequence[Value]:
    """Axes in another order: written down, not done."""
    x = build.live(node)
    return [x.transposed(build.integers(node, 1, range(x.rank)[::-1]))]


def concat(node: Node, build: Builder) -> Sequence[Value]:
    """Joined along an axis."""
    given = [build.operand(node, index) for index in range(len(node.inputs))]
    alive = next((value for value in given if isinstance(value, Live)), None)
    if alive is None:
        raise UnsupportedError("joins nothing that depends on the input")
    parts = [
        _for_each_example(node, build, value, alive) if isinstance(value, Constant) else build.live(node, index)
        for index, value in enumerate(given)
    ]
    if len(parts) == 1:
        return parts
    axis = node.settings["axis"] % parts[0].rank
    axes = max((part.axes for part in parts), key=len)
    axes = axes if axis in axes else (*axes, axis)
    parts = [build.plain(node, build.arranged(node, part, axes)) for part in parts]
    kind: Any = keras.layers.Concatenate
    suffix = "_joined" if any(isinstance(value, Constant) for value in given) else ""
    joined = build.applied(node, kind, [part.tensor for part in parts], suffix, axis=axes.index(axis))
    if all(name in build.never_negative for name in node.inputs):
        build.never_negative.update(node.outputs)
    return [parts[0].with_tensor(joined)]


def _for_each_example(node: Node, build: Builder, constant: Constant, x: Live) -> Live:
    """Constants that are the same for every example, such as a token of classes, as a value that has a batch."""
    values = constant.values
    if values.ndim != x.rank or values.shape[x.batch] != 1:
        raise UnsupportedError(f"constants of shape {values.shape} beside {x.said()}")
    axes = (x.batch, *(axis for axis in range(x.rank) if axis != x.batch))
    return Live(spread(node, build, constant.of(values.transpose(axes)[0]), x.tensor), axes, x.rank)


def spread(node: Node, build: Builder, constant: Constant, like: Any) -> Any:
    """Constants as a tensor that has them for every example: an `Embedding`, looked up from its first row to its last.

    So they can learn, and nothing beside them does.

    Args:
        node: that the layer is named after.
        build: the builder.
        constant: in the order of the tensor, without the batch.
        like: a tensor with the batch.
    """
    shape = constant.values.shape
    rows = constant.values.reshape(-1, shape[-1] if shape else 1)
    if len(rows) > _MOST_ROWS:
        raise UnsupportedError(f"constants of shape {shape} for every example")
    ops: Any = keras.ops
    first = like[(slice(None), slice(0, 1), *(0,) * (len(like.shape) - 2))]
    # One zero for every example, whatever is in it.
    places = build.operated(node, ops.zeros_like(first, dtype="int32"), "_examples")
    if len(rows) > 1:
        places = build.operated(node, ops.add(places, np.arange(len(rows), dtype=np.int32)), "_places")
    config: dict[str, Any] = {"input_dim": len(rows), "output_dim": rows.shape[1], "trainable": constant.learns}
    kind: Any = keras.layers.Embedding
    tensor = build.weighted(node, kind, places, {"embeddings": constant.of(rows)}, **config)
    return build.reshaped(node, tensor, shape, "_shape")


def split(node: Node, build: Builder) -> Sequence[Value]:
    """Taken apart along an axis."""
    x = _with_axis(node, build, node.settings["axis"])
    axis = node.settings["axis"] % x.rank
    place, length = x.place(axis), x.known_shape[axis]
    count = node.settings.get("count") or len(node.outputs)
    equal = [min(-(-length // count), length - start) for start in range(0, length, -(-length // count))]
    sizes = build.integers(node, 1, equal)
    ends = np.cumsum(sizes)[:-1].tolist()
    parts: Any = build.operated(node, keras.ops.split(x.tensor, ends, axis=place))
    return [x.with_tensor(part) for part in parts]


def sliced(node: Node, build: Builder) -> Sequence[Value]:
    """Stretches of some axes, with steps."""
    x = build.live(node)
    starts, ends = build.integers(node, 1), build.integers(node, 2)
    axes = build.integers(node, 3, range(len(starts)))
    steps = build.integers(node, 4, (1,) * len(starts))
    cuts: dict[int, slice] = {}
    for axis, start, end, step in zip((axis % x.rank for axis in axes), starts, ends, steps, strict=True):
        size = x.shape[axis]
        if start == 0 and step == 1 and end >= min(size or (1 << 62), 1 << 62):
            continue
        if axis == x.batch:
            raise UnsupportedError("a part of the batch")
        cuts[axis] = slice(start, None if end >= 1 << 31 or end < -(1 << 31) else end, step)
    for axis in cuts:
        x = _having(node, build, x, axis)
    if not cuts:
        return [x]
    x = build.plain(node, x, list(cuts))
    key = tuple(cuts.get(axis, slice(None)) for axis in x.axes)
    return [x.with_tensor(build.operated(node, x.tensor[key]))]


def gather(node: Node, build: Builder) -> Sequence[Value]:
    """Elements of an axis by their places, or rows of a table of weights by numbers computed from the input."""
    data, places = build.operand(node, 0), build.operand(node, 1)
    axis = node.settings.get("axis", 0)
    if isinstance(data, Constant) and isinstance(places, Live) and data.values.ndim == 2 and axis == 0:
        return [looked_up(node, build, data, places)]
    if not isinstance(data, Live) or not isinstance(places, Constant) or places.values.ndim > 1:
        raise UnsupportedError("places that are neither a number, nor a list, nor numbers of rows in a table")
    x = build.plain(node, _having(node, build, data, axis % data.rank), [axis % data.rank])
    axis %= x.rank
    if axis == x.batch:
        raise UnsupportedError("a part of the batch")
    wanted = places.values.tolist()
    tensor = build.operated(node, keras.ops.take(x.tensor, wanted, axis=x.place(axis)))
    if places.values.ndim:
        return [x.with_tensor(tensor)]
    moved = {old: old - (old > axis) for old in x.axes if old != axis}
    folds = {moved[old]: fold for old, fold in x.folds.items()}
    return [Live(tensor, tuple(moved[old] for old in x.axes if old != axis), x.rank - 1, folds)]


def pad(node: Node, build: Builder) -> Sequence[Value]:
    """Borders of a value, or of what is mirrored."""
    x = build.live(node)
    given = build.integers(node, 1)
    half = len(given) // 2
    axes = [axis % x.rank for axis in build.integers(node, 3, range(half))]
    pads = {
        axis: pair for axis, pair in zip(axes, zip(given[:half], given[half:], strict=True), strict=True) if any(pair)
    }
    if not pads:
        return [x]
    if x.batch in pads or any(min(pair) < 0 for pair in pads.values()):
        raise UnsupportedError(f"padding {list(given)}")
    for axis in pads:
        x = _having(node, build, x, axis)
    x = build.plain(node, x, list(pads))
    value = build.constant_or(node, 2, None)
    number = 0.0 if value is None or not value.values.size else float(value.values.reshape(-1)[0])
    widths = tuple(pads.get(axis, (0, 0)) for axis in x.axes)
    return [x.with_tensor(_padded(node, build, x.tensor, widths, number))]


def _padded(node: Node, build: Builder, tensor: Any, widths: windows.Pads, number: float) -> Any:
    mode = node.settings.get("mode", "constant")
    if mode == "constant" and number == 0 and 3 <= len(widths) <= 5 and not any(widths[-1]):
        if node.inputs[0] in build.never_negative:
            build.never_negative.update(node.outputs)
        return windows.padded(build, node, tensor, widths[1:-1], suffix="")
    if mode not in ("constant", "reflect"):
        raise UnsupportedError(f"padding of the kind '{mode}'")
    ops: Any = keras.ops
    padded = (
        ops.pad(tensor, widths, constant_values=number) if mode == "constant" else ops.pad(tensor, widths, "reflect")
    )
    return build.operated(node, padded)


def expand(node: Node, build: Builder) -> Sequence[Value]:
    """Broadcast to a shape."""
    x = build.live(node)
    wanted = build.integers(node, 1)
    if len(wanted) > x.rank:
        raise UnsupportedError(f"{x.said()} to {list(wanted)}")
    wanted = (1,) * (x.rank - len(wanted)) + wanted
    repeats = [1 if size == 1 or have == BATCH else size for size, have in zip(wanted, x.shape, strict=True)]
    return [repeated(node, build, x, [n if have == 1 else 1 for n, have in zip(repeats, x.shape, strict=True)])]


def tile(node: Node, build: Builder) -> Sequence[Value]:
    """Repeated along axes."""
    x = build.live(node)
    return [repeated(node, build, x, build.integers(node, 1))]


def repeated(node: Node, build: Builder, x: Live, repeats: Sequence[int]) -> Live:
    """The value with each foreign axis so many times after itself."""
    if all(count == 1 for count in repeats):
        return x
    if repeats[x.batch] != 1:
        raise UnsupportedError("more examples than the batch has")
    for axis, count in enumerate(repeats):
        x = _having(node, build, x, axis) if count != 1 else x
    x = build.plain(node, x, [axis for axis, count in enumerate(repeats) if count != 1])
    return x.with_tensor(build.operated(node, keras.ops.tile(x.tensor, [repeats[axis] for axis in x.axes])))


def _with_axis(node: Node, build: Builder, axis: int) -> Live:
    x = build.live(node)
    return build.plain(node, _having(node, build, x, axis % x.rank), [axis % x.rank])


def _having(node: Node, build: Builder, x: Live, axis: int) -> Live:
    """The value with an axis of size one in its tensor."""
    return x if axis in x.axes else build.arranged(node, x, (*x.axes, axis))
