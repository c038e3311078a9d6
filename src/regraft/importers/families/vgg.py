"""VGG 11, 13, 16 and 19, with and without BatchNorm, in torchvision's and timm's names.

Simonyan, Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition, 2014. torchvision flattens a
map of 7x7, channel after channel; timm convolves it. Either brings a map of another size to 7x7 by means.
"""

import itertools
from collections.abc import Mapping

from regraft.core.errors import SourceError
from regraft.importers.families.member import Hints, Member
from regraft.importers.families.sketch import Shape, Sketch

NAME = "vgg"

_SIDE = 7
_DROPOUT = 0.5
_NAMES: dict[tuple[int, ...], str] = {
    (1, 1, 2, 2, 2): "vgg11",
    (2, 2, 2, 2, 2): "vgg13",
    (2, 2, 3, 3, 3): "vgg16",
    (2, 2, 4, 4, 4): "vgg19",
}


def recognises(shapes: Mapping[str, Shape]) -> bool:
    """Whether tensors of these names and shapes are of this family."""
    # Layers in one row; in SqueezeNet there are layers within layers.
    plain = not any(name.startswith("features.") and name.count(".") > 2 for name in shapes)
    return shapes.get("features.0.weight", ())[2:] == (3, 3) and "features.0.bias" in shapes and plain


def draw(sketch: Sketch, hints: Hints) -> Member:
    """Write the network down."""
    x = sketch.pictures("features.0", 224)
    places = [place for place in range(sketch.count("features.")) if _is_convolution(sketch, place)]
    normed = "features.1.running_mean" in sketch.shapes
    # What a convolution brings along: its normalisation and its activation.
    length = 3 if normed else 2
    stages = [0]
    for place, following in zip(places, [*places[1:], None], strict=True):
        x = sketch.conv(x, f"features.{place}")
        x = sketch.batch_norm(x, f"features.{place + 1}") if normed else x
        x = sketch.function(x, f"features.{place + length - 1}", "relu")
        stages[-1] += 1
        if following != place + length:
            x = sketch.pool(x, f"features.{place + length}", 2, 2)
            stages.append(0)
    by_timm = sketch.has("pre_logits.fc1")
    if by_timm:
        x = _convolved(sketch, x)
    elif sketch.has("classifier.0"):
        x = _flattened(sketch, x)
    name = _NAMES.get(tuple(stages[:-1]), NAME)
    return Member(NAME, name + ("_bn" if normed else ""), "timm" if by_timm else "torchvision", x)


def _is_convolution(sketch: Sketch, place: int) -> bool:
    return len(sketch.shapes.get(f"features.{place}.weight", ())) == 4


def _flattened(sketch: Sketch, x: str) -> str:
    """The classifier of torchvision; without its last layer where that was taken off."""
    x = sketch.flat(_of_seven(sketch, x), "flatten")
    for place in (0, 3):
        x = sketch.function(sketch.linear(x, f"classifier.{place}"), f"classifier.{place + 1}", "relu")
        x = sketch.dropout(x, f"classifier.{place + 2}", _DROPOUT)
    return sketch.linear(x, "classifier.6") if sketch.has("classifier.6") else x


def _convolved(sketch: Sketch, x: str) -> str:
    """The classifier of timm, which takes larger maps as they are."""
    if min(sketch.maps[x][1:]) < _SIDE:
        x = _of_seven(sketch, x)
    for number in (1, 2):
        x = sketch.function(sketch.conv(x, f"pre_logits.fc{number}", padding=0), f"pre_logits.act{number}", "relu")
    x = sketch.flat(sketch.mean(x, "head.global_pool"), "head.flatten")
    return sketch.linear(x, "head.fc") if sketch.has("head.fc") else x


def _of_seven(sketch: Sketch, x: str) -> str:
    """A map of 7x7 by means of windows that divide the map as evenly as they can.

    Raises:
        SourceError: the windows would be of several sizes, which no layer of Keras has.
    """
    side = sketch.maps[x][1]
    starts = [place * side // _SIDE for place in range(_SIDE)]
    lengths = {-(-(place + 1) * side // _SIDE) - start for place, start in enumerate(starts)}
    steps = {after - before for before, after in itertools.pairwise(starts)}
    if side == _SIDE:
        return x
    if side == 1:
        return sketch.repeated(x, "avgpool", _SIDE)
    if len(lengths) > 1 or len(steps) > 1:
        raise SourceError(
            f"vgg makes a map of {side} x {side} of pictures of this size, which windows of one size cannot bring to "
            f"{_SIDE} x {_SIDE}; say --input-size 224, 256, 448, or at most 63"
        )
    return sketch.pool(x, "avgpool", lengths.pop(), steps.pop(), mode="average")
