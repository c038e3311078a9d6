"""How it learnt: accuracy on the validation examples, and loss, epoch by epoch through the phases."""

from collections.abc import Callable, Sequence
from itertools import groupby

from markupsafe import Markup

from regraft.core.records import Epoch, RunRecord
from regraft.report.plots.axes import LEFT, RIGHT, rising, share_domain
from regraft.report.plots.svg import Figure, Point, Scale, dot, flag, line, path, plot, text, ticks
from regraft.report.quantities import counted, number, percent, spoken
from regraft.report.reading import finite

_HEIGHT, _GAP, _TOP = 170.0, 58.0, 56.0


def draw(record: RunRecord) -> Figure | None:
    """Two panels over the same epochs: validation accuracy above, training and validation loss below."""
    history = shown(record.history)
    accuracies = [epoch.validation_accuracy for epoch in history if finite(epoch.validation_accuracy)]
    losses = [
        value
        for epoch in history
        for value in (epoch.loss, epoch.validation_loss)
        if value is not None and finite(value)
    ]
    if not accuracies and not losses:
        return None
    x = Scale(0, len(history) - 1, LEFT + 2, RIGHT - 1)
    pieces: list[Markup] = []
    top = _TOP
    if accuracies:
        y = Scale(*share_domain(accuracies), top + _HEIGHT, top)
        pieces.append(_panel(y, lambda value: percent(value, 0), "Accuracy on validation examples"))
        pieces.append(_curve(history, lambda epoch: epoch.validation_accuracy, x, y, "own", percent))
        top += _HEIGHT + _GAP
    if losses:
        y = Scale(0, ticks(0, 1.2 * max(losses) or 1.0, 4)[-1] or 1.0, top + _HEIGHT, top)
        pieces.append(_panel(y, lambda value: number(value, 2), "Loss: training (grey), validation (blue)"))
        pieces.append(_curve(history, lambda epoch: epoch.loss, x, y, "other", number))
        pieces.append(_curve(history, lambda epoch: epoch.validation_loss, x, y, "own", number))
        top += _HEIGHT + _GAP
    bottom = top - _GAP
    pieces.insert(0, _phases(history, x, bottom))
    pieces.append(_epochs(history, x, bottom))
    return Figure(plot(bottom + 26, "Learning curves", *pieces), _caption(history))


def shown(history: Sequence[Epoch]) -> Sequence[Epoch]:
    """The history without the state that the head began in."""
    # An untrained head answers by chance; drawn, it would press all that was learnt into the upper edge.
    return history[1:] if len(history) > 1 and history[0].epoch == 0 else history


def _panel(y: Scale, written: Callable[[float], str], title: str) -> Markup:
    return Markup("").join([rising(y, written), text(LEFT, y.end - 8, title, "label strong")])


def _curve(
    history: Sequence[Epoch],
    value: Callable[[Epoch], float | None],
    x: Scale,
    y: Scale,
    kind: str,
    written: Callable[[float | None], str],
) -> Markup:
    # Where no loss was measured the line is broken, and a phase never runs into the next one.
    strokes: list[Markup] = []
    start = 0
    for _, rows in groupby(history, key=lambda epoch: epoch.phase):
        found = list(rows)
        points: list[Point] = []
        for offset, epoch in enumerate(found):
            at = value(epoch)
            points.append((x(start + offset), y(at) if at is not None and finite(at) else float("nan")))
        strokes.append(path(points, y.start + 4, f"stroke {kind}"))
        for (left, height), epoch in zip(points, found, strict=True):
            if finite(height):
                title = f"{epoch.phase}, epoch {epoch.epoch}: {written(value(epoch))}"
                strokes.append(dot(left, height, 4.5 if len(found) == 1 else 3.2, f"mark {kind}", title))
        start += len(found)
    return Markup("").join(strokes)


def _phases(history: Sequence[Epoch], x: Scale, bottom: float) -> Markup:
    pieces: list[Markup] = []
    start = 0
    for index, (name, rows) in enumerate(groupby(history, key=lambda epoch: epoch.phase)):
        if start:
            between = (x(start - 1) + x(start)) / 2
            pieces.append(line(between, 6, between, bottom, "boundary"))
        # A phase may have one epoch only; on two lines its name does not meet the next one.
        pieces.append(flag(x(start), 12 + 14 * (index % 2), spoken(name), "tick"))
        start += sum(1 for _ in rows)
    return Markup("").join(pieces)


def _epochs(history: Sequence[Epoch], x: Scale, bottom: float) -> Markup:
    # Labels need room: about eight of them fit on a telephone.
    step = max(1, -(-len(history) // 8))
    shown = [(index, epoch) for index, epoch in enumerate(history) if epoch.epoch % step == 0 or len(history) < 8]
    pieces = [text(x(index), bottom + 18, str(epoch.epoch), "tick", "middle") for index, epoch in shown]
    return Markup("").join([*pieces, text(0, bottom + 18, "epoch", "tick")])


def _caption(history: Sequence[Epoch]) -> str:
    known = [epoch for epoch in history if finite(epoch.validation_accuracy)]
    if not known:
        return f"Loss over {counted(len(history), 'epoch')}."
    best = max(known, key=lambda epoch: epoch.validation_accuracy)
    where = f"after epoch {best.epoch} of phase “{spoken(best.phase).lower()}”"
    return f"Validation accuracy was best, {percent(best.validation_accuracy)}, {where}."
