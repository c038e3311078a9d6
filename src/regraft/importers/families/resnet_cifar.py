"""ResNet 20 to 1202 for CIFAR-10 in the names of `pytorch_resnet_cifar10`, without weights in the shortcuts.

He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, 2015, section 4.2, option A: where a block halves the
picture, its shortcut takes every second row and column and gets channels of zeros on both sides.
"""

from collections.abc import Mapping

from regraft.importers.families.member import Hints, Member
from regraft.importers.families.sketch import Shape, Sketch

NAME = "resnet_cifar"

_STAGES = 3


def recognises(shapes: Mapping[str, Shape]) -> bool:
    """Whether tensors of these names and shapes are of this family."""
    small = shapes.get("conv1.weight", ())[2:] == (3, 3) and "layer1.0.conv1.weight" in shapes
    return small and "linear.weight" in shapes and not any(".shortcut." in name for name in shapes)


def draw(sketch: Sketch, hints: Hints) -> Member:
    """Write the network down."""
    counts = [sketch.count(f"layer{stage}.") for stage in range(1, _STAGES + 1)]
    x = sketch.pictures("conv1", 32)
    x = sketch.conv(x, "conv1")
    x = sketch.batch_norm(x, "bn1")
    x = sketch.function(x, "relu", "relu")
    for stage, count in enumerate(counts, 1):
        for index in range(max(count, 1)):
            x = _block(sketch, x, f"layer{stage}.{index}", 2 if index == 0 and stage > 1 else 1)
    x = sketch.flat(sketch.mean(x, "avgpool"), "flatten")
    x = sketch.linear(x, "linear")
    # Two convolutions a block, the first convolution and the classifier.
    return Member(NAME, f"resnet{2 * sum(counts) + 2}_cifar", "pytorch_resnet_cifar10", x, 32)


def _block(sketch: Sketch, x: str, name: str, stride: int) -> str:
    y = sketch.batch_norm(sketch.conv(x, f"{name}.conv1", stride), f"{name}.bn1")
    y = sketch.function(y, f"{name}.relu1", "relu")
    y = sketch.batch_norm(sketch.conv(y, f"{name}.conv2"), f"{name}.bn2")
    x = _shortcut(sketch, x, y, name, stride)
    return sketch.function(sketch.joined(y, x, f"{name}.add"), f"{name}.relu", "relu")


def _shortcut(sketch: Sketch, x: str, y: str, name: str, stride: int) -> str:
    if stride > 1:
        x = sketch.pool(x, f"{name}.shortcut.every_second", 1, stride)
    before, after = sketch.maps[x][0], sketch.maps[y][0]
    if not before or not after or before >= after:
        return x
    more = after - before
    return sketch.widened(x, f"{name}.shortcut.zeros", more // 2, more - more // 2)
