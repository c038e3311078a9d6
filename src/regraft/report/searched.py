"""What the page of a run shows of the search that led to it: the depth curve, the answer, and how sure that is."""

from dataclasses import dataclass

from regraft.core.depth import DepthRecord, Trial
from regraft.report import depth_reading as reading
from regraft.report.plots.depth import cuts
from regraft.report.plots.svg import Figure


@dataclass(frozen=True, slots=True, eq=False)
class Searched:
    """A search, as far as the page of its run tells of it.

    Attributes:
        curve: accuracy by depth, the very picture of the search's own page; None where no way was judged.
        sentence: the answer.
        told_apart: how sure that is.
        alike: the ways that cannot be told from the recommended one.
        own: the recommended one.
        cost: what the search took.
        page: address of the search's own page, as seen from the run's; None where it may not be there.
    """

    curve: Figure | None
    sentence: str
    told_apart: str
    alike: tuple[Trial, ...]
    own: Trial | None
    cost: str
    page: str | None


def searched(record: DepthRecord | None, page: str | None) -> Searched | None:
    """What is shown of a search.

    Args:
        record: of the search; None: the run was made without one.
        page: see `Searched.page`.
    """
    if record is None:
        return None
    return Searched(
        cuts.draw(record),
        record.recommended.sentence,
        reading.told_apart(record),
        reading.alike(record),
        reading.recommended(record),
        reading.cost(record),
        page,
    )
