"""EfficientNet B0 to B7 in torchvision's and timm's names.

Tan, Le: EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, 2019. In PyTorch's own networks
padding is the same at all borders; timm's `tf_efficientnet` has TensorFlow's padding and an epsilon of 1e-3, under the
same names and with the same shapes, so that only what is said beside the tensors tells them apart. torchvision trained
B5 to B7 with an epsilon of 1e-3 too.
"""

from collections.abc import Iterator, Mapping
from math import ceil

from regraft.importers.families import inverted_residual
from regraft.importers.families.inverted_residual import Arithmetic, Names, timm_names
from regraft.importers.families.member import Hints, Member
from regraft.importers.families.sketch import Shape, Sketch

NAME = "efficientnet"

_WINDOWS = (3, 3, 5, 3, 5, 5, 3)
_STRIDES = (1, 2, 2, 2, 1, 2, 1)
_DEPTHS = (1, 2, 2, 3, 3, 4, 1)
# Width and depth as multiples of B0's, pixels, torchvision's dropout and epsilon.
_MEMBERS = (
    ("b0", 1.0, 1.0, 224, 0.2, 1e-5),
    ("b1", 1.0, 1.1, 240, 0.2, 1e-5),
    ("b2", 1.1, 1.2, 260, 0.3, 1e-5),
    ("b3", 1.2, 1.4, 300, 0.3, 1e-5),
    ("b4", 1.4, 1.8, 380, 0.4, 1e-5),
    ("b5", 1.6, 2.2, 456, 0.4, 1e-3),
    ("b6", 1.8, 2.6, 528, 0.5, 1e-3),
    ("b7", 2.0, 3.1, 600, 0.5, 1e-3),
)
_OTHER = ("", 1.0, 1.0, 224, 0.2, 1e-5)


def recognises(shapes: Mapping[str, Shape]) -> bool:
    """Whether tensors of these names and shapes are of this family."""
    if "features.0.0.weight" in shapes:
        first, second = "features.1.0.block.1.fc1.weight", "features.2.0.block.2.fc1.weight"
        places = [f"features.{stage + 1}.0.block.{1 if stage else 0}.0.weight" for stage in range(len(_WINDOWS))]
        more = "features.9.0.weight"
    else:
        first, second = "blocks.0.0.se.conv_reduce.weight", "blocks.1.0.se.conv_reduce.weight"
        places = [f"blocks.{stage}.0.conv_dw.weight" for stage in range(len(_WINDOWS))]
        more = "blocks.7.0.conv_dw.weight"
    windows = [shapes.get(place, (window,))[-1:] for place, window in zip(places, _WINDOWS, strict=True)]
    return first in shapes and second in shapes and more not in shapes and windows == [(window,) for window in _WINDOWS]


def draw(sketch: Sketch, hints: Hints) -> Member:
    """Write the network down."""
    by_timm = sketch.has("conv_stem")
    stem = ("conv_stem", "bn1") if by_timm else ("features.0.0", "features.0.1")
    head = ("conv_head", "bn2") if by_timm else ("features.8.0", "features.8.1")
    member, _, _, size, rate, epsilon = _member(sketch, by_timm, head[0])
    same = by_timm and any("tf_efficientnet" in text for text in hints.texts)
    how = Arithmetic("silu", 1e-3 if same else 1e-5 if by_timm else epsilon, same)
    x = sketch.pictures(stem[0], size)
    x = inverted_residual.convolved(sketch, x, stem, how, 2, "stem_act")
    for names, stride in _by_timm(sketch) if by_timm else _by_torchvision(sketch):
        x = inverted_residual.block(sketch, x, names, stride, how)
    x = inverted_residual.convolved(sketch, x, head, how, function="head_act")
    x = sketch.flat(sketch.mean(x, "avgpool"), "flatten")
    top = "classifier" if by_timm else "classifier.1"
    if sketch.has(top):
        x = x if by_timm else sketch.dropout(x, "classifier.0", rate)
        x = sketch.linear(x, top)
    name = f"{NAME}_{member}" if member else NAME
    notes = (_said(same),) if by_timm else ()
    return Member(NAME, f"tf_{name}" if same else name, "timm" if by_timm else "torchvision", x, size, notes)


def _said(same: bool) -> str:
    if same:
        return "padding and epsilon are those of timm's tf_efficientnet, because the file or its name says so"
    return (
        "timm's efficientnet and tf_efficientnet have the same names and shapes: efficientnet is assumed; of a "
        "tf_efficientnet say so in the file's name, or keep its config.json beside it"
    )


def _member(sketch: Sketch, by_timm: bool, head: str) -> tuple[str, float, float, int, float, float]:
    """The row of the network whose sizes these are."""
    stages = [f"blocks.{stage}." if by_timm else f"features.{stage + 1}." for stage in range(len(_DEPTHS))]
    depths = [sketch.count(stage) for stage in stages]
    # Of the last block: the stems of B0 to B2 are equally wide, and B1 is as deep as B2.
    width = sketch.shapes.get(f"{head}.weight", ())[1:2]
    for row in _MEMBERS:
        if width == (_rounded(320 * row[1]),) and depths == [ceil(depth * row[2]) for depth in _DEPTHS]:
            return row
    return _OTHER


def _rounded(channels: float) -> int:
    """The nearest multiple of eight, and never less than nine tenths.

    >>> _rounded(35.2), _rounded(44.8)
    (32, 48)
    """
    near = max(8, int(channels + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels else near


def _by_torchvision(sketch: Sketch) -> Iterator[tuple[Names, int]]:
    for stage, stride in enumerate(_STRIDES, 1):
        for index in range(max(sketch.count(f"features.{stage}."), 1)):
            name, first = f"features.{stage}.{index}", 1 if stage > 1 else 0
            inner = f"{name}.block"
            expand = (f"{inner}.0.0", f"{inner}.0.1") if first else None
            depthwise = (f"{inner}.{first}.0", f"{inner}.{first}.1")
            squeeze = (f"{inner}.{first + 1}.fc1", f"{inner}.{first + 1}.fc2")
            project = (f"{inner}.{first + 2}.0", f"{inner}.{first + 2}.1")
            yield Names(name, expand, depthwise, squeeze, project), 1 if index else stride


def _by_timm(sketch: Sketch) -> Iterator[tuple[Names, int]]:
    for stage, stride in enumerate(_STRIDES):
        for index in range(max(sketch.count(f"blocks.{stage}."), 1)):
            yield timm_names(f"blocks.{stage}.{index}", stage > 0, squeezes=True), 1 if index else stride
