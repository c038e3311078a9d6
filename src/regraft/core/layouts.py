"""How frameworks lay out the kernels of one layer, and which of these layouts a tensor can have by its shape.

Keras keeps a kernel with its outputs last. PyTorch, Caffe and Theano keep them first, TensorFlow Lite keeps them first
and the inputs last. Shapes tell these apart, except where sizes happen to be equal.
"""

from dataclasses import dataclass
from math import prod

from regraft.core.rules import Step

Shape = tuple[int, ...]

AS_KERAS = "outputs last"
FIRST = "outputs first"
LITE = "outputs first, inputs last"
SQUEEZED = "axes of length one"

_CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D")
_TRANSPOSED = ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
_DEPTHWISE = ("DepthwiseConv1D", "DepthwiseConv2D")
_SEPARABLE = ("SeparableConv1D", "SeparableConv2D")
# Layers whose gates stand in the same order in Keras and elsewhere; a GRU's do not.
_RECURRENT = ("LSTMCell", "SimpleRNNCell", "LSTM", "SimpleRNN")


@dataclass(frozen=True, slots=True)
class Place:
    """A variable that waits for values.

    Attributes:
        name: canonical.
        shape: of the variable.
        kind: the class of its layer, such as `Conv2D`.
        epsilon: what the layer adds to a variance; None where it has none.
        flattened: height, width, channels of the map whose flattened elements the first axis counts; empty where it
            counts something else.
    """

    name: str
    shape: Shape
    kind: str = ""
    epsilon: float | None = None
    flattened: Shape = ()

    @property
    def layer(self) -> str:
        """The path of its layer."""
        return self.name.rpartition("/")[0]

    @property
    def leaf(self) -> str:
        """Its name within the layer."""
        return self.name.rpartition("/")[2]

    @property
    def family(self) -> str:
        """Which kernels have the same layout as this one; empty where it is no kernel.

        >>> Place("conv/kernel", (3, 3, 8, 16), "Conv2D").family, Place("conv/bias", (16,), "Conv2D").family
        ('convolution', '')
        """
        if "kernel" not in self.leaf:
            return ""
        depthwise = self.kind in _DEPTHWISE or self.leaf == "depthwise_kernel"
        if self.kind == "Dense":
            return "dense"
        if self.kind in _TRANSPOSED:
            return "transposed convolution"
        if depthwise:
            return "depthwise"
        if self.kind in (*_CONVOLUTIONS, *_SEPARABLE):
            return "convolution"
        return "recurrent" if self.kind in _RECURRENT else ""


def ways(shape: Shape, place: Place, as_keras: bool = False) -> dict[str, tuple[Step, ...]]:
    """The layouts that a tensor of this shape can have if it is for this variable, each with what makes it fit.

    Args:
        shape: of the tensor.
        place: the variable.
        as_keras: whether the source is known to lay out its kernels as Keras does, so that no transposition is one.

    >>> list(ways((16, 8, 3, 3), Place("c/kernel", (3, 3, 8, 16), "Conv2D")))
    ['outputs first']
    >>> list(ways((8, 8), Place("d/kernel", (8, 8), "Dense")))
    ['outputs last', 'outputs first']
    """
    found: dict[str, tuple[Step, ...]] = {AS_KERAS: ()} if shape == place.shape else {}
    if not place.family:
        # One axis that counts, whatever axes of length one are beside it: (16, 1, 1) for (16,).
        if not found and _counting(shape) == _counting(place.shape) and len(_counting(shape)) < 2:
            found[SQUEEZED] = (Step("reshape", place.shape),)
        return found
    if as_keras:
        return found
    others = {layout: steps for layout, steps in _layouts(shape, place).items() if _after(shape, steps) == place.shape}
    return found | others


def channels_first(place: Place) -> tuple[Step, ...]:
    """What puts the first axis of a kernel or vector from channels, height, width into height, width, channels.

    Args:
        place: with a flattened map below it, in Keras' layout otherwise.
    """
    *spatial, channels = place.flattened
    rest = place.shape[1:]
    opened = (channels, *spatial, *rest)
    order = (*range(1, 1 + len(spatial)), 0, *range(1 + len(spatial), len(opened)))
    return (Step("reshape", opened), Step("transpose", order), Step("reshape", place.shape))


def _layouts(shape: Shape, place: Place) -> dict[str, tuple[Step, ...]]:
    rank = len(shape)
    if rank != len(place.shape) or rank < 2:
        return {}
    spatial = range(2, rank)
    if place.family == "depthwise":
        multiplier = place.shape[-1]
        if shape[1] == 1 and shape[0] % multiplier == 0:
            opened = Step("reshape", (shape[0] // multiplier, multiplier, *shape[2:]))
            turned = Step("transpose", (*spatial, 0, 1))
            return {FIRST: (turned,) if multiplier == 1 else (opened, turned)}
        return {LITE: (Step("reshape", place.shape),)} if shape[0] == 1 else {}
    if place.family in ("dense", "recurrent"):
        return {FIRST: (Step("transpose", (1, 0)),)}
    layouts = {FIRST: (Step("transpose", (*spatial, 1, 0)),)}
    # A kernel without extent is the same tensor either way.
    if place.family == "convolution" and any(side > 1 for side in place.shape[:-2]):
        layouts[LITE] = (Step("transpose", (*range(1, rank), 0)),)
    return layouts


def _after(shape: Shape, steps: tuple[Step, ...]) -> Shape:
    for step in steps:
        sizes = tuple(int(number) for number in step.numbers)
        if step.kind == "reshape":
            shape = sizes if prod(sizes) == prod(shape) else ()
        elif len(shape) == len(sizes):
            shape = tuple(shape[axis] for axis in sizes)
    return shape


def _counting(shape: Shape) -> Shape:
    return tuple(size for size in shape if size != 1)
