"""MobileNetV2 of any width in torchvision's and timm's names.

Sandler and others: MobileNetV2: Inverted Residuals and Linear Bottlenecks, 2018. Padding is the same at all borders
(in keras.applications a stride pads at the end first), BatchNorm has an epsilon of 1e-5 (there 1e-3).
"""

from collections.abc import Iterator, Mapping

from regraft.importers.families import inverted_residual
from regraft.importers.families.inverted_residual import Arithmetic, Names, timm_names
from regraft.importers.families.member import Hints, Member
from regraft.importers.families.sketch import Shape, Sketch

NAME = "mobilenet_v2"

_ARITHMETIC = Arithmetic("relu6")
_DROPOUT = 0.2
_STRIDES = (1, 2, 2, 2, 1, 2, 1)
_DEPTHS = (1, 2, 3, 4, 3, 3, 1)


def recognises(shapes: Mapping[str, Shape]) -> bool:
    """Whether tensors of these names and shapes are of this family."""
    if "features.0.0.weight" in shapes:
        return "features.1.conv.0.0.weight" in shapes
    windows = [shapes.get(f"blocks.{stage}.0.conv_dw.weight", (3,))[-1:] for stage in range(len(_STRIDES))]
    plain = "blocks.1.0.conv_pwl.weight" in shapes and not any(".se." in name for name in shapes)
    return "conv_stem.weight" in shapes and plain and set(windows) == {(3,)} and "conv_head.bias" not in shapes


def draw(sketch: Sketch, hints: Hints) -> Member:
    """Write the network down."""
    by_timm = sketch.has("conv_stem")
    stem = ("conv_stem", "bn1") if by_timm else ("features.0.0", "features.0.1")
    last = sum(_DEPTHS) + 1
    head = ("conv_head", "bn2") if by_timm else (f"features.{last}.0", f"features.{last}.1")
    x = sketch.pictures(stem[0], 224)
    x = inverted_residual.convolved(sketch, x, stem, _ARITHMETIC, 2, "stem_act")
    for names, stride in _by_timm(sketch) if by_timm else _by_torchvision():
        x = inverted_residual.block(sketch, x, names, stride, _ARITHMETIC)
    x = inverted_residual.convolved(sketch, x, head, _ARITHMETIC, function="head_act")
    x = sketch.flat(sketch.mean(x, "avgpool"), "flatten")
    top = "classifier" if by_timm else "classifier.1"
    if sketch.has(top):
        x = x if by_timm else sketch.dropout(x, "classifier.0", _DROPOUT)
        x = sketch.linear(x, top)
    return Member(NAME, NAME, "timm" if by_timm else "torchvision", x)


def _by_torchvision() -> Iterator[tuple[Names, int]]:
    place = 1
    for stage, (depth, stride) in enumerate(zip(_DEPTHS, _STRIDES, strict=True)):
        for index in range(depth):
            name = f"features.{place}.conv"
            last = 2 if stage else 1
            expand = (f"{name}.0.0", f"{name}.0.1") if stage else None
            depthwise = (f"{name}.{last - 1}.0", f"{name}.{last - 1}.1")
            project = (f"{name}.{last}", f"{name}.{last + 1}")
            yield Names(f"features.{place}", expand, depthwise, None, project), 1 if index else stride
            place += 1


def _by_timm(sketch: Sketch) -> Iterator[tuple[Names, int]]:
    for stage, stride in enumerate(_STRIDES):
        for index in range(max(sketch.count(f"blocks.{stage}."), 1)):
            yield timm_names(f"blocks.{stage}.{index}", stage > 0, squeezes=False), 1 if index else stride
