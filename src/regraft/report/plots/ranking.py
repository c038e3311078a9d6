"""The scores of sources beside each other, with how sure they are."""

from regraft.core.ranking import RankRecord
from regraft.core.records import Metric
from regraft.report.naming import within
from regraft.report.plots.comparison import beside
from regraft.report.plots.svg import Figure

MOST = 12


def draw(record: RankRecord, folder: str = "") -> Figure | None:
    """One row for each of the best sources of the last round, the first one first; folder: what they are all in."""
    last = [item for item in record.ranking if item.dropped_at is None and not item.trained_on_these][:MOST]
    if not last:
        return None
    rows = [(_end(within(item.source, folder)), Metric(item.score, item.interval)) for item in last]
    caption = "The score of each source that was looked at with all examples; bars are 95 % intervals."
    return Figure(beside(rows, "Scores of the sources"), caption)


def _end(name: str, longest: int = 26) -> str:
    """The end of a path, which says more than its beginning."""
    return name if len(name) <= longest else f"…{name[-longest:]}"
