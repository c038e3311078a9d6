"""What a network expects at its input, and how raw examples become that."""

import dataclasses
import math
import re
from dataclasses import dataclass
from typing import Literal, get_args

from regraft.core.errors import RequestError
from regraft.core.table_spec import TableSpec
from regraft.core.text_spec import TextSpec

Order = Literal["rgb", "bgr"]
Resizing = Literal["crop", "stretch", "pad"]
Decoding = Literal["full", "draft"]
Origin = Literal["stated", "known", "requested", "detected", "assumed"]

# Views of a picture are cut out of it, and have to be larger than the network's input still.
DRAFT_MARGIN = 2

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
_IMAGENET_MEAN_BGR_255 = (103.939, 116.779, 123.68)


@dataclass(frozen=True, slots=True)
class InputSpec:
    """The input convention that travels with the weights.

    The network's input is `channels_in_order(x) * scale + offset`, where `x` is the raw example after resizing, in the
    range 0 to 255 for pictures.

    Attributes:
        shape: one example as the network takes it, without the batch: (height, width, channels) for pictures, channels
            last, or any other shape for plain arrays.
        scale: one factor for all channels, or one for each, in the network's channel order.
        offset: likewise, added after scaling.
        order: the network's channel order; raw pictures are RGB.
        resizing: how a picture of another size is brought to `shape`: `crop` keeps the aspect ratio and takes the
            largest centred window, `stretch` does not keep it, `pad` adds black bars. Bilinear, antialiased.
        name: the convention's name where it has one.
        origin: how the convention is known.
        decoding: `full` decodes every pixel of a picture file. `draft` lets JPEG files be decoded at a half, a quarter
            or an eighth of their size, as far as both sides stay at least `DRAFT_MARGIN` times the network's: several
            times as fast for large photographs, and almost the same picture.
        text: how a text becomes ids of tokens, where the network takes texts: `shape` is (tokens,).
        table: how a row of numbers and categories becomes a vector, where the network takes rows: `shape` is (width,).
    """

    shape: tuple[int, ...]
    scale: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)
    order: Order = "rgb"
    resizing: Resizing = "crop"
    name: str = "raw"
    origin: Origin = "assumed"
    decoding: Decoding = "full"
    text: TextSpec | None = None
    table: TableSpec | None = None

    def __post_init__(self) -> None:
        """Refuse factors that fit neither one channel nor all of them."""
        channels = self.shape[-1] if self.shape else 1
        for name, values in (("scale", self.scale), ("offset", self.offset)):
            if len(values) not in (1, channels):
                raise RequestError(
                    f"expected one {name} for all channels or one for each of {channels}, found {len(values)}"
                )

    @property
    def is_picture(self) -> bool:
        """Whether an example is a picture: height, width and 1, 3 or 4 channels."""
        return len(self.shape) == 3 and self.shape[-1] in (1, 3, 4)

    @property
    def draft_side(self) -> int:
        """How many pixels a JPEG file must keep on both sides when it is decoded; 0: all of them."""
        return DRAFT_MARGIN * max(self.shape[:2]) if self.is_picture and self.decoding == "draft" else 0

    @property
    def channels(self) -> int:
        """The number of channels of a picture."""
        return self.shape[-1]

    def with_size(self, height: int, width: int) -> "InputSpec":
        """The same convention for pictures of another size.

        Raises:
            RequestError: the network takes no pictures, so that there is no height and width to change.
        """
        if not self.is_picture:
            raise RequestError(
                f"expected a network that takes pictures (height, width, channels) to give another size, "
                f"found one that takes {self.shape}; leave the size out"
            )
        return dataclasses.replace(self, shape=(height, width, self.shape[-1]))

    def with_decoding(self, decoding: Decoding) -> "InputSpec":
        """The same convention with files decoded so.

        Raises:
            RequestError: there is no such decoding, or the network takes no pictures, so that no file could be decoded
                small.
        """
        if decoding not in get_args(Decoding):
            raise RequestError(f"expected the decoding {' or '.join(get_args(Decoding))}, found {decoding!r}")
        if decoding == "draft" and not self.is_picture:
            raise RequestError(
                "expected a network that takes pictures (height, width, channels) to decode files small, "
                f"found one that takes {self.shape}; leave 'draft' out"
            )
        return dataclasses.replace(self, decoding=decoding)

    def with_convention(self, text: str, origin: Origin = "requested") -> "InputSpec":
        """The same shape with the convention that `text` names; see `parse_convention`."""
        name, scale, offset, order = parse_convention(text, self.shape[-1] if self.shape else 1)
        return dataclasses.replace(self, scale=scale, offset=offset, order=order, name=name, origin=origin)


CONVENTIONS: dict[str, str] = {
    "raw": "the values as they are, 0 to 255 for pictures; the network scales them itself",
    "tf": "x / 127.5 - 1 (Inception, MobileNet, ResNetV2, NASNet, Xception)",
    "caffe": "BGR, minus the ImageNet mean in 0 to 255 (VGG, ResNet)",
    "torch": "x / 255, minus the ImageNet mean, divided by its deviation (DenseNet, PyTorch)",
    "unit": "x / 255",
}

_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_FORMULA = re.compile(
    rf"(?P<order>rgb:|bgr:)?x(?:(?P<operator>[/*])(?P<factor>{_NUMBER}))?(?P<offset>[+-]{_NUMBER})?", re.ASCII
)


def parse_convention(text: str, channels: int) -> tuple[str, tuple[float, ...], tuple[float, ...], Order]:
    """Name, scale, offset and channel order of a named convention or of a formula.

    Args:
        text: `raw`, `tf`, `caffe`, `torch`, `unit`, or a formula such as `x/127.5-1` or `bgr:x-120`.
        channels: how many the network takes.

    Raises:
        RequestError: the text is none of these, or it is for three channels and the network has another number.

    >>> parse_convention("x/127.5-1", 3)
    ('x/127.5-1', (0.00784313725490196,), (-1.0,), 'rgb')
    """
    if (text in ("caffe", "torch") or text.strip().startswith("bgr:")) and channels != 3:
        raise RequestError(
            f"preprocessing '{text}' is for 3 channels, the network takes {channels}; say 'unit' or a formula"
        )
    match text:
        case "raw":
            return text, (1.0,), (0.0,), "rgb"
        case "tf":
            return text, (1 / 127.5,), (-1.0,), "rgb"
        case "unit":
            return text, (1 / 255,), (0.0,), "rgb"
        case "caffe":
            return text, (1.0,), tuple(-mean for mean in _IMAGENET_MEAN_BGR_255), "bgr"
        case "torch":
            scale = tuple(1 / (255 * deviation) for deviation in _IMAGENET_DEVIATION)
            pairs = zip(_IMAGENET_MEAN, _IMAGENET_DEVIATION, strict=True)
            return text, scale, tuple(-mean / deviation for mean, deviation in pairs), "rgb"
        case _:
            return text, *_parse_formula(text)


def _parse_formula(text: str) -> tuple[tuple[float, ...], tuple[float, ...], Order]:
    found = _FORMULA.fullmatch(text.replace(" ", ""))
    factor = float(found["factor"] or 1) if found else 0.0
    offset = float(found["offset"] or 0) if found else 0.0
    scale = 1 / factor if found and found["operator"] == "/" and factor else factor
    # A factor of nothing, or one beyond all floats, would show the network the same picture always.
    if not found or scale == 0 or not (math.isfinite(scale) and math.isfinite(offset)):
        raise RequestError(
            f"unknown preprocessing '{text}'; expected one of {', '.join(CONVENTIONS)}, "
            "or a formula such as 'x/127.5-1' or 'bgr:x-120'"
        )
    return (scale,), (offset,), "bgr" if found["order"] == "bgr:" else "rgb"
