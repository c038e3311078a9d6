"""How near each model of a catalogue is to data, by what `regraft.rank` says of it; the best above."""

from collections.abc import Iterable

from markupsafe import Markup

from regraft.core.exhibit import Exhibit
from regraft.report.plots.axes import along, share_domain
from regraft.report.plots.svg import Figure, Scale, bar, dot, plot, text, ticks
from regraft.report.quantities import counted, percent, percent_interval
from regraft.report.reading import finite

_ROW, _TOP = 38.0, 6.0
_MOST = 15


def draw(exhibits: Iterable[Exhibit], tried: int) -> Figure | None:
    """The nearest models, each with its score and the 95 % interval.

    Args:
        exhibits: in any order; those without a score are left out.
        tried: how many examples the classifiers saw.
    """
    scored = [(each, kin.score, kin.cut_point) for each in exhibits if (kin := each.kinship) and kin.score]
    scored = [item for item in scored if finite(item[1].value, *item[1].interval)]
    if not scored:
        return None
    scored.sort(key=lambda item: (-item[1].value, item[0].address))
    shown = scored[:_MOST]
    ends = [end for _, score, _ in shown for end in score.interval]
    x = Scale(*share_domain(ends), 1.0, 97.0)
    bottom = _TOP + _ROW * len(shown)
    pieces = [along(x, ticks(x.low, x.high, 4), lambda value: percent(value, 0), 0, bottom)]
    for place, (each, score, cut_point) in enumerate(shown):
        y, own = _TOP + place * _ROW, "own" if place == 0 else "other"
        low, high = x(score.interval[0]), x(score.interval[1])
        said = f"{each.address} at {cut_point}: {percent(score.value)}, 95 %: {percent_interval(score)}"
        pieces += [
            text(0, y + 12, f"{each.address}, {percent(score.value)}", "label"),
            bar(low, y + 20, max(high - low, 0.2), 7, f"interval {own}", said),
            dot(x(score.value), y + 23.5, 4.5, f"mark {own}", said),
        ]
    more = len(scored) - len(shown)
    rest = f" {more} more are in the table." if more else ""
    caption = (
        f"How well each would do, with 95 % intervals: the accuracy of a quick classifier on what it makes of up to "
        f"{counted(tried, 'example')} of the data, at its best cut point, corrected by other scores, as regraft rank "
        f"does.{rest}"
    )
    return Figure(plot(bottom + 22, "How near the models are to the data", Markup("").join(pieces)), caption)
