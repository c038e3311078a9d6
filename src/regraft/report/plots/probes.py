"""Where to cut: how well a quick linear classifier does on the activations of each cut point."""

from markupsafe import Markup

from regraft.core.records import Probe, RunRecord
from regraft.report.plots.axes import LEFT, RIGHT, rising, share_domain
from regraft.report.plots.svg import Figure, Scale, dot, flag, line, path, plot, text
from regraft.report.quantities import percent, percent_interval
from regraft.report.reading import finite

_TOP, _BOTTOM = 40.0, 260.0


def draw(record: RunRecord) -> Figure | None:
    """Accuracy with its interval over the depth of the cut point, the chosen one marked."""
    probes = sorted((probe for probe in record.probes if finite(probe.accuracy.value)), key=lambda probe: probe.depth)
    if not probes:
        return None
    bounds = [bound for probe in probes for bound in (probe.accuracy.value, *probe.accuracy.interval) if finite(bound)]
    x = Scale(probes[0].depth, probes[-1].depth, LEFT + 1, RIGHT)
    y = Scale(*share_domain(bounds), _BOTTOM, _TOP)
    pieces = [rising(y, lambda value: percent(value, 0))]
    pieces.append(path([(x(probe.depth), y(probe.accuracy.value)) for probe in probes], _BOTTOM, "stroke faint"))
    pieces += [_mark(probe, probe.cut_point == record.cut_point, x, y) for probe in probes]
    pieces += [
        text(LEFT, _BOTTOM + 18, f"{probes[0].depth}, near the input", "tick"),
        text(RIGHT, _BOTTOM + 18, f"near the output, {probes[-1].depth}", "tick", "end"),
    ]
    return Figure(plot(_BOTTOM + 26, "Accuracy by cut point", *pieces), _caption(record, probes))


def _mark(probe: Probe, chosen: bool, x: Scale, y: Scale) -> Markup:
    at, height = x(probe.depth), y(probe.accuracy.value)
    kind = "own" if chosen else "other"
    title = (
        f"{probe.cut_point}, depth {probe.depth}: {percent(probe.accuracy.value)} ({percent_interval(probe.accuracy)})"
    )
    pieces: list[Markup] = []
    if finite(*probe.accuracy.interval):
        low, high = map(y, probe.accuracy.interval)
        pieces.append(line(at, low, at, high, f"whisker {kind}"))
    pieces.append(dot(at, height, 6 if chosen else 3, f"mark {kind}", title))
    if chosen:
        pieces.append(line(at, 22, at, _BOTTOM, "cut"))
        pieces.append(flag(at, 14, probe.cut_point, "label own", "chosen: "))
    return Markup("").join(pieces)


def _caption(record: RunRecord, probes: list[Probe]) -> str:
    best = max(probes, key=lambda probe: probe.accuracy.value)
    peak = f"A quick classifier does best, {percent(best.accuracy.value)}, on {best.cut_point} (depth {best.depth})"
    if best.cut_point == record.cut_point:
        return f"{peak}: the network was cut there; whiskers are 95 % intervals."
    chosen = next((probe for probe in probes if probe.cut_point == record.cut_point), None)
    if chosen is None:
        return f"{peak}; the network was cut at {record.cut_point}, which was not probed."
    reached = percent(chosen.accuracy.value)
    return f"{peak}; the network was cut at {chosen.cut_point}, with {reached} (whiskers are 95 % intervals)."
