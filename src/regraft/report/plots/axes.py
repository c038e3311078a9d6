"""Grid lines and their labels, in one manner for all figures.

A label of the vertical axis stands on its grid line at the left, so that no margin has to be kept for it.
"""

import math
from collections.abc import Callable, Iterable

from markupsafe import Markup

from regraft.report.plots.svg import Scale, line, text, ticks

# Data begin where the labels of the vertical axis have ended, on a telephone too.
LEFT = 12.0
RIGHT = 98.0


def rising(scale: Scale, written: Callable[[float], str], count: int = 4) -> Markup:
    """The horizontal grid lines of a vertical scale."""
    pieces: list[Markup] = []
    for value in ticks(scale.low, scale.high, count):
        y = scale(value)
        pieces += [line(0, y, 100, y, "grid"), text(0, y - 4, written(value), "tick")]
    return Markup("").join(pieces)


def along(scale: Scale, values: Iterable[float], written: Callable[[float], str], top: float, bottom: float) -> Markup:
    """The vertical grid lines of a horizontal scale, labelled under the bottom."""
    pieces: list[Markup] = []
    for value in values:
        x = scale(value)
        anchor = "start" if x < 3 else "end" if x > 97 else "middle"
        pieces += [line(x, top, x, bottom, "grid"), text(x, bottom + 15, written(value), "tick", anchor)]
    return Markup("").join(pieces)


def share_domain(values: Iterable[float]) -> tuple[float, float]:
    """The part of 0 to 1 that holds the values, in steps of a tenth and at least two of them wide.

    >>> share_domain([0.62, 0.87])
    (0.6, 0.9)
    """
    found = list(values)
    low = max(0, math.floor(min(found) * 10 + 1e-9))
    high = min(10, math.ceil(max(found) * 10 - 1e-9))
    if high - low < 2:
        low, high = max(0, high - 2), min(10, max(high, 2))
    return low / 10, high / 10
