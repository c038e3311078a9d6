"""Where the time went."""

from markupsafe import Markup

from regraft.report.plots.svg import Figure, bar, plot
from regraft.report.quantities import duration, percent, spoken
from regraft.report.reading import Timed, stages

_COLOURS = 7


def draw(record: Timed) -> Figure | None:
    """One bar whose pieces are the stages, in the order in which they ran."""
    found = stages(record)
    total = sum(seconds for _, seconds in found)
    if not total:
        return None
    pieces: list[Markup] = []
    legend: list[tuple[str, str, str]] = []
    x = 0.0
    for index, (name, seconds) in enumerate(found):
        width = 100 * seconds / total
        colour = f"stage s{index % _COLOURS}"
        written = f"{duration(seconds)}, {percent(seconds / total, 0)}"
        pieces.append(bar(x, 0, max(width - 0.3, 0.1), 28, colour, f"{spoken(name)}: {written}"))
        legend.append((colour, spoken(name), written))
        x += width
    longest, seconds = max(found, key=lambda stage: stage[1])
    caption = f"Of {duration(total)}, the longest stage took {duration(seconds)}: {spoken(longest).lower()}."
    return Figure(plot(28, "Wall time by stage", *pieces), caption, tuple(legend))
