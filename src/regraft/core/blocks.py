"""What a network is made of, as people speak of it: its layers, and the blocks that these stand in."""

from dataclasses import dataclass

# The name of the new top of a network, in front of the names of its variables.
HEAD = "head"


def new_layers(hidden: int) -> tuple[str, ...]:
    """The names of the new layers that stand on the reused ones, from the lowest upwards; the last is the head.

    >>> new_layers(2)
    ('head_hidden_1', 'head_hidden_2', 'head')

    Args:
        hidden: how many there are below the head.
    """
    return (*(f"{HEAD}_hidden_{number}" for number in range(1, hidden + 1)), HEAD)


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a network, models inside it opened up.

    Attributes:
        path: its canonical path; its variables are called by it and their own names.
        trainable: whether a gradient may ever move a variable of it.
        kernel: whether one of these is a matrix or a filter, not only a scale or an offset.
        batch_norm: whether it is a BatchNorm layer, of which the policy of a phase decides.
    """

    path: str
    trainable: bool
    kernel: bool
    batch_norm: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of layers between two cut points, under a name that its author would know.

    Attributes:
        name: what the names of its layers have in common, or the name of the first of them that has a kernel.
        layers: from the input upwards.
    """

    name: str
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class Reused:
    """The layers of a network that stand below the new head.

    Attributes:
        layers: in the order of `model.layers`, inputs counted as Keras counts them.
        blocks: from the input upwards; each has a layer with a kernel.
        below: the name of the cut point that the head stands on.
        network: how many layers the whole network has, counted alike.
        new: names of the new layers above them, the head last.
    """

    layers: tuple[Layer, ...]
    blocks: tuple[Block, ...]
    below: str
    network: int
    new: tuple[str, ...] = (HEAD,)
