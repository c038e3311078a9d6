"""The few pieces of SVG that the figures are made of.

Figures are fluid: heights and text sizes are pixels, horizontal positions are percentages of the width. So a figure
fills a telephone and a wide screen alike, while its text keeps the size of the text around it. Colours are classes,
which the page's style sheet gives a value for light and for dark.
"""

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from regraft.report.reading import finite

Point = tuple[float, float]

# The width in pixels of the narrowest drawing, and of a letter at the size of labels.
_NARROWEST, _LETTER = 350.0, 6.8


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing and what to see in it.

    Attributes:
        drawing: an `<svg>` element.
        caption: one sentence.
        legend: (class of the swatch, label, value), in the order in which they appear.
        wide: whether the drawing has its own width and may have to be scrolled.
    """

    drawing: Markup
    caption: str
    legend: tuple[tuple[str, str, str], ...] = ()
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear map from values to positions."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The position of a value; values outside the domain are put on its edge."""
        if self.high == self.low:
            return (self.start + self.end) / 2
        inside = min(max(value, self.low), self.high)
        return self.start + (inside - self.low) / (self.high - self.low) * (self.end - self.start)


def element(name: str, *content: str, **attributes: str | float | None) -> Markup:
    """An element; text and attribute values are escaped, an attribute that is None is left out.

    >>> element("text", "a < b", x="5%", class_="label", text_anchor="end")
    Markup('<text x="5%" class="label" text-anchor="end">a &lt; b</text>')
    """
    opening = Markup("").join(
        Markup(' {}="{}"').format(
            key.rstrip("_").replace("_", "-"), compact(value) if isinstance(value, float) else value
        )
        for key, value in attributes.items()
        if value is not None
    )
    return Markup("<{0}{1}>{2}</{0}>").format(name, opening, Markup("").join(content))


def compact(value: float) -> str:
    """At most two decimals, which is finer than any screen.

    >>> compact(12.0), compact(3.14159)
    ('12', '3.14')
    """
    return f"{value:.2f}".rstrip("0").rstrip(".") if "." in f"{value:.2f}" else f"{value:.2f}"


def across(position: float) -> str:
    """A horizontal position or length, in per cent of the width."""
    return f"{compact(position)}%"


def plot(height: float, title: str, *content: str) -> Markup:
    """A fluid drawing of a fixed height in pixels; the title is what a screen reader says."""
    return element("svg", *content, class_="plot", role="img", aria_label=title, width="100%", height=float(height))


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line; x in per cent, y in pixels."""
    return element("line", x1=across(x1), y1=float(y1), x2=across(x2), y2=float(y2), class_=class_)


def dot(x: float, y: float, radius: float, class_: str, title: str = "") -> Markup:
    """A round mark; the title appears under the pointer."""
    inner = [element("title", title)] if title else []
    return element("circle", *inner, cx=across(x), cy=float(y), r=float(radius), class_=class_)


def bar(x: float, y: float, width: float, height: float, class_: str, title: str = "") -> Markup:
    """A rectangle; x and width in per cent, y and height in pixels."""
    inner = [element("title", title)] if title else []
    return element("rect", *inner, x=across(x), y=float(y), width=across(width), height=float(height), class_=class_)


def text(x: float, y: float, content: str, class_: str = "label", anchor: str | None = None, dx: float = 0.0) -> Markup:
    """Text with its baseline at y; `dx` moves it by pixels."""
    return element("text", content, x=across(x), y=float(y), dx=dx if dx else None, class_=class_, text_anchor=anchor)


def flag(x: float, y: float, name: str, class_: str = "label", before: str = "") -> Markup:
    """A name that hangs from a position to the roomier side, cut so that it fits on a telephone too."""
    letters = int(max(x, 100 - x) / 100 * _NARROWEST / _LETTER) - len(before)
    anchor, shift = ("end", 5.0) if x > 50 else ("start", -5.0)
    return text(x, y, before + clipped(name, letters), class_, anchor, dx=shift)


def path(points: Sequence[Point], height: float, class_: str) -> Markup:
    """A line through points (x in per cent, y in pixels), broken where a point is not finite."""
    strokes = [
        element("polyline", points=_listed(run), class_=class_, vector_effect="non-scaling-stroke")
        for run in _runs(points)
        if len(run) > 1
    ]
    return _stretched(height, *strokes)


def area(lower: Sequence[Point], upper: Sequence[Point], height: float, class_: str) -> Markup:
    """What lies between two lines through points that are finite (x in per cent, y in pixels)."""
    if len(lower) < 2:
        return Markup("")
    return _stretched(height, element("polygon", points=_listed([*lower, *reversed(upper)]), class_=class_))


def _listed(points: Iterable[Point]) -> str:
    return " ".join(f"{compact(x)},{compact(y)}" for x, y in points)


def _stretched(height: float, *content: str) -> Markup:
    # A stretched inner drawing is the one way to have percentages inside a list of points.
    return element(
        "svg",
        *content,
        width="100%",
        height=float(height),
        viewBox=f"0 0 100 {compact(height)}",
        preserveAspectRatio="none",
    )


def _runs(points: Iterable[Point]) -> list[list[Point]]:
    runs: list[list[Point]] = [[]]
    for point in points:
        if finite(*point):
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return runs


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round values between low and high, about `count` of them.

    >>> ticks(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not high > low:
        return [low]
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def clipped(content: str, width: int) -> str:
    """The text cut in its middle to at most `width` columns; wide characters count twice.

    >>> clipped("block_13_expand_relu", 11)
    'block…_relu'
    """
    if sum(map(_columns, content)) <= width:
        return content
    ends = (width - 1) // 2
    return f"{_prefix(content, ends)}…{_prefix(content[::-1], ends)[::-1]}"


def _prefix(content: str, width: int) -> str:
    used = 0
    for index, character in enumerate(content):
        used += _columns(character)
        if used > width:
            return content[:index]
    return content


def _columns(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
