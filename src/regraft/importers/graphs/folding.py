"""Neutral operations on constants, in NumPy: weights that are reshaped, shapes that are computed.

A shape that holds the size of the batch (`BATCH`) fills no memory: what would be repeated for every example is kept
once, and broadcast where it meets the batch.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from regraft.importers.graphs.neutral import Array, Node, UnsupportedError
from regraft.importers.graphs.values import BATCH

# Elements; more than any constant that a network computes for itself, and what a small file may ask for.
_LARGEST = 1 << 27


def evaluated(node: Node, operands: Sequence[Array | None]) -> list[Array]:
    """The results of a node whose operands are constants.

    Raises:
        UnsupportedError: there is no rule for it, or a result would be too large.
    """
    rule = FOLDING.get(node.kind)
    if rule is None:
        raise UnsupportedError(node.settings.get("reason", "on constants alone this operation is not known"))
    with np.errstate(all="ignore"):
        results = rule(node, operands)
    return list(results) if isinstance(results, (list, tuple)) else [results]


def _integers(value: Array | None) -> tuple[int, ...]:
    if value is None:
        raise UnsupportedError("an operand that must be there is left out")
    return tuple(int(item) for item in value.reshape(-1))


def _bounded(shape: Sequence[int]) -> tuple[int, ...]:
    """A shape without the batch, small enough."""
    sizes = tuple(1 if size and size % BATCH == 0 else int(size) for size in shape)
    if prod(sizes) > _LARGEST or min(sizes, default=0) < 0:
        raise UnsupportedError(f"a constant of shape {list(shape)}")
    return sizes


def _reshape(node: Node, operands: Sequence[Any]) -> Array:
    x, wanted = operands[0], _integers(operands[1])
    copies = node.settings.get("zero_copies", True)
    return x.reshape([x.shape[place] if size == 0 and copies else size for place, size in enumerate(wanted)])


def _flatten(node: Node, operands: Sequence[Any]) -> Array:
    x, axis = operands[0], node.settings["axis"]
    return x.reshape(prod(x.shape[:axis]), -1)


def _squeeze(node: Node, operands: Sequence[Any]) -> Array:
    axes = None if len(operands) < 2 or operands[1] is None else _integers(operands[1])
    return np.squeeze(operands[0], axes)


def _expand(node: Node, operands: Sequence[Any]) -> Array:
    wanted = _bounded(_integers(operands[1]))
    return np.broadcast_to(operands[0], np.broadcast_shapes(operands[0].shape, wanted))


def _tile(node: Node, operands: Sequence[Any]) -> Array:
    repeats = _bounded(_integers(operands[1]))
    if operands[0].size * prod(repeats) > _LARGEST:
        raise UnsupportedError(f"a constant repeated {prod(repeats)} times")
    return np.tile(operands[0], repeats)


def _split(node: Node, operands: Sequence[Any]) -> list[Array]:
    axis, count = node.settings["axis"], node.settings.get("count") or len(node.outputs)
    length = operands[0].shape[axis]
    size = -(-length // count)
    sizes = _integers(operands[1]) if len(operands) > 1 and operands[1] is not None else [size] * count
    return np.split(operands[0], np.cumsum(sizes)[:-1], axis)


def _slice(node: Node, operands: Sequence[Any]) -> Array:
    starts, ends = _integers(operands[1]), _integers(operands[2])
    more = [
        None if index >= len(operands) or operands[index] is None else _integers(operands[index]) for index in (3, 4)
    ]
    axes, steps = more[0] or range(len(starts)), more[1] or (1,) * len(starts)
    key = [slice(None)] * operands[0].ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        # Going backwards, an end before the first element is beyond it, not counted from the last.
        key[axis] = slice(start, None if step < 0 and end < -operands[0].shape[axis] else end, step)
    return operands[0][tuple(key)]


def _reduce(node: Node, operands: Sequence[Any]) -> Array:
    axes = None if len(operands) < 2 or operands[1] is None else _integers(operands[1])
    function = getattr(np, node.settings["mode"], None)
    if function is None:
        raise UnsupportedError(f"the reduction '{node.settings['mode']}'")
    return np.asarray(function(operands[0], axis=axes, keepdims=bool(node.settings.get("keepdims", True))))


def _binary(node: Node, operands: Sequence[Any]) -> Array:
    first, second = operands
    function = node.settings["function"]
    if function == "divide" and first.dtype.kind in "iu" and second.dtype.kind in "iu":
        return np.trunc(first / np.where(second == 0, 1, second)).astype(first.dtype)
    return np.asarray(getattr(np, function)(first, second))


def _range(node: Node, operands: Sequence[Any]) -> Array:
    start, end, step = (float(operand.reshape(())) for operand in operands)
    _bounded([max(int((end - start) / (step or 1)), 0)])
    return np.arange(start, end, step, dtype=operands[0].dtype)


def _filled(node: Node, operands: Sequence[Any]) -> Array:
    return np.full(_bounded(_integers(operands[0])), node.settings["value"], node.settings["dtype"])


def _shape(node: Node, operands: Sequence[Any]) -> Array:
    return np.array(operands[0].shape[node.settings.get("start") : node.settings.get("end")], np.int64)


def _pad(node: Node, operands: Sequence[Any]) -> Array:
    pads = _integers(operands[1])
    if node.settings.get("mode", "constant") != "constant" or any(operand is not None for operand in operands[2:]):
        raise UnsupportedError("this padding of constants")
    half = len(pads) // 2
    _bounded(
        [size + before + after for size, before, after in zip(operands[0].shape, pads[:half], pads[half:], strict=True)]
    )
    return np.pad(operands[0], list(zip(pads[:half], pads[half:], strict=True)))


FOLDING: Mapping[str, Callable[[Node, Sequence[Any]], Any]] = {
    "binary": _binary,
    "cast": lambda node, operands: operands[0].astype(node.settings.get("dtype") or operands[1].dtype),
    "clip": lambda node, operands: np.clip(operands[0], *(operand for operand in (*operands[1:], None, None)[:2])),
    "concat": lambda node, operands: np.concatenate(operands, node.settings["axis"]),
    "constant_of_shape": _filled,
    "expand": _expand,
    "flatten": _flatten,
    "gather": lambda node, operands: np.take(operands[0], operands[1], node.settings.get("axis", 0)),
    "identity": lambda node, operands: operands[0],
    "matmul": lambda node, operands: np.matmul(*operands),
    "pad": _pad,
    "range": _range,
    "reduce": _reduce,
    "reshape": _reshape,
    "shape": _shape,
    "slice": _slice,
    "split": _split,
    "squeeze": _squeeze,
    "tile": _tile,
    "transpose": lambda node, operands: operands[0].transpose(
        _integers(operands[1]) if len(operands) > 1 and operands[1] is not None else None
    ),
    "unary": lambda node, operands: np.asarray(getattr(np, node.settings["function"])(operands[0])),
    "unsqueeze": lambda node, operands: np.expand_dims(operands[0], _integers(operands[1])),
    "where": lambda node, operands: np.where(*operands),
}
