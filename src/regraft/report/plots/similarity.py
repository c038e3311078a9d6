"""How alike the source and the result represent the same examples, from the frozen trunk up to the head."""

from markupsafe import Markup

from regraft.core.records import RunRecord
from regraft.core.similarity import Similarity
from regraft.report.plots.axes import LEFT, RIGHT, rising
from regraft.report.plots.svg import Figure, Scale, dot, flag, path, plot, text
from regraft.report.quantities import number
from regraft.report.reading import finite

_TOP, _BOTTOM = 30.0, 200.0
# So that a thousandth is not drawn as a cliff.
_NARROWEST = 0.1


def draw(record: RunRecord) -> Figure | None:
    """One dot for each cut point from the lowest that could change upwards; the top line is "as the source"."""
    known = [place for place in record.similarity if finite(place.value)]
    if not known:
        return None
    least = min(known, key=lambda place: place.value)
    y = Scale(min(max(_floor(least.value), 0.0), 1 - _NARROWEST), 1.0, _BOTTOM, _TOP)
    x = Scale(-0.5, len(known) - 0.5, LEFT, RIGHT)
    digits = 2 if y.low > 0.75 else 1
    places = [(x(index), y(place.value)) for index, place in enumerate(known)]
    pieces = [rising(y, lambda value: number(value, digits), 5), path(places, _BOTTOM, "stroke changed")]
    pieces += [_mark(place, at) for place, at in zip(known, places, strict=True)]
    pieces.append(flag(x(known.index(least)), y(least.value) + 20, least.cut_point))
    pieces += [
        text(LEFT, _BOTTOM + 24, "near the frozen layers", "tick"),
        text(RIGHT, _BOTTOM + 24, "near the head", "tick", "end"),
    ]
    return Figure(plot(_BOTTOM + 32, "How alike source and result represent the examples", *pieces), _caption(known))


def _floor(value: float) -> float:
    step = 0.1 if value < 0.8 else 0.05
    return step * (value / step // 1)


def _mark(place: Similarity, at: tuple[float, float]) -> Markup:
    return dot(*at, 4.0, "mark changed", f"{place.cut_point}: {number(place.value, 3)}")


def _caption(known: list[Similarity]) -> str:
    least = min(known, key=lambda place: place.value)
    said = f"Similarity of source and result on {known[0].examples} examples that nothing learnt from"
    if least.value > 0.995:
        return f"{said}: it is {number(least.value, 3)} or more everywhere, so that nothing new is represented."
    low, last = number(least.value, 3), number(known[-1].value, 3)
    return f"{said}: it is least, {low}, at {least.cut_point}; at the head {last}."
