"""The confusion matrix as pixels, for programs that take no SVG."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from regraft.core.records import RunRecord
from regraft.report.plots.svg import clipped

_LONGEST_SIDE, _LARGEST_CELL, _NAMED = 960, 44, 40
_LETTERS, _FONT = 22, 12
# The colours of the page by day.
_PAPER, _PANEL, _INK, _SOFT = (251, 250, 247), (243, 241, 235), (28, 32, 36), (87, 95, 103)
_RIGHT, _WRONG = (31, 110, 168), (210, 105, 30)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A PNG of three channels and its (height, width)."""

    png: bytes
    size: tuple[int, int]


def confusion_png(record: RunRecord) -> Drawn | None:
    """One cell for each pair of classes, as strong as its share of the actual class; None where nothing was answered.

    Rows are the actual classes, columns the answers in the same order; up to forty classes are named, and their counts
    written.
    """
    counts = np.asarray(record.confusion, float)
    if not counts.size or not counts.sum():
        return None
    classes = len(counts)
    cell = max(1, min(_LARGEST_CELL, _LONGEST_SIDE // classes))
    font: Any = ImageFont.load_default(_FONT)
    names = [clipped(name, _LETTERS) for name in record.classes] if classes <= _NAMED else []
    left = int(max((font.getlength(name) for name in names), default=0)) + 12
    picture = Image.new("RGB", (left + classes * cell + 8, classes * cell + 34), _PAPER)
    pen = ImageDraw.Draw(picture)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for row, column in np.ndindex(counts.shape):
        x, y = left + column * cell, 8 + row * cell
        colour = _mixed(_RIGHT if row == column else _WRONG, float(shares[row, column]) ** 0.5)
        gap = 1 if cell > 4 else 0
        pen.rectangle((x, y, x + cell - 1 - gap, y + cell - 1 - gap), fill=colour)
        if names and cell >= 22 and counts[row, column]:
            ink = _PAPER if shares[row, column] > 0.25 else _INK
            pen.text((x + cell / 2, y + cell / 2), f"{counts[row, column]:.0f}", ink, font, anchor="mm")
    for row, name in enumerate(names):
        pen.text((left - 6, 8 + row * cell + cell / 2), name, _INK, font, anchor="rm")
    pen.text((left, 14 + classes * cell), f"answers, in the same order; {record.evaluated_on} split", _SOFT, font)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return Drawn(out.getvalue(), (picture.height, picture.width))


def _mixed(colour: tuple[int, int, int], share: float) -> tuple[int, int, int]:
    red, green, blue = (round(to * share + of * (1 - share)) for to, of in zip(colour, _PANEL, strict=True))
    return red, green, blue
