"""The bias of a layer: an operand, or an addition that follows and nobody else reads in between."""

import numpy as np

from regraft.importers.graphs.builder import Builder
from regraft.importers.graphs.neutral import Node
from regraft.importers.graphs.values import Constant


def of(node: Node, build: Builder, outputs: int, channels: int | None = None) -> Constant | None:
    """The bias for so many outputs, flat; None where there is none.

    Args:
        node: that makes the outputs.
        build: the builder; a following addition is absorbed.
        outputs: how many channels there are.
        channels: the foreign axis of channels; the node's setting where it is None.
    """
    own = build.constant_or(node, 2, None)
    # Exporters write zeros for layers that have none: a bias would be one more to learn.
    if own is not None and (own.sources or own.values.any()):
        return own.of(np.broadcast_to(own.values.reshape(-1), (outputs,)))
    added = _addition(node, build)
    if added is None:
        return None
    follower, constant = added
    axis = node.settings.get("channels", -1) if channels is None else channels
    if not _is_per_channel(constant.values.shape, axis, outputs, build, node):
        return None
    build.absorb(follower, node)
    return constant.of(constant.values.reshape(-1))


def _addition(node: Node, build: Builder) -> tuple[Node, Constant] | None:
    follower = build.follower(node, "binary")
    if follower is None or follower.settings["function"] != "add":
        return None
    others = [build.value(name) for name in follower.inputs if name != node.outputs[0]]
    return (follower, others[0]) if len(others) == 1 and isinstance(others[0], Constant) else None


def _is_per_channel(shape: tuple[int, ...], axis: int, outputs: int, build: Builder, node: Node) -> bool:
    x = build.live(node)
    whole = (1,) * (x.rank - len(shape)) + shape
    sizes = [size for place, size in enumerate(whole) if place != axis % x.rank]
    return len(whole) == x.rank and whole[axis] == outputs and set(sizes) <= {1}
