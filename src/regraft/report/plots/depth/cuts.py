"""How deep to cut: accuracy over the place where the head stands, without and with layers that learn."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from regraft.core.depth import DepthRecord, Trial
from regraft.core.records import Probe
from regraft.report import depth_reading as reading
from regraft.report.naming import shortened
from regraft.report.plots.axes import LEFT, RIGHT, rising, share_domain
from regraft.report.plots.depth import blocks
from regraft.report.plots.depth.marks import bounds, mark, whisker
from regraft.report.plots.svg import Figure, Scale, dot, flag, line, path, plot, text
from regraft.report.quantities import counted, percent
from regraft.report.reading import finite

_TOP, _BOTTOM = 40.0, 300.0
# Two ways at one cut point stand beside each other.
_ASIDE = 0.7
# Of the name of the recommended cut point, beside the word for it.
_LETTERS = 20


def draw(record: DepthRecord) -> Figure | None:
    """The frozen curve, the best tuned way of each cut point, quick probes as a faint line, blocks along the axis."""
    trials = reading.judged(record.table)
    probes = sorted((each for each in record.probes if finite(each.accuracy.value)), key=lambda probe: probe.depth)
    if not trials and not probes:
        return None
    where = reading.depths(record)
    x = Scale(min(0.0, *where.values()), max(where.values()), LEFT + 1, RIGHT)
    y = Scale(*_domain(record, trials, probes), _BOTTOM, _TOP)
    chosen = record.recommended.way.cut_point
    frozen, tuned = reading.frozen_curve(record), reading.tuned_curve(record)
    pieces = [
        blocks.bands(record.stretches, x, _TOP, _BOTTOM),
        rising(y, lambda value: percent(value, 0)),
        _probes(probes, x, y),
        _curve(record, frozen, x, y, "own", -_ASIDE if tuned else 0.0),
        _curve(record, tuned, x, y, "tuned", _ASIDE if frozen else 0.0),
        _others(record, {id(trial) for trial in (*frozen, *tuned)}, x, y),
        line(x(where.get(chosen, x.low)), 22, x(where.get(chosen, x.low)), _BOTTOM, "cut"),
        flag(x(where.get(chosen, x.low)), 14, shortened(chosen, _LETTERS), "label own", "recommended: "),
        _axis(record, x),
    ]
    return Figure(
        plot(_BOTTOM + 44, "Accuracy by the depth of the cut point", *pieces),
        _caption(record, frozen, tuned, probes),
        tuple(_legend(record, frozen, tuned, probes)),
    )


def _domain(record: DepthRecord, trials: Sequence[Trial], probes: Sequence[Probe]) -> tuple[float, float]:
    """What holds the ways that were judged to the end, and whatever did better.

    Quick probes are lower, and would press all that matters together.
    """
    shown = [trial for trial in trials if reading.is_compared(record, trial)] or trials
    shares = [value for trial in shown for value in bounds(trial.accuracy)]
    shares += [trial.accuracy.value for trial in trials if trial.accuracy.value > max(shares)]
    return share_domain(shares or [probe.accuracy.value for probe in probes])


def _probes(probes: Sequence[Probe], x: Scale, y: Scale) -> Markup:
    # What is below the drawing is not drawn on its edge.
    heights = [y(value) if y.low <= (value := probe.accuracy.value) <= y.high else math.nan for probe in probes]
    line_of = path([(x(probe.depth), at) for probe, at in zip(probes, heights, strict=True)], _BOTTOM, "stroke faint")
    dots = [
        dot(x(probe.depth), at, 2, "mark probe", f"{probe.cut_point}: a quick classifier gets {_written(probe)}")
        for probe, at in zip(probes, heights, strict=True)
        if finite(at)
    ]
    return Markup("").join([line_of, *dots])


def _curve(record: DepthRecord, trials: Sequence[Trial], x: Scale, y: Scale, kind: str, aside: float) -> Markup:
    where = reading.depths(record)
    places = [(x(where[trial.way.cut_point]) + aside, y(trial.accuracy.value)) for trial in trials]
    whiskers = [whisker(at, trial.accuracy, y, kind) for (at, _), trial in zip(places, trials, strict=True)]
    dots = [mark(record, trial, *place, kind) for place, trial in zip(places, trials, strict=True)]
    return Markup("").join([*whiskers, path(places, _BOTTOM, f"stroke {kind}"), *dots])


def _others(record: DepthRecord, drawn: set[int], x: Scale, y: Scale) -> Markup:
    """Ways on no curve: the recommended one, those with new layers or a head that reads more, those left early."""
    where = reading.depths(record)
    pieces: list[Markup] = []
    for trial in reading.judged(record.table):
        telling = (
            not reading.is_plain(trial.way)
            or not reading.is_compared(record, trial)
            or reading.standing(record, trial) == "recommended"
        )
        if telling and id(trial) not in drawn and y.low <= trial.accuracy.value <= y.high:
            at = x(where[trial.way.cut_point]) + (0.0 if reading.is_frozen(trial.way) else _ASIDE)
            pieces.append(mark(record, trial, at, y(trial.accuracy.value), _kind(trial)))
    return Markup("").join(pieces)


def _kind(trial: Trial) -> str:
    if trial.way.hidden:
        return "new"
    if trial.way.tap is not None:
        return "tapped"
    return "tuned" if trial.way.tuned else "own"


def _written(probe: Probe) -> str:
    return percent(probe.accuracy.value)


def _axis(record: DepthRecord, x: Scale) -> Markup:
    chosen = reading.block_of(record, record.recommended.way.cut_point)
    return Markup("").join(
        [
            blocks.names(record.stretches, x, _BOTTOM + 16, chosen),
            text(LEFT, _BOTTOM + 36, "near the input", "tick"),
            text(RIGHT, _BOTTOM + 36, "near the output", "tick", "end"),
        ]
    )


def _legend(
    record: DepthRecord, frozen: Sequence[Trial], tuned: Sequence[Trial], probes: Sequence[Probe]
) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    if frozen:
        found.append(("part frozen", "Head alone", "reused layers stay as they are"))
    if tuned:
        found.append(("part trained", "Layers learn as well", "the best number of them at each cut point"))
    if any(trial.way.hidden for trial in record.table):
        found.append(("part new", "New layers", "between the reused ones and the head"))
    if any(trial.way.tap is not None for trial in record.table):
        found.append(("part head", "Two cut points", "the head reads a lower one as well"))
    if probes:
        found.append(("s1", "Quick probes", f"at {counted(len(probes), 'cut point')}, to choose where to look"))
    return found


def _caption(record: DepthRecord, frozen: Sequence[Trial], tuned: Sequence[Trial], probes: Sequence[Probe]) -> str:
    said: list[str] = []
    top = reading.best(frozen)
    if top is not None:
        said.append(f"if only the head learns, it does best on {top.way.cut_point}, with {percent(top.accuracy.value)}")
    top = reading.best(tuned)
    if top is not None:
        said.append(
            f"if layers learn as well, on {top.way.cut_point}, with {percent(top.accuracy.value)} "
            f"and {counted(top.way.tuned, 'layer')} that learn"
        )
    if not said and probes:
        top_probe = max(probes, key=lambda probe: probe.accuracy.value)
        said.append(f"a quick classifier does best on {top_probe.cut_point}")
    if not said:
        return "No way was judged to the end; hollow marks are what they had come to."
    sentence = "; ".join(said)
    hollow = any(not reading.is_compared(record, trial) for trial in record.table)
    return (
        f"{sentence[0].upper()}{sentence[1:]} (whiskers are 95 % intervals"
        f"{', hollow marks are ways left early' if hollow else ''})."
    )
