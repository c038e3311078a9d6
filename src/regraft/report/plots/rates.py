"""Which learning rate a range test speaks for: loss over rates, from step to step."""

import math

from markupsafe import Markup

from regraft.core.found_rate import FoundRate
from regraft.core.records import RunRecord
from regraft.report.plots.axes import LEFT, RIGHT, rising
from regraft.report.plots.svg import Figure, Scale, dot, line, path, plot, text, ticks
from regraft.report.quantities import counted, number, spoken

_HEIGHT, _GAP, _TOP, _BELOW = 210.0, 66.0, 64.0, 26.0


def draw(record: RunRecord) -> Figure | None:
    """One panel for each phase whose rate was found."""
    return figure(*record.found_rates) if record.found_rates else None


def figure(*tests: FoundRate) -> Figure:
    """One panel for each range test: losses of batches in grey, the smoothed curve, and what it suggests."""
    pieces: list[Markup] = []
    top = _TOP
    for found in tests:
        pieces.append(_panel(found, top))
        top += _HEIGHT + _BELOW + _GAP
    return Figure(plot(top - _GAP + 4, "Learning-rate range test", *pieces), " ".join(map(_caption, tests)))


def written(rate: float) -> str:
    r"""A rate as people write it.

    >>> [written(rate) for rate in (0.00012, 0.03, 1.0, 3e-6)]
    ['0.00012', '0.03', '1', '3e-6']
    """
    text = f"{rate:.2g}"
    return f"{float(text.partition('e')[0]):g}e{int(text.partition('e')[2])}" if "e" in text else text


def readings(found: FoundRate) -> dict[str, float]:
    """The readings that there are, by their names."""
    known = {
        "steepest descent": found.steepest,
        "a tenth of the least loss's rate": found.tenth,
        "middle of the valley": found.valley,
    }
    return {name: rate for name, rate in known.items() if rate is not None}


def _panel(found: FoundRate, top: float) -> Markup:
    x = Scale(math.log10(found.rates[0]), math.log10(found.rates[-1]), LEFT + 1, RIGHT - 1)
    y = Scale(*_domain(found), top + _HEIGHT, top)
    at = [x(math.log10(rate)) for rate in found.rates]
    title = f"{spoken(found.phase)}: loss over the learning rate ({found.optimizer})"
    pieces = [
        rising(y, lambda value: number(value, 0 if y.high - y.low > 4 else 2)),
        _decades(x, top),
        text(LEFT, top - 46, title, "label strong"),
        *(
            dot(place, y(loss), 1.8, "mark other")
            for place, loss in zip(at, found.losses, strict=True)
            if loss <= y.high
        ),
        path(
            [(place, y(loss) if loss <= y.high else math.nan) for place, loss in zip(at, found.smoothed, strict=True)],
            top + _HEIGHT + 4,
            "stroke own",
        ),
        *_readings(found, x, y, top),
    ]
    return Markup("").join(pieces)


def _domain(found: FoundRate) -> tuple[float, float]:
    """What is below and a little above where the loss began; where it explodes is of no interest."""
    low, start = min(found.smoothed), found.smoothed[0]
    high = min(max(found.smoothed), start + 0.6 * max(start - low, 0.25 * start))
    around = [loss for loss in found.losses if loss <= high]
    low = min([low, *around])
    steps = ticks(0, max(high, low + 1e-9), 4)
    step = steps[1] if len(steps) > 1 else high
    return math.floor(low / step) * step, math.ceil(high / step) * step


def _decades(x: Scale, top: float) -> Markup:
    powers = range(math.ceil(x.low - 1e-9), math.floor(x.high + 1e-9) + 1)
    # About five labels fit on a telephone.
    every = max(1, -(-len(powers) // 5))
    pieces = [line(x(power), top, x(power), top + _HEIGHT, "grid") for power in powers]
    pieces += [
        text(x(power), top + _HEIGHT + 18, written(10.0**power), "tick", "end" if x(power) > 97 else "middle")
        for power in powers
        if (powers[-1] - power) % every == 0
    ]
    return Markup("").join(pieces)


def _readings(found: FoundRate, x: Scale, y: Scale, top: float) -> list[Markup]:
    """The suggestion as a line through the panel, the three readings as marks on the curve."""
    place = x(math.log10(found.suggested))
    pieces = [
        line(place, top - 22, place, top + _HEIGHT, "cut"),
        text(
            place,
            top - 24,
            written(found.suggested),
            "label strong",
            "end" if place > 60 else "start",
            -5 if place > 60 else 5,
        ),
    ]
    for name, rate in readings(found).items():
        nearest = min(range(len(found.rates)), key=lambda index, rate=rate: abs(math.log(found.rates[index] / rate)))
        pieces.append(dot(x(math.log10(rate)), y(found.smoothed[nearest]), 4.5, "mark own", f"{name}: {written(rate)}"))
    return pieces


def _caption(found: FoundRate) -> str:
    end = "until the loss exploded" if found.exploded else f"up to {written(found.rates[-1])}"
    return (
        f"A rate of {written(found.suggested)} is suggested ({found.why}); the rate rose over "
        f"{counted(len(found.rates), 'step')} {end}."
    )
