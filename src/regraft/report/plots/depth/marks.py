"""How a way is drawn: a dot, hollow where it was left early, with its interval as a whisker."""

from markupsafe import Markup

from regraft.core.depth import DepthRecord, Trial
from regraft.core.records import Metric
from regraft.report.depth_reading import STANDINGS, in_words, is_compared, standing
from regraft.report.plots.svg import Scale, dot, line
from regraft.report.quantities import percent, percent_interval
from regraft.report.reading import finite


def title(record: DepthRecord, trial: Trial) -> str:
    """What stands under the pointer."""
    written = percent(trial.accuracy.value)
    if finite(*trial.accuracy.interval):
        written += f" ({percent_interval(trial.accuracy)})"
    return f"{in_words(trial.way)}: {written}, {STANDINGS[standing(record, trial)]}"


def whisker(x: float, accuracy: Metric, y: Scale, kind: str) -> Markup:
    """The interval; nothing where there is none."""
    if not finite(*accuracy.interval):
        return Markup("")
    low, high = map(y, accuracy.interval)
    return line(x, low, x, high, f"whisker {kind}")


def mark(record: DepthRecord, trial: Trial, x: float, y: float, kind: str) -> Markup:
    """The dot; the recommended way's is the largest."""
    known = is_compared(record, trial)
    radius = 6.5 if standing(record, trial) == "recommended" else 4.0 if known else 3.2
    return dot(x, y, radius, f"mark {kind}" if known else f"mark hollow {kind}", title(record, trial))


def bounds(metric: Metric) -> list[float]:
    """The value and its interval, those of them that are numbers."""
    return [value for value in (metric.value, *metric.interval) if finite(value)]
