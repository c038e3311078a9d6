"""In which order of axes a value is wanted: found by following it to the first operation that cares."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from regraft.importers.graphs.neutral import Node
from regraft.importers.graphs.values import Constant, Value

_BY_CHANNELS = {
    *("conv", "conv_transposed", "pool", "global_pool", "lrn", "batch_norm", "group_norm"),
    *("depth_to_space", "space_to_depth", "resize"),
}
# What gives its result the axes of its operand, whatever they are.
_FOLLOWING = {
    *("activation", "binary", "unary", "clip", "hard_sigmoid", "prelu", "softmax"),
    *("identity", "dropout", "cast", "pad"),
}


def order(
    consumers: Mapping[str, Sequence[Node]], find: Callable[[str], Value | None], value: str, rank: int
) -> tuple[int, ...] | None:
    """The foreign axes of a value in the order that its first demanding reader wants.

    Args:
        consumers: the readers of each value.
        find: gives what a value has become; used for the orders of transpositions.
        value: its name.
        rank: how many axes it has.

    Returns:
        None where no reader that can be reached without changing the axes wants any order.
    """
    # Each value with, for each of its axes, the axis of the first value that it is.
    waiting = deque([(value, tuple(range(rank)))])
    seen: set[str] = set()
    while waiting:
        name, axes = waiting.popleft()
        if name in seen:
            continue
        seen.add(name)
        for node in consumers.get(name, ()):
            wanted = _wanted(node, rank) if node.inputs[0] == name else None
            if wanted is not None:
                return tuple(axes[axis] for axis in wanted)
            if node.kind in _FOLLOWING:
                waiting.append((node.outputs[0], axes))
            elif node.kind == "transpose":
                waiting.append((node.outputs[0], tuple(axes[axis] for axis in _transposition(node, find, rank))))
    return None


def _wanted(node: Node, rank: int) -> tuple[int, ...] | None:
    if node.kind in _BY_CHANNELS and rank > 2:
        return (0, *range(2, rank), 1) if node.settings.get("channels", 1) == 1 else tuple(range(rank))
    if node.kind == "recurrent":
        return (1, 0, 2) if node.settings.get("time_first", True) else (0, 1, 2)
    return None


def _transposition(node: Node, find: Callable[[str], Value | None], rank: int) -> tuple[int, ...]:
    given = find(node.inputs[1]) if len(node.inputs) > 1 else None
    return tuple(int(axis) for axis in given.values) if isinstance(given, Constant) else tuple(reversed(range(rank)))
