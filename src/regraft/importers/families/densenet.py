"""DenseNet 121, 161, 169 and 201 in torchvision's and timm's names, which are the same.

Huang, Liu, van der Maaten, Weinberger: Densely Connected Convolutional Networks, 2016. BatchNorm has an epsilon of 1e-5
(in keras.applications 1.001e-5). Files before 2018 write `norm.1` for `norm1`.
"""

from collections.abc import Mapping

from regraft.importers.families.member import Hints, Member
from regraft.importers.families.sketch import Shape, Sketch

NAME = "densenet"

_FIRST = "features.denseblock1.denselayer1"
_NAMES: dict[tuple[int, ...], str] = {
    (6, 12, 24, 16): "densenet121",
    (6, 12, 36, 24): "densenet161",
    (6, 12, 32, 32): "densenet169",
    (6, 12, 48, 32): "densenet201",
}


def recognises(shapes: Mapping[str, Shape]) -> bool:
    """Whether tensors of these names and shapes are of this family."""
    first = f"{_FIRST}.conv1.weight" in shapes or f"{_FIRST}.conv.1.weight" in shapes
    return shapes.get("features.conv0.weight", ())[2:] == (7, 7) and first


def draw(sketch: Sketch, hints: Hints) -> Member:
    """Write the network down."""
    dot = "." if sketch.has(f"{_FIRST}.conv.1") else ""
    blocks = sketch.count("features.denseblock") - 1
    counts = [sketch.count(f"features.denseblock{block}.denselayer") - 1 for block in range(1, blocks + 1)]
    x = sketch.pictures("features.conv0", 224)
    x = sketch.conv(x, "features.conv0", 2)
    x = sketch.function(sketch.batch_norm(x, "features.norm0"), "features.relu0", "relu")
    x = sketch.pool(x, "features.pool0", 3, 2, padding=1)
    for block, count in enumerate(counts, 1):
        for layer in range(1, max(count, 1) + 1):
            x = _layer(sketch, x, f"features.denseblock{block}.denselayer{layer}", dot)
        if block < blocks:
            x = _transition(sketch, x, f"features.transition{block}")
    x = sketch.function(sketch.batch_norm(x, "features.norm5"), "features.relu5", "relu")
    x = sketch.flat(sketch.mean(x, "avgpool"), "flatten")
    x = sketch.linear(x, "classifier") if sketch.has("classifier") else x
    return Member(NAME, _NAMES.get(tuple(counts), NAME), "torchvision and timm", x)


def _layer(sketch: Sketch, x: str, name: str, dot: str) -> str:
    """A layer that adds channels to those that are there."""
    y = x
    for number in (1, 2):
        y = sketch.batch_norm(y, f"{name}.norm{dot}{number}")
        y = sketch.function(y, f"{name}.relu{number}", "relu")
        y = sketch.conv(y, f"{name}.conv{dot}{number}")
    return sketch.concat(x, y, f"{name}.concat")


def _transition(sketch: Sketch, x: str, name: str) -> str:
    x = sketch.function(sketch.batch_norm(x, f"{name}.norm"), f"{name}.relu", "relu")
    return sketch.pool(sketch.conv(x, f"{name}.conv"), f"{name}.pool", 2, 2, mode="average")
