"""What programs that keep runs are told of one: figures, curves, what it was made with; the record's own numbers."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

from regraft.core import plain
from regraft.core.depth import DepthRecord
from regraft.core.records import Metric, Metrics, RunRecord
from regraft.core.verdict import gains_of
from regraft.recipes import run_folder
from regraft.recipes.depth import folder as searches
from regraft.report import depth_reading

# What of a run folder tells of the run; the model is large, and in the folder.
TELLING = (
    *(run_folder.REPORT, run_folder.PLAN, run_folder.RECORD, run_folder.CARD, run_folder.HISTORY),
    *(searches.PAGE, searches.RECORD),
)

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a curve.

    Attributes:
        name: of the curve.
        step: epochs since the beginning of the run, the depth of a cut point, or the place of a layer or cut point,
            counted from the lowest one.
        value: a finite number.
        seconds: since 1970, when it was known.
    """

    name: str
    step: int
    value: float
    seconds: float


def times(folder: Path, record: RunRecord) -> tuple[float, float]:
    """When the run began and ended, in seconds since 1970: by the file that is written last."""
    ended = (folder / run_folder.RECORD).stat().st_mtime
    total = record.seconds.get("total", 0.0)
    return ended - (total if math.isfinite(total) else 0.0), ended


def figures(record: RunRecord, search: DepthRecord | None = None) -> dict[str, float]:
    """Every figure that a run ends with, with its interval as two more of them: `..._low` and `..._high`.

    Figures that are not finite, which these programs cannot draw, are left out.

    Args:
        record: of the run.
        search: that led to it; None: it was made without one.
    """
    found: dict[str, float] = {}
    for split, metrics in record.metrics.items():
        for field in fields(Metrics):
            value = getattr(metrics, field.name)
            found |= _spread(f"{split}/{field.name}", value) if isinstance(value, Metric) else {}
        found[f"{split}/examples"] = float(metrics.examples)
    for name, baseline in record.baselines.items():
        found |= _spread(f"baselines/{name}", baseline.accuracy)
    if record.transfer_gain is not None:
        found |= _spread("transfer_gain", record.transfer_gain)
    for name, gain in gains_of(record).items():
        found |= _spread(f"gains/{name}", gain)
    if search is not None:
        found |= _spread("depth/accuracy", depth_reading.corrected(search))
    found |= {f"seconds/{stage}": value for stage, value in record.seconds.items()}
    found["variables/frozen"] = float(len(record.frozen_variables))
    found["variables/trained"] = float(len(record.trainable_variables))
    found["certificate/frozen_unchanged"] = float(record.certificate.frozen_unchanged)
    return {name: value for name, value in found.items() if math.isfinite(value)}


def curves(record: RunRecord, begun: float, search: DepthRecord | None = None) -> Iterator[Point]:
    """The learning curves, epochs counted through all phases; accuracy by depth; what thawing changed, by layer.

    Args:
        record: of the run.
        begun: when the run began.
        search: that led to it, whose probes are of all cut points; None: it was made without one.
    """
    for probe in search.probes if search else record.probes:
        yield from _points("probes/accuracy", probe.depth, probe.accuracy, begun)
    if search is not None:
        yield from _by_depth(search, begun)
    before = sum(record.seconds.get(stage, 0.0) for stage in ("open", "search", "activations"))
    for step, epoch in enumerate(record.history):
        before += epoch.seconds if math.isfinite(epoch.seconds) else 0.0
        values = {
            "learning/training_loss": epoch.loss,
            "learning/validation_loss": epoch.validation_loss,
            "learning/validation_accuracy": epoch.validation_accuracy,
            "learning/rate": epoch.rate,
        }
        for name, value in values.items():
            if value is not None and math.isfinite(value):
                yield Point(name, step, value, begun + before)
    yield from _thawed(record, begun + before)


def parameters(record: RunRecord) -> dict[str, Scalar]:
    """What the run was made with: its resolved plan with one name for each value, and what was chosen."""
    found = dict(_flat("", plain.to_plain(record.plan)))
    return found | {
        "trained_from": record.trained_from,
        "reused_layers": len(record.reused_layers),
        "classes": len(record.classes),
    }


def phases(record: RunRecord) -> list[tuple[str, int, int]]:
    """The phases of the learning curves: name, first and last step."""
    found: list[tuple[str, int, int]] = []
    for step, epoch in enumerate(record.history):
        if found and found[-1][0] == epoch.phase:
            found[-1] = (epoch.phase, found[-1][1], step)
        else:
            found.append((epoch.phase, step, step))
    return found


def _by_depth(search: DepthRecord, when: float) -> Iterator[Point]:
    """The two lines of the depth curve: the head alone, and the best way in which layers learn, at each cut point."""
    depths = depth_reading.depths(search)
    lines = {"frozen": depth_reading.frozen_curve(search), "tuned": depth_reading.tuned_curve(search)}
    for name, line in lines.items():
        for trial in line:
            yield from _points(f"depth/{name}_accuracy", round(depths[trial.way.cut_point]), trial.accuracy, when)


def _thawed(record: RunRecord, when: float) -> Iterator[Point]:
    """What thawing changed, from the lowest layer upwards; `tables` tells which layer a step is."""
    changed = {
        "drift/relative_change": [layer.relative_change for layer in record.drift],
        "similarity/cka": [place.value for place in record.similarity],
    }
    for name, values in changed.items():
        for step, value in enumerate(values):
            if math.isfinite(value):
                yield Point(name, step, value, when)


def _points(name: str, step: int, metric: Metric, when: float) -> Iterator[Point]:
    for part, value in _spread(name, metric).items():
        if math.isfinite(value):
            yield Point(part, step, value, when)


def _spread(name: str, metric: Metric) -> dict[str, float]:
    return {name: metric.value, f"{name}_low": metric.interval[0], f"{name}_high": metric.interval[1]}


def _flat(name: str, value: Any) -> Iterator[tuple[str, Scalar]]:
    """The values of nested tables by the path to them; lists as JSON."""
    if isinstance(value, dict):
        for key, item in cast(Mapping[str, Any], value).items():
            yield from _flat(f"{name}.{key}" if name else key, item)
    elif isinstance(value, list):
        yield name, json.dumps(cast(Sequence[Any], value), ensure_ascii=False)
    elif value is not None:
        yield name, value
