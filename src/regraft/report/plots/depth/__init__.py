"""The figures of a depth search: one file each, with one function `draw(record) -> Figure | None`.

It returns None where the record has nothing to show.
"""

from collections.abc import Callable, Mapping

from regraft.core.depth import DepthRecord
from regraft.report.plots import times
from regraft.report.plots.depth import baselines, cuts, forecast, learning, ways
from regraft.report.plots.svg import Figure

DEPTH_PLOTS: Mapping[str, Callable[[DepthRecord], Figure | None]] = {
    "cuts": cuts.draw,
    "learning": learning.draw,
    "ways": ways.draw,
    "baselines": baselines.draw,
    "forecast": forecast.draw,
    "times": times.draw,
}

__all__ = ["DEPTH_PLOTS"]
