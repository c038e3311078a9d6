"""How many layers to let learn: accuracy over their number, one curve for each place where the head stands."""

from collections.abc import Sequence

from markupsafe import Markup

from regraft.core.depth import DepthRecord, Trial
from regraft.report import depth_reading as reading
from regraft.report.naming import shortened
from regraft.report.plots.axes import LEFT, RIGHT, along, rising, share_domain
from regraft.report.plots.depth.marks import bounds, mark, whisker
from regraft.report.plots.svg import Figure, Scale, path, plot, text, ticks
from regraft.report.quantities import counted, number, percent

_TOP, _BOTTOM = 34.0, 274.0
# More curves than these cannot be told apart by colour; the others are in the table.
MOST_CURVES = 4
_LETTERS = 18


def draw(record: DepthRecord) -> Figure | None:
    """The recommended cut point's curve with intervals, and those of the best other cut points."""
    curves = reading.by_cut_point(record)[:MOST_CURVES]
    if not curves:
        return None
    trials = [trial for _, found in curves for trial in found]
    shares = [value for trial in trials for value in bounds(trial.accuracy)]
    x = Scale(0, max(trial.way.tuned for trial in trials), LEFT + 2, RIGHT - 1)
    y = Scale(*share_domain(shares), _BOTTOM, _TOP)
    whole = [value for value in ticks(0, x.high, 5) if value == int(value)]
    pieces = [
        rising(y, lambda value: percent(value, 0)),
        along(x, whole, lambda value: str(int(value)), _TOP, _BOTTOM),
        *(_curve(record, index, found, x, y) for index, (_, found) in reversed(list(enumerate(curves)))),
        text(LEFT, 14, "accuracy, by how many layers learn", "label"),
    ]
    legend = tuple(
        (f"curve c{index}", f"Head on {shortened(cut, _LETTERS)}", f"{counted(found[0].way.reused, 'layer')} reused")
        for index, (cut, found) in enumerate(curves)
    )
    return Figure(
        plot(_BOTTOM + 24, "Accuracy by how many layers learn", *pieces), _caption(record, curves[0][1]), legend
    )


def _curve(record: DepthRecord, index: int, trials: Sequence[Trial], x: Scale, y: Scale) -> Markup:
    kind = f"c{index}"
    places = [(x(trial.way.tuned), y(trial.accuracy.value)) for trial in trials]
    # Intervals of all curves would hide the curves.
    whiskers = (
        [] if index else [whisker(at, each.accuracy, y, kind) for (at, _), each in zip(places, trials, strict=True)]
    )
    dots = [mark(record, trial, *place, kind) for place, trial in zip(places, trials, strict=True)]
    return Markup("").join([*whiskers, path(places, _BOTTOM, f"stroke {kind}"), *dots])


def _caption(record: DepthRecord, trials: Sequence[Trial]) -> str:
    still = next((each for each in trials if not each.way.tuned), None)
    top = max(trials, key=lambda each: each.accuracy.value)
    where = f"With the head on {top.way.cut_point}"
    if still is None:
        return f"{where}, {counted(top.way.tuned, 'layer')} that learn do best, {percent(top.accuracy.value)}."
    gain = 100 * (top.accuracy.value - still.accuracy.value)
    if not top.way.tuned:
        return f"{where}, no number of layers that learn does better than none, {percent(still.accuracy.value)}."
    return (
        f"{where}, accuracy goes from {percent(still.accuracy.value)} where no reused layer learns to "
        f"{percent(top.accuracy.value)} where {counted(top.way.tuned, 'layer')} do, {number(gain, 1)} points more."
    )
