"""The source from its input to its output as a strip: what is frozen, what learnt, what is new and what was dropped."""

from markupsafe import Markup

from regraft.core.records import RunRecord
from regraft.report.plots.svg import Figure, bar, flag, line, plot
from regraft.report.quantities import counted
from regraft.report.reading import Part, is_scattered, learnt_layers, parts

TITLES = {"frozen": "Frozen", "trained": "Trained", "head": "New head", "dropped": "Dropped"}
_TOP, _HEIGHT = 30.0, 44.0
_NARROWEST = 13.0
_FIXED = {"head": 13.0, "dropped": 13.0}


def draw(record: RunRecord) -> Figure | None:
    """One segment for each part, as wide as its share of the reused layers; the cuts are named where they are."""
    found = parts(record)
    widths = _widths(found)
    pieces: list[Markup] = []
    ends: dict[str, float] = {}
    x = 0.0
    for part, width in zip(found, widths, strict=True):
        pieces.append(bar(x, _TOP, width - 0.5, _HEIGHT, f"part {part.kind}", f"{TITLES[part.kind]}: {part.note}"))
        x += width
        ends[part.kind] = x - 0.25
    pieces.append(_mark(ends["trained" if "trained" in ends else "frozen"], "cut: ", record.cut_point, above=True))
    if "trained" in ends and not is_scattered(record):
        pieces.append(_mark(ends.get("frozen", 0.0), "learnt above: ", record.trained_from, above=False))
    legend = tuple((f"part {part.kind}", TITLES[part.kind], _count(part)) for part in found)
    return Figure(
        plot(_TOP + _HEIGHT + (26 if "trained" in ends else 2), "What became of the source", *pieces),
        _caption(record, found),
        legend,
    )


def _widths(found: tuple[Part, ...]) -> list[float]:
    room = 100 - sum(_FIXED.get(part.kind, 0.0) for part in found)
    layers = [0 if part.kind in _FIXED else max(part.layers or 0, 1) for part in found]
    shares = [room * count / sum(layers) for count in layers]
    widths = [_FIXED.get(part.kind) or max(share, _NARROWEST) for part, share in zip(found, shares, strict=True)]
    widest = max(range(len(widths)), key=lambda index: widths[index] if found[index].kind not in _FIXED else 0)
    widths[widest] -= sum(widths) - 100
    return widths


def _mark(x: float, before: str, name: str, above: bool) -> Markup:
    y, tip = (14.0, _TOP - 8) if above else (_TOP + _HEIGHT + 20, _TOP + _HEIGHT + 8)
    return line(x, tip, x, _TOP if above else _TOP + _HEIGHT, "cut") + flag(x, y, name, before=before)


def _count(part: Part) -> str:
    if part.layers is None:
        return part.note
    counted_layers = counted(part.layers, "cut point" if part.kind == "dropped" else "layer")
    return f"{counted_layers}; {part.note}"


def _caption(record: RunRecord, found: tuple[Part, ...]) -> str:
    trained = next((part.layers for part in found if part.kind == "trained"), 0) or 0
    frozen = next((part.layers for part in found if part.kind == "frozen"), 0) or 0
    if not trained:
        return f"All {counted(frozen, 'reused layer')} stayed as they were; only the new head learnt."
    if not frozen:
        return f"All {counted(trained, 'reused layer')} learnt with the new head."
    if is_scattered(record):
        learnt = len(learnt_layers(record))
        return f"Of {counted(frozen + trained, 'reused layer')}, {learnt} learnt with the new head; no other moved."
    return (
        f"Of {counted(frozen + trained, 'reused layer')}, the lower {frozen} stayed as they were "
        f"and the upper {trained} learnt with the new head."
    )
