"""ResNet 18, 34, 50, 101, 152, ResNeXt and Wide ResNet in torchvision's and timm's names, which are the same.

He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, 2015. Where a block halves the picture, its 3x3
convolution does (in keras.applications the first 1x1 one does); convolutions have no bias, BatchNorm has an epsilon of
1e-5, and padding is the same at all borders.
"""

from collections.abc import Mapping

from regraft.importers.families.member import Hints, Member
from regraft.importers.families.sketch import Shape, Sketch

NAME = "resnet"

_STAGES = 4
# By whether blocks have three convolutions, and how many blocks each stage has.
_NAMES: dict[tuple[bool, tuple[int, ...]], str] = {
    (False, (2, 2, 2, 2)): "resnet18",
    (False, (3, 4, 6, 3)): "resnet34",
    (True, (3, 4, 6, 3)): "resnet50",
    (True, (3, 4, 23, 3)): "resnet101",
    (True, (3, 8, 36, 3)): "resnet152",
}


def recognises(shapes: Mapping[str, Shape]) -> bool:
    """Whether tensors of these names and shapes are of this family."""
    return shapes.get("conv1.weight", ())[2:] == (7, 7) and "layer1.0.conv1.weight" in shapes


def draw(sketch: Sketch, hints: Hints) -> Member:
    """Write the network down."""
    counts = tuple(sketch.count(f"layer{stage}.") for stage in range(1, _STAGES + 1))
    x = sketch.pictures("conv1", 224)
    x = sketch.conv(x, "conv1", 2)
    x = sketch.batch_norm(x, "bn1")
    x = sketch.function(x, "relu", "relu")
    x = sketch.pool(x, "maxpool", 3, 2, padding=1)
    for stage, count in enumerate(counts, 1):
        for index in range(max(count, 1)):
            x = block(sketch, x, f"layer{stage}.{index}", 2 if index == 0 and stage > 1 else 1)
    x = sketch.flat(sketch.mean(x, "avgpool"), "flatten")
    x = sketch.linear(x, "fc") if sketch.has("fc") else x
    return Member(NAME, _name(sketch, counts), "torchvision and timm", x)


def block(sketch: Sketch, x: str, name: str, stride: int) -> str:
    """A residual block: two convolutions of 3x3, or one between two of 1x1."""
    convolutions = 3 if sketch.has(f"{name}.conv3") else 2
    y = x
    for number in range(1, convolutions + 1):
        # The first 3x3 convolution takes the steps.
        y = sketch.conv(y, f"{name}.conv{number}", stride if number == convolutions - 1 else 1)
        y = sketch.batch_norm(y, f"{name}.bn{number}")
        if number < convolutions:
            y = sketch.function(y, f"{name}.relu{number}", "relu")
    x = shortcut(sketch, x, y, name, stride)
    return sketch.function(sketch.joined(y, x, f"{name}.add"), f"{name}.relu", "relu")


def shortcut(sketch: Sketch, x: str, y: str, name: str, stride: int) -> str:
    """What is added to the block's result: its input, convolved where the two differ in size."""
    if stride == 1 and sketch.maps[x][0] == sketch.maps[y][0]:
        return x
    return sketch.batch_norm(sketch.conv(x, f"{name}.downsample.0", stride), f"{name}.downsample.1")


def _name(sketch: Sketch, counts: tuple[int, ...]) -> str:
    deep = sketch.has("layer1.0.conv3")
    kernel = sketch.shapes.get("layer1.0.conv2.weight", ())
    usual = kernel[:2] == (64, 64)
    return _NAMES.get((deep, counts), NAME) if usual else NAME
