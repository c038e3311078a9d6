"""The recommended way, as it was fitted, beside simpler ones."""

from regraft.core.depth import DepthRecord
from regraft.report.depth_reading import corrected
from regraft.report.plots.comparison import beside, by_accuracy
from regraft.report.plots.svg import Figure
from regraft.report.quantities import percent, spoken


def draw(record: DepthRecord) -> Figure | None:
    """Accuracy with its 95 % interval, the recommended way first and the baselines from the best to the worst."""
    if not record.baselines:
        return None
    own = ("The recommended way", record.fitted or corrected(record))
    rows = [own, *((spoken(each.name), each.accuracy) for each in by_accuracy(record.baselines))]
    # By how much it is better is the verdict's to say, which compares pair by pair.
    caption = "What is expected of the recommended way, and what simpler ones reach; bars are 95 % intervals."
    if record.fitted is not None:
        caption = (
            "What the recommended way reached when it was fitted, and simpler ones on the same examples; "
            f"{percent(record.recommended.accuracy)} was expected of it. Bars are 95 % intervals."
        )
    return Figure(beside(rows, "Accuracy of the recommended way and of simpler ones"), caption)
