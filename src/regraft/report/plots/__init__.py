"""The figures of the page: one file each, with one function `draw(record) -> Figure | None`.

It returns None where the record has nothing to show.
"""

from collections.abc import Callable, Mapping

from regraft.core.records import RunRecord
from regraft.report.plots import (
    comparison,
    confusion,
    curves,
    drift,
    probes,
    rates,
    reliability,
    similarity,
    strip,
    times,
)
from regraft.report.plots.svg import Figure

PLOTS: Mapping[str, Callable[[RunRecord], Figure | None]] = {
    "comparison": comparison.draw,
    "strip": strip.draw,
    "probes": probes.draw,
    "rates": rates.draw,
    "curves": curves.draw,
    "confusion": confusion.draw,
    "reliability": reliability.draw,
    "drift": drift.draw,
    "similarity": similarity.draw,
    "times": times.draw,
}

__all__ = ["PLOTS", "Figure"]
