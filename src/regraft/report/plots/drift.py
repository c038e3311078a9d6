"""How far each layer moved from the source."""

from markupsafe import Markup

from regraft.core.records import Drift, RunRecord
from regraft.report.plots.axes import LEFT, RIGHT, rising
from regraft.report.plots.svg import Figure, Scale, bar, flag, plot, text, ticks
from regraft.report.quantities import percent
from regraft.report.reading import finite

_TOP, _BOTTOM = 24.0, 200.0


def draw(record: RunRecord) -> Figure | None:
    """One bar for each layer from the input upwards; a frozen layer is a tick on the base line."""
    layers = record.drift
    known = [layer.relative_change for layer in layers if finite(layer.relative_change)]
    if not known:
        return None
    largest = max(known)
    # A run in which nothing moved still has an axis, so that "nothing" is seen to be nothing.
    y = Scale(0, _domain(largest), _BOTTOM, _TOP)
    step = (RIGHT - LEFT) / len(layers)
    # Three bars are no reason for three slabs.
    width = min(step * 0.8, 6.0)
    digits = 0 if y.high >= 0.02 else 1 if y.high >= 0.002 else 2
    pieces = [rising(y, lambda value: percent(value, digits))]
    for index, layer in enumerate(layers):
        pieces.append(_bar(layer, LEFT + (index + 0.5) * step - width / 2, width, y))
    pieces += [
        text(LEFT, _BOTTOM + 24, "near the input", "tick"),
        text(RIGHT, _BOTTOM + 24, "near the head", "tick", "end"),
    ]
    pieces += _name_of_largest(layers, largest, step, y)
    return Figure(plot(_BOTTOM + 32, "How far each layer moved", *pieces), _caption(layers))


def _domain(largest: float) -> float:
    if not largest > 0:
        return 0.01
    step = ticks(0, largest, 4)[1] if len(ticks(0, largest, 4)) > 1 else largest
    return step * -(-largest // step)


def _bar(layer: Drift, x: float, width: float, y: Scale) -> Markup:
    title = f"{layer.layer}: {'frozen' if layer.frozen else 'trained'}, moved {percent(layer.relative_change, 2)}"
    moved = layer.relative_change if finite(layer.relative_change) else 0.0
    if layer.frozen and not moved:
        return bar(x, _BOTTOM + 2, width, 6, "part frozen", title)
    height = max(_BOTTOM - y(moved), 1.0)
    # A frozen layer that moved anyway must not look like one that was meant to.
    return bar(x, _BOTTOM - height, width, height, "fill alarm" if layer.frozen else "part trained", title)


def _name_of_largest(layers: tuple[Drift, ...], largest: float, step: float, y: Scale) -> list[Markup]:
    if not largest:
        return []
    index = next(i for i, layer in enumerate(layers) if layer.relative_change == largest)
    return [flag(LEFT + (index + 0.5) * step, y(largest) - 6, layers[index].layer)]


def _caption(layers: tuple[Drift, ...]) -> str:
    moved = [layer for layer in layers if finite(layer.relative_change) and layer.relative_change > 0]
    frozen = sum(layer.frozen for layer in layers)
    if not moved:
        return f"No layer moved: {frozen} of {len(layers)} were frozen."
    far = max(moved, key=lambda layer: layer.relative_change)
    return (
        f"{far.layer} moved farthest, by {percent(far.relative_change, 2)} of the size of its values; "
        f"{frozen} of {len(layers)} layers were frozen (ticks under the base line)."
    )
