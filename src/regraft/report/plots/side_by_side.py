"""Several runs in one figure: how accurate each is, how much better than the first, and how each learnt."""

from collections.abc import Sequence

from markupsafe import Markup

from regraft.core.records import Epoch, Metric, RunRecord
from regraft.core.side_by_side import SideBySide
from regraft.report.plots.axes import LEFT, RIGHT, along, rising, share_domain
from regraft.report.plots.svg import Figure, Scale, bar, clipped, dot, line, path, plot, text, ticks
from regraft.report.quantities import duration, percent, percent_interval, points, points_interval
from regraft.report.reading import finite

_ROW = 46.0
_COLOURS = 10
_TOP, _BOTTOM = 24.0, 250.0


def colour(place: int) -> str:
    """The classes of the colour of a run, by its place; the eleventh has that of the first."""
    return f"c c{place % _COLOURS}"


def accuracies(found: SideBySide) -> Figure | None:
    """Accuracy with its interval, one row for each run, over the part of the range that holds them all."""
    rows = [(run.name, run.accuracy) for run in found.runs]
    bounds = [value for _, metric in rows for value in (metric.value, *metric.interval) if finite(value)]
    if not bounds:
        return None
    low, high = share_domain(bounds)
    scale = Scale(low, high, 1, 99)
    bottom = _ROW * len(rows)
    pieces = [along(scale, ticks(low, high, 4), lambda value: percent(value, 0), 0, bottom)]
    for place, (name, metric) in enumerate(rows):
        said = f"{percent(metric.value)}  ({percent_interval(metric)})"
        pieces.append(_row(place, name, metric, said, scale))
    best = max(found.runs, key=lambda run: run.accuracy.value if finite(run.accuracy.value) else -1.0)
    caption = (
        f"Accuracy of each run with its 95 % interval; {best.name} has the highest, {percent(best.accuracy.value)}."
    )
    return Figure(plot(bottom + 22, "Accuracy of each run", *pieces), caption)


def gains(found: SideBySide) -> Figure | None:
    """Differences from the first run on the same examples; those whose interval crosses zero cannot be told apart."""
    rows = [(place, gain) for place, gain in enumerate(found.gains, 1) if gain.gain is not None]
    if not rows:
        return None
    reach = max(abs(bound) for _, gain in rows for bound in (gain.gain or _ZERO).interval) or 0.01
    step = ticks(0, reach, 2)[1] if len(ticks(0, reach, 2)) > 1 else reach
    scale = Scale(-step * -(-reach // step), step * -(-reach // step), 1, 99)
    bottom = _ROW * len(rows)
    pieces = [along(scale, [-scale.high, 0, scale.high], points, 0, bottom), line(50, 0, 50, bottom, "cut")]
    for index, (place, gain) in enumerate(rows):
        metric = gain.gain or _ZERO
        said = f"{points(metric.value)}  ({points_interval(metric)})"
        pieces.append(_row(index, gain.run, metric, said, scale, colour(place)))
    caption = (
        f"Accuracy minus that of {found.runs[0].name} in points, on the examples that both are judged by, with 95 % "
        "intervals; one that crosses zero means that these examples cannot tell the two apart."
    )
    return Figure(plot(bottom + 22, "Differences of accuracy", *pieces), caption)


_ZERO = Metric(0.0, (0.0, 0.0))


def _row(index: int, name: str, metric: Metric, said: str, scale: Scale, kind: str = "") -> Markup:
    kind = kind or colour(index)
    middle = _ROW * index + 33
    pieces = [text(1, middle - 13, clipped(name, 26), "name"), text(99, middle - 13, said, "value", "end")]
    if finite(*metric.interval):
        low, high = map(scale, metric.interval)
        pieces.append(bar(low, middle - 3, max(high - low, 0.2), 6, f"interval {kind}", said))
    if finite(metric.value):
        pieces.append(dot(scale(metric.value), middle, 5, f"mark {kind}", f"{name}: {said}"))
    return Markup("").join(pieces)


def curves(found: SideBySide, records: Sequence[RunRecord]) -> Figure | None:
    """Validation accuracy over the seconds that a run had learnt for: what took long has dots far apart."""
    known = [(place, _course(record.history)) for place, record in enumerate(records)]
    known = [(place, course) for place, course in known if course]
    if not known:
        return None
    longest = max(course[-1][0] for _, course in known) or 1.0
    x = Scale(0, longest, LEFT, RIGHT)
    y = Scale(*share_domain([value for _, course in known for _, value in course]), _BOTTOM, _TOP)
    pieces = [rising(y, lambda value: percent(value, 0))]
    pieces.append(along(x, ticks(0, longest, 4), duration, _TOP, _BOTTOM))
    for place, course in known:
        where = [(x(seconds), y(value)) for seconds, value in course]
        pieces.append(path(where, _BOTTOM + 4, f"stroke {colour(place)}"))
        pieces += [
            dot(*at, 3, f"mark {colour(place)}", f"{found.runs[place].name}: {percent(value)}")
            for at, (_, value) in zip(where, course, strict=True)
        ]
    legend = tuple((f"fill {colour(place)}", found.runs[place].name, percent(course[-1][1])) for place, course in known)
    caption = "Accuracy on validation examples over the time spent learning, the frozen layers' pass not counted."
    return Figure(plot(_BOTTOM + 26, "Learning curves of the runs", *pieces), caption, legend)


def _course(history: Sequence[Epoch]) -> list[tuple[float, float]]:
    seconds, found = 0.0, list[tuple[float, float]]()
    for epoch in history:
        seconds += epoch.seconds if finite(epoch.seconds) else 0.0
        if finite(epoch.validation_accuracy):
            found.append((seconds, epoch.validation_accuracy))
    return found
