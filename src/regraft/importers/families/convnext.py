"""ConvNeXt tiny, small, base, large and its other sizes in torchvision's and timm's names.

Liu and others: A ConvNet for the 2020s, 2022. LayerNorm has an epsilon of 1e-6; every block's result is scaled by a
learned factor for each channel; the head normalises after the mean over the picture.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from regraft.importers.families.member import Hints, Member
from regraft.importers.families.sketch import Shape, Sketch

NAME = "convnext"

_EPSILON = 1e-6
_STAGES = 4
_PATCH = 4
# By the blocks of each stage and the channels of the first.
_NAMES: dict[tuple[tuple[int, ...], tuple[int, ...]], str] = {
    ((3, 3, 9, 3), (96,)): "convnext_tiny",
    ((3, 3, 27, 3), (96,)): "convnext_small",
    ((3, 3, 27, 3), (128,)): "convnext_base",
    ((3, 3, 27, 3), (192,)): "convnext_large",
    ((3, 3, 27, 3), (256,)): "convnext_xlarge",
}


@dataclass(frozen=True, slots=True)
class _Block:
    """The names of a block's layers."""

    name: str
    conv: str
    norm: str
    wide: str
    narrow: str
    scale: str


def recognises(shapes: Mapping[str, Shape]) -> bool:
    """Whether tensors of these names and shapes are of this family."""
    by_timm = "stem.0.weight" in shapes and "stages.0.blocks.0.conv_dw.weight" in shapes
    return by_timm or "features.1.0.layer_scale" in shapes


def draw(sketch: Sketch, hints: Hints) -> Member:
    """Write the network down."""
    by_timm = sketch.has("stem.0")
    stem = ("stem.0", "stem.1") if by_timm else ("features.0.0", "features.0.1")
    kernel = sketch.shapes.get(f"{stem[0]}.weight", ())
    patch = kernel[3] if len(kernel) == 4 and kernel[3] else _PATCH
    x = sketch.pictures(stem[0], 224)
    # Patches that do not overlap.
    x = sketch.conv(x, stem[0], patch, padding=0)
    x = _normed(sketch, x, stem[1])
    counts: list[int] = []
    for stage in range(_STAGES):
        blocks = f"stages.{stage}.blocks." if by_timm else f"features.{2 * stage + 1}."
        counts.append(sketch.count(blocks))
        if stage:
            halving = f"stages.{stage}.downsample" if by_timm else f"features.{2 * stage}"
            x = sketch.conv(_normed(sketch, x, f"{halving}.0"), f"{halving}.1", 2, padding=0)
        for index in range(max(counts[-1], 1)):
            x = _block(sketch, x, _names(f"{blocks}{index}", by_timm))
    x = _headed(sketch, x, ("head.norm", "head.fc") if by_timm else ("classifier.0", "classifier.2"))
    name = _NAMES.get((tuple(counts), kernel[:1]), NAME)
    return Member(NAME, name, "timm" if by_timm else "torchvision", x)


def _names(block: str, by_timm: bool) -> _Block:
    if by_timm:
        wide, narrow = f"{block}.mlp.fc1", f"{block}.mlp.fc2"
        return _Block(block, f"{block}.conv_dw", f"{block}.norm", wide, narrow, f"{block}.gamma")
    inner = f"{block}.block"
    return _Block(block, f"{inner}.0", f"{inner}.2", f"{inner}.3", f"{inner}.5", f"{block}.layer_scale")


def _normed(sketch: Sketch, x: str, name: str) -> str:
    x = sketch.layer_norm(sketch.channels_last(x, f"{name}.last"), name, _EPSILON)
    return sketch.channels_first(x, f"{name}.first")


def _block(sketch: Sketch, x: str, names: _Block) -> str:
    # Some of timm's smaller networks write the dense layers as convolutions of 1x1.
    convolves = len(sketch.shapes.get(f"{names.wide}.weight", ())) == 4
    product = sketch.conv if convolves else sketch.linear
    y = sketch.conv(x, names.conv)
    y = sketch.layer_norm(sketch.channels_last(y, f"{names.name}.last"), names.norm, _EPSILON)
    y = sketch.channels_first(y, f"{names.name}.between") if convolves else y
    y = product(sketch.function(product(y, names.wide), f"{names.name}.gelu", "gelu"), names.narrow)
    y = y if convolves else sketch.channels_first(y, f"{names.name}.first")
    return sketch.joined(sketch.scaled(y, names.scale), x, f"{names.name}.add")


def _headed(sketch: Sketch, x: str, names: tuple[str, str]) -> str:
    """Mean, normalisation and classifier, as far as they are there."""
    x = sketch.flat(sketch.mean(x, "avgpool"), "flatten")
    if sketch.has(names[0]) or sketch.has(names[1]):
        x = sketch.layer_norm(x, names[0], _EPSILON)
    return sketch.linear(x, names[1]) if sketch.has(names[1]) else x
