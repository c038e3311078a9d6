"""How far the network's confidence can be trusted: stated confidence against the share of right answers."""

import math

from markupsafe import Markup

from regraft.core.records import CalibrationBin, RunRecord
from regraft.report.plots.axes import LEFT, RIGHT, along, rising
from regraft.report.plots.svg import Figure, Scale, bar, dot, line, path, plot, text
from regraft.report.quantities import counted, number, percent
from regraft.report.reading import filled_bins, finite

_TOP, _BOTTOM = 26.0, 286.0
_COUNTS_TOP, _COUNTS_BOTTOM = 346.0, 402.0


def draw(record: RunRecord) -> Figure | None:
    """One mark for each bin of confidence, with a 95 % interval; below, how many examples each bin holds."""
    bins = filled_bins(record)
    if not bins:
        return None
    x = Scale(0, 1, LEFT + 1, RIGHT - 1)
    y = Scale(0, 1, _BOTTOM, _TOP)
    most = max(each.examples for each in bins)
    heights = Scale(0, most, 0, _COUNTS_BOTTOM - _COUNTS_TOP)
    pieces = [
        rising(y, lambda value: percent(value, 0)),
        along(x, (0, 0.25, 0.5, 0.75, 1), lambda value: percent(value, 0), _TOP, _BOTTOM),
        text(LEFT, 14, "right answers over confidence, 95 % intervals", "label"),
        line(x(0), y(0), x(1), y(1), "ideal"),
        path([(x(each.confidence), y(each.accuracy)) for each in bins], _BOTTOM, "stroke faint"),
        *(_mark(each, x, y) for each in bins),
        text(LEFT, _COUNTS_TOP - 10, f"examples by confidence (highest bar: {most})", "label"),
        *(_count(each, x, heights) for each in bins),
        line(0, _COUNTS_BOTTOM, 100, _COUNTS_BOTTOM, "grid"),
    ]
    return Figure(plot(_COUNTS_BOTTOM + 4, "Reliability diagram", *pieces), _caption(record, bins))


def wilson(share: float, examples: int) -> tuple[float, float]:
    """The 95 % interval of a share by Wilson's score method (Wilson 1927, J. Am. Stat. Assoc. 22, 209-212).

    >>> [round(bound, 3) for bound in wilson(0.9, 10)]
    [0.596, 0.982]
    """
    z = 1.959964
    centre = share + z * z / (2 * examples)
    spread = z * math.sqrt(share * (1 - share) / examples + z * z / (4 * examples * examples))
    below = 1 + z * z / examples
    return (centre - spread) / below, (centre + spread) / below


def _mark(each: CalibrationBin, x: Scale, y: Scale) -> Markup:
    at = x(each.confidence)
    low, high = wilson(each.accuracy, each.examples)
    title = (
        f"{counted(each.examples, 'example')}: confidence {percent(each.confidence)}, right {percent(each.accuracy)}"
    )
    return line(at, y(low), at, y(high), "whisker own") + dot(at, y(each.accuracy), 4.5, "mark own", title)


def _count(each: CalibrationBin, x: Scale, heights: Scale) -> Markup:
    height = max(heights(each.examples), 1)
    left, right = x(each.low) + 0.3, x(min(each.high, 1.0)) - 0.3
    return bar(
        left, _COUNTS_BOTTOM - height, max(right - left, 0.3), height, "fill other", counted(each.examples, "example")
    )


def _caption(record: RunRecord, bins: tuple[CalibrationBin, ...]) -> str:
    total = sum(each.examples for each in bins)
    gap = sum(each.examples * (each.confidence - each.accuracy) for each in bins) / total
    word = "as confident as it is right" if abs(gap) < 0.01 else "too confident" if gap > 0 else "not confident enough"
    metrics = record.metrics.get(record.evaluated_on)
    error = metrics.calibration_error.value if metrics else None
    mean = f", by {number(100 * abs(gap), 1)} points on average" if abs(gap) >= 0.01 else ""
    tail = f" (expected calibration error {percent(error)})" if finite(error) else ""
    return f"Marks on the diagonal mean that stated confidence comes true: this network is {word}{mean}{tail}."
