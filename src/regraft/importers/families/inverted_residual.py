"""The block that MobileNetV2 and EfficientNet are made of, under any names.

Sandler and others: MobileNetV2: Inverted Residuals and Linear Bottlenecks, 2018; Hu and others: Squeeze-and-Excitation
Networks, 2017.
"""

from dataclasses import dataclass

from regraft.importers.families.sketch import Sketch

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a block's layers.

    Attributes:
        block: of the block itself; what has no weights is named after it.
        expand: convolution and normalisation that widen; None where the block does not.
        depthwise: convolution and normalisation of every channel on its own.
        squeeze: the two convolutions that weigh channels; None where the block has none.
        project: convolution and normalisation that make it narrow again.
    """

    block: str
    expand: Pair | None
    depthwise: Pair
    squeeze: Pair | None
    project: Pair


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """What the tensors do not say: the activation, BatchNorm's epsilon, and whether padding is TensorFlow's."""

    function: str
    epsilon: float = 1e-5
    same: bool = False


def timm_names(block: str, widens: bool, squeezes: bool) -> Names:
    """The names of a block in timm's networks."""
    squeeze = (f"{block}.se.conv_reduce", f"{block}.se.conv_expand") if squeezes else None
    if not widens:
        return Names(block, None, (f"{block}.conv_dw", f"{block}.bn1"), squeeze, (f"{block}.conv_pw", f"{block}.bn2"))
    expand = (f"{block}.conv_pw", f"{block}.bn1")
    return Names(block, expand, (f"{block}.conv_dw", f"{block}.bn2"), squeeze, (f"{block}.conv_pwl", f"{block}.bn3"))


def convolved(sketch: Sketch, x: str, names: Pair, how: Arithmetic, stride: int = 1, function: str = "") -> str:
    """A convolution with its normalisation, and an activation where one is named.

    Args:
        sketch: to write it into.
        x: its input.
        names: of both layers.
        how: the arithmetic.
        stride: for both axes.
        function: what the activation is to be called.
    """
    x = sketch.conv(x, names[0], stride, "same" if how.same else None)
    x = sketch.batch_norm(x, names[1], how.epsilon)
    return sketch.function(x, function, how.function) if function else x


def block(sketch: Sketch, x: str, names: Names, stride: int, how: Arithmetic) -> str:
    """One block; its input is added where its result has the same size."""
    y = x
    if names.expand:
        y = convolved(sketch, y, names.expand, how, function=f"{names.block}.expand_act")
    y = convolved(sketch, y, names.depthwise, how, stride, f"{names.block}.depthwise_act")
    if names.squeeze:
        y = _weighed(sketch, y, names.block, names.squeeze, how)
    y = convolved(sketch, y, names.project, how)
    narrow = sketch.maps[x][0] == sketch.maps[y][0]
    return sketch.joined(y, x, f"{names.block}.add") if stride == 1 and narrow else y


def _weighed(sketch: Sketch, x: str, block: str, names: Pair, how: Arithmetic) -> str:
    """Every channel times a weight that depends on the means of all."""
    weights = sketch.mean(x, f"{block}.se.mean")
    weights = sketch.function(sketch.conv(weights, names[0]), f"{block}.se.act", how.function)
    weights = sketch.function(sketch.conv(weights, names[1]), f"{block}.se.gate", "sigmoid")
    return sketch.joined(x, weights, f"{block}.se.scale", "multiply")
