"""The source's blocks along a horizontal axis: a band for each, and the names of those that have room.

A network may have fifty blocks and a telephone has 350 pixels. So every second, third, ... name is shown, so many that
they do not meet; a narrow drawing and a wide one have names of their own, and the style sheet hides those of the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from regraft.core.depth import Stretch
from regraft.report.naming import shortened
from regraft.report.plots.svg import Scale, bar, text
from regraft.report.quantities import counted

# Widths of drawings in pixels, and of a letter at the size of tick labels.
_NARROW, _WIDE, _LETTER = 340.0, 520.0, 6.4
_LONGEST = 12


@dataclass(frozen=True, slots=True)
class Label:
    """A name and its middle in per cent; shown on narrow drawings, on wide ones, or on both."""

    name: str
    middle: float
    narrow: bool
    wide: bool


def bands(stretches: Sequence[Stretch], x: Scale, top: float, bottom: float) -> Markup:
    """Every other block shaded; the pointer tells the name of each."""
    pieces: list[Markup] = []
    low = x.low
    for index, stretch in enumerate(stretches):
        left, right = x(low), x(stretch.depth)
        said = f"{stretch.block}: {counted(stretch.layers, 'layer')} with weights, up to {stretch.cut_point}"
        pieces.append(bar(left, top, max(right - left, 0), bottom - top, f"block b{index % 2}", said))
        low = stretch.depth
    return Markup("").join(pieces)


def names(stretches: Sequence[Stretch], x: Scale, y: float, chosen: str) -> Markup:
    """The names of blocks under the axis; `chosen` is the block whose name must not be missing."""
    return Markup("").join(
        text(label.middle, y, label.name, _class(label), "middle") for label in placed(stretches, x, chosen)
    )


def placed(stretches: Sequence[Stretch], x: Scale, chosen: str) -> list[Label]:
    """Which names are shown, and where: in the middle of their block, moved inwards at the edges."""
    starts = [x.low, *(stretch.depth for stretch in stretches)]
    middles = [(x(low) + x(stretch.depth)) / 2 for low, stretch in zip(starts, stretches, strict=False)]
    blocks = [stretch.block for stretch in stretches]
    first = blocks.index(chosen) if chosen in blocks else 0
    narrow = _every(blocks, middles, first, _NARROW)
    wide = _every(blocks, middles, first, _WIDE)
    # A name at an edge is moved by another share of a narrow drawing than of a wide one.
    return [
        Label(name, middle, in_narrow, in_wide)
        for name, middle, in_narrow, in_wide in (
            *((*place, True, place in wide) for place in narrow),
            *((*place, False, True) for place in wide if place not in narrow),
        )
    ]


def _every(blocks: Sequence[str], middles: Sequence[float], first: int, width: float) -> list[tuple[str, float]]:
    """Every second, third, ... name, counted from `first`: the smallest step at which no two meet."""
    for step in range(1, len(blocks) + 1):
        found = [_at(blocks[at], middles[at], width) for at in range(first % step, len(blocks), step)]
        if all(
            right - left >= _half(before, width) + _half(after, width)
            for (before, left), (after, right) in pairwise(found)
        ):
            return found
    return []


def _at(block: str, middle: float, width: float) -> tuple[str, float]:
    name = shortened(block, _LONGEST)
    half = _half(name, width)
    return name, min(max(middle, half), 100 - half)


def _half(name: str, width: float) -> float:
    """Half of the width of a name, in per cent of the drawing's; a letter of room on each side."""
    return 50 * (len(name) + 1) * _LETTER / width


def _class(label: Label) -> str:
    if label.narrow and label.wide:
        return "tick"
    return "tick tight" if label.narrow else "tick roomy"
