"""The recommended way beside simpler ones."""

from regraft.core.depth import DepthRecord
from regraft.report.depth_reading import corrected
from regraft.report.plots.comparison import beside, by_accuracy
from regraft.report.plots.svg import Figure
from regraft.report.quantities import number, spoken
from regraft.report.reading import finite


def draw(record: DepthRecord) -> Figure | None:
    """Accuracy with its 95 % interval, the recommended way first and the baselines from the best to the worst."""
    if not record.baselines:
        return None
    own, best = corrected(record), by_accuracy(record.baselines)[0]
    rows = [
        ("The recommended way", own),
        *((spoken(each.name), each.accuracy) for each in by_accuracy(record.baselines)),
    ]
    gap = 100 * (own.value - best.accuracy.value)
    caption = "Accuracy on new examples, with 95 % intervals."
    if finite(gap):
        side = "above" if gap >= 0 else "below"
        caption = (
            f"The recommended way is {number(abs(gap), 1)} points {side} the best of the simpler ones "
            f"({spoken(best.name).lower()}); bars are 95 % intervals."
        )
    return Figure(beside(rows, "Accuracy of the recommended way and of simpler ones"), caption)
