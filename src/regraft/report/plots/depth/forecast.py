"""What more labels would bring: accuracy over the number of examples, measured and extrapolated."""

import math

from markupsafe import Markup

from regraft.core.depth import DepthRecord, Forecast
from regraft.core.records import Metric
from regraft.report.plots.axes import LEFT, RIGHT, rising, share_domain
from regraft.report.plots.depth.marks import bounds, whisker
from regraft.report.plots.svg import Figure, Scale, area, dot, line, path, plot, text
from regraft.report.quantities import percent, percent_interval, whole
from regraft.report.reading import finite

_TOP, _BOTTOM = 34.0, 244.0
# On a telephone there is room for so many numbers under the axis.
_LABELS = 6


def draw(record: DepthRecord) -> Figure | None:
    """Marks are measured, the line goes on from there, and the shade is how little is known about it."""
    forecast = record.forecast
    if forecast is None or not forecast.at:
        return None
    measured = [
        (size, metric)
        for size, metric in zip(forecast.sizes, forecast.accuracies, strict=True)
        if finite(metric.value) and size > 0
    ]
    expected = _expected(forecast)
    values = [value for _, metric in (*measured, *expected) for value in bounds(metric)]
    if not values:
        return None
    sizes = [size for size, _ in (*measured, *expected)]
    # A doubling is as wide anywhere: what it brings is the question.
    x = Scale(math.log2(min(sizes)), math.log2(max(sizes)), LEFT + 3, RIGHT - 4)
    y = Scale(*share_domain(values), _BOTTOM, _TOP)
    today = min(size for size, _ in expected)
    pieces = [
        rising(y, lambda value: percent(value, 0)),
        _shade(expected, x, y),
        path([(x(math.log2(size)), y(metric.value)) for size, metric in expected], _BOTTOM, "stroke ahead"),
        *(_measured(size, metric, x, y) for size, metric in measured),
        *(_ahead(size, metric, x, y) for size, metric in expected),
        line(x(math.log2(today)), _TOP - 8, x(math.log2(today)), _BOTTOM, "cut"),
        text(x(math.log2(today)), _TOP - 14, "today", "label", "middle"),
        _numbers(sizes, x),
    ]
    return Figure(
        plot(_BOTTOM + 40, "Accuracy by number of labelled examples", *pieces),
        _caption(expected),
        (("s0", "Measured", "learnt from a part of your examples"), ("s3", "Expected", "shade: 95 % interval")),
    )


def _expected(forecast: Forecast) -> list[tuple[int, Metric]]:
    found = [(int(size), metric) for size, metric in forecast.at.items()]
    return sorted((size, metric) for size, metric in found if finite(metric.value) and size > 0)


def _shade(expected: list[tuple[int, Metric]], x: Scale, y: Scale) -> Markup:
    known = [(x(math.log2(size)), *map(y, metric.interval)) for size, metric in expected if finite(*metric.interval)]
    return area([(at, low) for at, low, _ in known], [(at, high) for at, _, high in known], _BOTTOM, "shade ahead")


def _measured(size: int, metric: Metric, x: Scale, y: Scale) -> Markup:
    at = x(math.log2(size))
    said = f"{whole(size)} examples: {percent(metric.value)} ({percent_interval(metric)})"
    return whisker(at, metric, y, "own") + dot(at, y(metric.value), 4, "mark own", said)


def _ahead(size: int, metric: Metric, x: Scale, y: Scale) -> Markup:
    said = f"{whole(size)} examples: {percent(metric.value)} expected ({percent_interval(metric)})"
    return dot(x(math.log2(size)), y(metric.value), 4, "mark ahead", said)


def _numbers(sizes: list[int], x: Scale) -> Markup:
    shown: list[int] = []
    # From the right, as those to come matter most.
    for size in sorted(set(sizes), reverse=True):
        if not shown or x(math.log2(shown[-1])) - x(math.log2(size)) > 100 / (_LABELS + 1):
            shown.append(size)
    labels = [text(x(math.log2(size)), _BOTTOM + 16, whole(size), "tick", "middle") for size in shown]
    return Markup("").join([*labels, text((LEFT + RIGHT) / 2, _BOTTOM + 36, "labelled examples", "tick", "middle")])


def _caption(expected: list[tuple[int, Metric]]) -> str:
    if not expected:
        return "There is too little to go on from."
    (today, now), (most, then) = expected[0], expected[-1]
    said = f"{percent(now.value)} is expected with the {whole(today)} examples of today"
    if most == today:
        return f"{said}."
    return f"{said}, {percent(then.value)} with {whole(most)} ({percent_interval(then)})."
