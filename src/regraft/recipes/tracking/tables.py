"""What of a run is read by name, as tables: layers, cut points and ways, which are but numbered on a curve."""

import csv
import io
import math
from collections.abc import Sequence
from typing import TypeAlias

from regraft.core.depth import DepthRecord, Trial
from regraft.core.records import RunRecord
from regraft.report import depth_reading

Rows: TypeAlias = list[list[str]]


def tables(record: RunRecord, search: DepthRecord | None = None) -> dict[str, Rows]:
    """Every table that there is something for, by its name: a heading, then rows; steps are those of the curves.

    Args:
        record: of the run.
        search: that led to it; None: it was made without one.
    """
    found = {"drift": _drift(record), "similarity": _similarity(record), "depth": _depth(search) if search else []}
    return {name: rows for name, rows in found.items() if len(rows) > 1}


def confusion(record: RunRecord, corner: str = "actual") -> Rows:
    """The confusion matrix: rows are the actual classes, columns the answers.

    Args:
        record: of the run.
        corner: what stands above the actual classes.
    """
    counts = zip(record.classes, record.confusion, strict=False)
    return [[corner, *record.classes], *([name, *map(str, row)] for name, row in counts)]


def as_csv(rows: Sequence[Sequence[str]]) -> str:
    """A table for programs."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _drift(record: RunRecord) -> Rows:
    layers = [
        [str(step), each.layer, "frozen" if each.frozen else "trained", _written(each.relative_change)]
        for step, each in enumerate(record.drift)
    ]
    return [["step", "layer", "fate", "relative change"], *layers]


def _similarity(record: RunRecord) -> Rows:
    places = [[str(step), each.cut_point, _written(each.value)] for step, each in enumerate(record.similarity)]
    return [["step", "cut point", "CKA"], *places]


def _depth(search: DepthRecord) -> Rows:
    """All ways, the recommended one first."""
    heading = ["way", "cut point", "accuracy", "low", "high", "frozen", "learn", "steps", "standing"]
    return [heading, *(_way(search, trial) for trial in search.table)]


def _way(search: DepthRecord, trial: Trial) -> list[str]:
    way, accuracy = trial.way, trial.accuracy
    measured = map(_written, (accuracy.value, *accuracy.interval))
    counts = map(str, (way.frozen, way.tuned, trial.steps))
    standing = depth_reading.STANDINGS[depth_reading.standing(search, trial)]
    return [way.name, way.cut_point, *measured, *counts, standing]


def _written(value: float) -> str:
    """A number that reads back as it was; nothing where there is none."""
    return repr(value) if math.isfinite(value) else ""
