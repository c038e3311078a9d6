"""How pretraining went, epoch by epoch and stage after stage: its loss, and what a linear head makes of it."""

from collections.abc import Callable, Sequence

from markupsafe import Markup

from regraft.core.pretraining import PretrainingEpoch, PretrainingRecord, Stage
from regraft.report.plots.axes import LEFT, RIGHT, rising, share_domain
from regraft.report.plots.svg import Figure, Point, Scale, dot, flag, line, path, plot, text
from regraft.report.quantities import counted, number, percent
from regraft.report.reading import finite

_HEIGHT, _GAP, _TOP = 170.0, 58.0, 56.0
_DOTS = 60


def losses(record: PretrainingRecord) -> Figure | None:
    """The loss while training, and on the examples held out: each stage has a scale of its own."""
    values = [
        value for stage in record.stages for row in stage.history for value in (row.loss, row.held_out) if _known(value)
    ]
    if not values:
        return None
    panels = [_panel_of(stage, record.stages) for stage in record.stages]
    height = len(panels) * (_HEIGHT + _GAP) + _TOP - _GAP
    pieces: list[Markup] = []
    for place, (stage, make) in enumerate(zip(record.stages, panels, strict=True)):
        pieces.append(make(_TOP + place * (_HEIGHT + _GAP)))
        pieces.append(_epochs(stage.history, _TOP + place * (_HEIGHT + _GAP) + _HEIGHT))
    total = sum(len(stage.history) - 1 for stage in record.stages)
    caption = f"Loss over {counted(total, 'epoch')}."
    if worse := [f"“{stage.name}”" for stage in record.stages if stage.worsened]:
        caption += f" On held-out examples that of {' and '.join(worse)} was never as low as before learning."
    return Figure(plot(height + 26, "Loss of pretraining", *pieces), caption)


def probed(record: PretrainingRecord) -> Figure | None:
    """Accuracy of a linear head on a few labels, through all stages."""
    rows = [(stage, row) for stage in record.stages for row in stage.history if row.probe is not None]
    if not rows:
        return None
    shares = [row.probe or 0.0 for _, row in rows]
    x = Scale(0, max(1, len(rows) - 1), LEFT + 2, RIGHT - 1)
    y = Scale(*share_domain(shares), _TOP + _HEIGHT, _TOP)
    points: list[Point] = [(x(place), y(share)) for place, share in enumerate(shares)]
    several = len({id(stage) for stage, _ in rows}) > 1
    pieces = [rising(y, lambda value: percent(value, 0))]
    # A line for each stage: the next one is probed on the representation of other layers.
    for own in {id(stage): stage for stage, _ in rows}.values():
        line_of = [point for (stage, _), point in zip(rows, points, strict=True) if stage is own]
        pieces.append(path(line_of, y.start + 4, "stroke own"))
    for place, ((stage, row), point) in enumerate(zip(rows, points, strict=True)):
        if row.epoch == 0 and several:
            pieces.append(line(point[0], 6, point[0], _TOP + _HEIGHT, "boundary"))
            pieces.append(flag(point[0], 12, stage.name, "tick"))
        if len(rows) <= _DOTS:
            said = f"{stage.name}, epoch {row.epoch}: {percent(shares[place])}"
            pieces.append(dot(*point, 3.2, "mark own", said))
    pieces.append(text(LEFT, _TOP - 8, "Accuracy of a linear head", "label strong"))
    return Figure(plot(_TOP + _HEIGHT + 26, "Probe curve", *pieces), _probed_best(rows))


def _probed_best(rows: Sequence[tuple[Stage, PretrainingEpoch]]) -> str:
    """What a linear head made of the network that is kept, and where it did best."""
    last = rows[-1][0]
    stage, row = max(rows, key=lambda item: item[1].probe or 0.0)
    best = f"A linear head did best, {percent(row.probe)}, after epoch {row.epoch} of “{stage.name}”"
    if stage is last and row.epoch == last.best:
        return f"{best}, which is kept."
    kept = f"Of the network that is kept, from epoch {last.best} of “{last.name}”, it made {percent(last.kept.probe)}."
    return f"{best}. {kept}"


def _panel_of(stage: Stage, stages: Sequence[Stage]) -> Callable[[float], Markup]:
    known = [
        value for row in stage.history for value in (row.loss, row.held_out) if value is not None and finite(value)
    ]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    spread = (high - low) or 1.0
    last = max(1, len(stage.history) - 1)
    title = "Loss: training (grey), held out (blue)" + (f", {stage.name}" if len(stages) > 1 else "")

    def made(top: float) -> Markup:
        x = Scale(0, last, LEFT + 2, RIGHT - 1)
        y = Scale(low - 0.05 * spread, high + 0.05 * spread, top + _HEIGHT, top)
        pieces = [rising(y, lambda value: number(value, 3)), text(LEFT, top - 8, title, "label strong")]
        for kind, of in (("other", _training), ("own", _held_out)):
            points = [(x(row.epoch), y(value) if _known(value := of(row)) else float("nan")) for row in stage.history]
            pieces.append(path(points, y.start + 4, f"stroke {kind}"))
        pieces.append(line(x(stage.best), top, x(stage.best), top + _HEIGHT, "boundary"))
        return Markup("").join(pieces)

    return made


def _training(row: PretrainingEpoch) -> float:
    return float("nan") if row.loss is None else row.loss


def _held_out(row: PretrainingEpoch) -> float:
    return row.held_out


def _known(value: float | None) -> bool:
    return value is not None and finite(value)


def _epochs(history: Sequence[PretrainingEpoch], bottom: float) -> Markup:
    step = max(1, -(-len(history) // 8))
    x = Scale(0, max(1, len(history) - 1), LEFT + 2, RIGHT - 1)
    shown = [row.epoch for row in history if row.epoch % step == 0]
    pieces = [text(x(epoch), bottom + 18, str(epoch), "tick", "middle") for epoch in shown]
    return Markup("").join([*pieces, text(0, bottom + 18, "epoch", "tick")])
