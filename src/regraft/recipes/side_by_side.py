"""What several finished runs have in common and what not: figures, answers example by example, plans."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from regraft.core import metrics, plain
from regraft.core.evidence import Answers, Evidence
from regraft.core.plan import Plan
from regraft.core.records import Metric, Metrics, RunRecord
from regraft.core.side_by_side import ComparedRun, Disagreement, PairedGain, PlanDifference
from regraft.report import reading

Array = np.ndarray[Any, Any]

_NONE = Metric(float("nan"), (float("nan"), float("nan")))
_NOTHING = Metrics(0, _NONE, _NONE, _NONE, _NONE)
# Lists of rules for each variable are not for reading.
_LONGEST = 160


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """A finished run as it lies in its folder; `evidence` is None where it keeps none."""

    folder: Path
    record: RunRecord
    evidence: Evidence | None


def summarised(runs: Sequence[Finished]) -> tuple[ComparedRun, ...]:
    """The figures of each run, on the split that it is judged by."""
    return tuple(_summary(name, run) for name, run in zip(short_names([run.folder for run in runs]), runs, strict=True))


def _summary(name: str, run: Finished) -> ComparedRun:
    record = run.record
    measured = record.metrics.get(record.evaluated_on, _NOTHING)
    tuned = len(reading.learnt_layers(record))
    return ComparedRun(
        name,
        str(run.folder),
        record.plan.source,
        record.plan.data,
        record.evaluated_on,
        measured.examples,
        measured.accuracy,
        measured.log_loss,
        measured.calibration_error,
        record.cut_point,
        len(record.reused_layers) - tuned,
        tuned,
        record.seconds.get("total", float("nan")),
    )


def short_names(folders: Sequence[Path]) -> list[str]:
    """The ends of the paths, as long as it takes to tell them apart.

    >>> short_names([Path("a/first"), Path("a/second"), Path("b/second")])
    ['first', 'a/second', 'b/second']
    """
    parts = [folder.absolute().parts for folder in folders]
    names: list[str] = []
    for own in parts:
        others = [other for other in parts if other != own]
        length = next((n for n in range(1, len(own)) if all(other[-n:] != own[-n:] for other in others)), len(own))
        names.append(str(PurePath(*own[-length:])))
    return names


def gains(runs: Sequence[Finished], summaries: Sequence[ComparedRun]) -> tuple[PairedGain, ...]:
    """How much better each run is than the first, on the examples that both are judged by."""
    first, name = runs[0], summaries[0].name
    return tuple(_gain(run, own.name, first, name) for run, own in zip(runs[1:], summaries[1:], strict=True))


def _gain(run: Finished, name: str, other: Finished, against: str) -> PairedGain:
    for each, called in ((run, name), (other, against)):
        if each.evidence is None:
            return PairedGain(name, against, why=f"{called} is from before answers were kept example by example")
    assert run.evidence is not None
    assert other.evidence is not None
    ours, theirs = run.evidence.answers, other.evidence.answers
    mine, its = _shared(ours, theirs)
    if not len(mine):
        return PairedGain(name, against, why="no example is among those that both are judged by")
    labels, other_labels = _words(run, ours.labels[mine]), _words(other, theirs.labels[its])
    same = labels == other_labels
    mine, its = mine[same], its[same]
    if not len(mine):
        return PairedGain(name, against, why="the examples that both are judged by are labelled differently")
    one, two = ours.correct[mine], theirs.correct[its]
    found = [
        *_disagreements((run, ours, mine, name), (other, theirs, its, against), one & ~two),
        *_disagreements((other, theirs, its, against), (run, ours, mine, name), two & ~one),
    ]
    unlike = int((~same).sum())
    return PairedGain(
        name,
        against,
        len(mine),
        metrics.paired_gain(one, two),
        int((one & two).sum()),
        int((one & ~two).sum()),
        int((two & ~one).sum()),
        int((~one & ~two).sum()),
        tuple(sorted(found, key=lambda item: -item.confidence)),
        f"{unlike} of the examples in common are left out: they are labelled differently" if unlike else "",
    )


def _shared(one: Answers, other: Answers) -> tuple[Array, Array]:
    """Rows of each with the same contents, in the order of the first; of identical examples the first one."""
    places = {other.id(row): row for row in range(len(other.names) - 1, -1, -1)}
    pairs: dict[str, tuple[int, int]] = {}
    for row in range(len(one.names)):
        id_ = one.id(row)
        if id_ in places:
            pairs.setdefault(id_, (row, places[id_]))
    rows = np.array(list(pairs.values()), np.int64).reshape(-1, 2)
    return rows[:, 0], rows[:, 1]


def _words(run: Finished, labels: Array) -> Array:
    return np.array(run.record.classes, object)[labels]


_Seen = tuple[Finished, Answers, Array, str]


def _disagreements(right: _Seen, wrong: _Seen, chosen: Array) -> list[Disagreement]:
    one, ours, mine, name = right
    other, theirs, its, called = wrong
    return [
        Disagreement(
            ours.id(row),
            ours.names[row],
            one.record.classes[ours.labels[row]],
            name,
            called,
            other.record.classes[theirs.predicted[place]],
            float(theirs.confidence[place]),
        )
        for row, place in zip(mine[chosen].tolist(), its[chosen].tolist(), strict=True)
    ]


def notes(runs: Sequence[Finished], summaries: Sequence[ComparedRun]) -> tuple[str, ...]:
    """What keeps the figures of several runs from being of the same thing."""
    found: list[str] = []
    digests = {run.record.plan.data_digest for run in runs}
    if len(digests) > 1:
        found.append(
            "The runs are of different data, by content, labels or splits: their accuracies are of different examples, "
            "and only examples that two runs are both judged by say which is better."
        )
    if len({frozenset(run.record.classes) for run in runs}) > 1:
        counts = ", ".join(f"{own.name}: {len(run.record.classes)}" for run, own in zip(runs, summaries, strict=True))
        found.append(f"The runs do not tell the same classes apart ({counts}).")
    if len({run.record.evaluated_on for run in runs}) > 1:
        judged = ", ".join(f"{own.name} on {own.split}" for own in summaries)
        found.append(f"The runs are judged on different splits: {judged}.")
    if any(run.record.evaluated_on == "validation" for run in runs):
        found.append("Choices were made by the validation examples; what is judged on them is a little flattering.")
    return tuple(found)


def differences(plans: Sequence[Plan]) -> tuple[PlanDifference, ...]:
    """The parts of resolved plans that are not the same in all of them."""
    flat = [_flat(plain.to_plain(plan)) for plan in plans]
    keys = dict.fromkeys(key for own in flat for key in own)
    whole = [(key, [own.get(key) for own in flat]) for key in keys if key not in ("format", "data_digest")]
    return tuple(
        PlanDifference(key, tuple(map(_written, values)))
        for key, values in whole
        if any(value != values[0] for value in values)
    )


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and all(isinstance(item, dict) and "name" in item for item in value):
            for item in value:
                found |= _flat(item, f"{prefix}{key}[{item['name']}].")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _written(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST - 20]}… ({len(value)} in all)"
