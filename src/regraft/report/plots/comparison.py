"""The run beside its baselines: a dot and an interval each, all on the whole range from 0 to 100 %."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from regraft.core.records import Baseline, Metric, RunRecord
from regraft.report.plots.axes import along
from regraft.report.plots.svg import Figure, Scale, bar, clipped, dot, plot, text
from regraft.report.quantities import number, percent, percent_interval, spoken
from regraft.report.reading import accuracy, finite

_ROW = 50.0


def draw(record: RunRecord) -> Figure | None:
    """Accuracy with its 95 % interval, this run first and its baselines from the best to the worst."""
    own = accuracy(record)
    if own is None:
        return None
    rows = [("This run", own), *((spoken(each.name), each.accuracy) for each in by_accuracy(record.baselines))]
    return Figure(beside(rows, "Accuracy of this run and its baselines"), _caption(record, rows))


def by_accuracy(baselines: Mapping[str, Baseline]) -> list[Baseline]:
    """From the best to the worst; those that are no number last."""
    return sorted(baselines.values(), key=lambda each: -each.accuracy.value if finite(each.accuracy.value) else 1)


def beside(rows: Sequence[tuple[str, Metric]], title: str) -> Markup:
    """Accuracies under each other, the first as one's own; the title is what a screen reader says."""
    scale = Scale(0, 1, 0.5, 99.5)
    bottom = _ROW * len(rows)
    grid = along(scale, (0, 0.25, 0.5, 0.75, 1), lambda value: percent(value, 0), 0, bottom)
    drawn = [_row(index, name, metric, scale) for index, (name, metric) in enumerate(rows)]
    return plot(bottom + 22, title, grid, *drawn)


def _row(index: int, name: str, metric: Metric, scale: Scale) -> Markup:
    kind = "own" if index == 0 else "other"
    middle = _ROW * index + 34
    written = (
        f"{percent(metric.value)}  ({percent_interval(metric)})" if finite(*metric.interval) else percent(metric.value)
    )
    pieces = [
        text(0.5, middle - 14, clipped(name, 28), f"name {kind}"),
        text(99.5, middle - 14, written, "value", "end"),
    ]
    if finite(*metric.interval):
        low, high = map(scale, metric.interval)
        pieces.append(bar(low, middle - 3, max(high - low, 0.2), 6, f"interval {kind}", written))
    if finite(metric.value):
        pieces.append(
            dot(scale(metric.value), middle, 5.5 if index == 0 else 4.5, f"mark {kind}", f"{name}: {written}")
        )
    return Markup("").join(pieces)


def _caption(record: RunRecord, rows: list[tuple[str, Metric]]) -> str:
    examples = record.metrics[record.evaluated_on].examples
    on = f"the same {examples} {record.evaluated_on} examples"
    if len(rows) == 1:
        return f"Accuracy and its 95 % interval on {examples} {record.evaluated_on} examples; no baseline was run."
    name, best = rows[1]
    gap = rows[0][1].value - best.value
    if not finite(gap):
        return f"Accuracy and 95 % intervals on {on}."
    side = "above" if gap >= 0 else "below"
    return (
        f"On {on}, this run is {number(abs(100 * gap), 1)} points {side} its best baseline "
        f"({name.lower()}); bars are 95 % intervals."
    )
