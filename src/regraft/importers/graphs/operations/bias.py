"""The bias of a layer: an operand, or an addition that follows and nobody else reads in between."""

import numpy as np

from regraft.importers.graphs.builder import Builder
from regraft.importers.graphs.neutral import Node
from regraft.importers.graphs.values import Constant

# A single one, as a scalar or in a list.
_ONE = (1, [1])


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
    steps, constant = added
    axis = node.settings.get("channels", -1) if channels is None else channels
    if not _is_per_channel(constant.values.shape, axis, outputs, build, node):
        return None
    for before, step in zip((node, *steps), steps, strict=False):
        build.absorb(step, before)
    return constant.of(constant.values.reshape(-1))


def _addition(node: Node, build: Builder) -> tuple[list[Node], Constant] | None:
    """The operations up to the addition, and what is added.

    Converters write the factor of a `Gemm` out, though it is one: between a product and its bias it says nothing.
    """
    steps: list[Node] = []
    while (follower := build.follower(steps[-1] if steps else node, "binary")) is not None:
        constant = _other(follower, build)
        steps.append(follower)
        if constant is None:
            return None
        if follower.settings["function"] == "add":
            return steps, constant
        if follower.settings["function"] != "multiply" or constant.learns or constant.values.tolist() not in _ONE:
            return None
    return None


def _other(follower: Node, build: Builder) -> Constant | None:
    """The constant of an operation on two values of which one is known already."""
    found = [value for name in follower.inputs if isinstance(value := build.value(name), Constant)]
    return found[0] if len(found) == 1 else None


def _is_per_channel(shape: tuple[int, ...], axis: int, outputs: int, build: Builder, node: Node) -> bool:
    x = build.live(node)
    whole = (1,) * (x.rank - len(shape)) + shape
    sizes = [size for place, size in enumerate(whole) if place != axis % x.rank]
    return len(whole) == x.rank and whole[axis] == outputs and set(sizes) <= {1}
