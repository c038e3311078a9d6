"""The best ways beside each other: what each keeps, trains and drops, and how accurate that is."""

from collections.abc import Sequence

from markupsafe import Markup

from regraft.core.depth import DepthRecord, Trial, Way
from regraft.report import depth_reading as reading
from regraft.report.naming import shortened
from regraft.report.plots.axes import along, share_domain
from regraft.report.plots.depth.marks import bounds, title
from regraft.report.plots.svg import Figure, Scale, bar, dot, plot, text, ticks
from regraft.report.quantities import counted, percent, percent_interval
from regraft.report.reading import finite

MOST_ROWS = 12
_ROW, _TOP = 50.0, 6.0
# The strip of layers at the left, accuracy at the right of it.
_STRIP, _LEFT, _RIGHT = 34.0, 40.0, 99.0
_HEAD, _TAP = 1.6, 0.6
# Letters of a name, on a telephone and on a wide screen.
_TIGHT, _ROOMY = 38, 62


def draw(record: DepthRecord) -> Figure | None:
    """One row for each of the best ways, the recommended one first."""
    rows = reading.judged(record.table)[:MOST_ROWS]
    if not rows:
        return None
    shares = [value for trial in rows for value in bounds(trial.accuracy)]
    scale = Scale(*share_domain(shares), _LEFT, _RIGHT)
    bottom = _TOP + _ROW * len(rows)
    grid = along(scale, ticks(scale.low, scale.high, 2), lambda value: percent(value, 0), _TOP, bottom)
    drawn = [_row(record, trial, _TOP + _ROW * index, scale) for index, trial in enumerate(rows)]
    return Figure(
        plot(bottom + 22, "The best ways of reusing the source", grid, *drawn), _caption(record, rows), _legend(rows)
    )


def _row(record: DepthRecord, trial: Trial, top: float, scale: Scale) -> Markup:
    where = reading.standing(record, trial)
    kind = "own" if where in ("recommended", "alike") else "other"
    hollow = "" if reading.is_compared(record, trial) else " hollow"
    middle = top + 34
    pieces = [
        *_texts(trial, top + 20, "own" if where == "recommended" else "other"),
        _strip(record, trial.way, middle - 5),
    ]
    if finite(*trial.accuracy.interval):
        low, high = map(scale, trial.accuracy.interval)
        pieces.append(bar(low, middle - 3, max(high - low, 0.2), 6, f"interval {kind}"))
    radius = 5.5 if where == "recommended" else 4.5
    pieces.append(dot(scale(trial.accuracy.value), middle, radius, f"mark{hollow} {kind}", title(record, trial)))
    return Markup("").join(pieces)


def _texts(trial: Trial, y: float, kind: str) -> list[Markup]:
    """The way and its accuracy; a telephone has room for the interval as a bar alone."""
    short = percent(trial.accuracy.value)
    written = f"{short}  ({percent_interval(trial.accuracy)})" if finite(*trial.accuracy.interval) else short
    found: list[Markup] = []
    for place, letters, figure in (("tight", _TIGHT, short), ("roomy", _ROOMY, written)):
        found.append(text(0, y, shortened(trial.way.name, letters), f"name {kind} {place}"))
        found.append(text(99.5, y, figure, f"value {place}", "end"))
    return found


def _strip(record: DepthRecord, way: Way, y: float) -> Markup:
    """The source from its input to its output: kept, learning, new, dropped; as long as it has layers."""
    layer = (_STRIP - _HEAD * (1 + len(way.hidden))) / reading.all_layers(record)
    dropped = reading.all_layers(record) - way.reused
    parts = [
        ("part frozen", way.frozen * layer, f"{counted(way.frozen, 'layer')} frozen"),
        ("part trained", way.tuned * layer, f"{counted(way.tuned, 'layer')} that learn"),
        *(("part new", _HEAD, f"a new layer of {width}") for width in way.hidden),
        ("part head", _HEAD, "the new head"),
        ("part dropped", dropped * layer, f"{counted(dropped, 'layer')} dropped"),
    ]
    pieces: list[Markup] = []
    x = 0.0
    for kind, width, said in parts:
        if width > 0:
            pieces.append(bar(x, y, max(width - 0.3, 0.2), 10, kind, said))
        x += width
    below = reading.layers_below(record, way.tap) if way.tap is not None else None
    if below is not None:
        pieces.append(bar(below * layer - _TAP / 2, y - 4, _TAP, 18, "part head", f"the head reads {way.tap} as well"))
    return Markup("").join(pieces)


def _legend(rows: Sequence[Trial]) -> tuple[tuple[str, str, str], ...]:
    tapped = any(trial.way.tap is not None for trial in rows)
    found = [
        ("part frozen", "Frozen", "reused as it is"),
        ("part trained", "Learns", "reused, and trained on"),
        ("part new", "New layers", "between the reused ones and the head"),
        ("part head", "Head", "new; a line where it reads a lower cut point" if tapped else "new"),
        ("part dropped", "Dropped", "layers of the source above the cut"),
    ]
    is_new = any(trial.way.hidden for trial in rows)
    return tuple(entry for entry in found if is_new or entry[0] != "part new")


def _caption(record: DepthRecord, rows: Sequence[Trial]) -> str:
    left_out = len(record.table) - len(rows)
    more = f" {counted(left_out, 'more is', 'more are')} in the table below." if left_out else ""
    blue = "Blue bars are 95 % intervals of the recommended way and of those that cannot be told apart from it"
    corrected = percent(record.recommended.accuracy)
    return (
        f"{blue}; having been chosen flatters, and what the recommended way will reach on new examples is "
        f"{corrected}.{more}"
    )
