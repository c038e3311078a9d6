"""What a record says between its lines: the outcome, the parts, the confused pairs, the stages of time."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from regraft.activations.views import in_words
from regraft.core import verdict
from regraft.core.head_spec import NEW_LAYERS, NEW_LAYERS_REFIT
from regraft.core.optimizer_state import Carried
from regraft.core.records import Baseline, CalibrationBin, Metric, PhaseRecord, RunRecord
from regraft.core.verdict import Outcome
from regraft.report.quantities import counted

Kind = Literal["frozen", "trained", "head", "dropped"]

OUTCOMES: dict[Outcome, str] = {
    "helped": "Reuse helped",
    "hurt": "Reuse did not help: it is worse than no reuse",
    "unclear": "Reuse did not help measurably",
    "unmeasured": "Not compared with a network from scratch",
}
# Stands for an accuracy that no record has: no more than nothing is more.
_UNKNOWN = Metric(math.nan, (math.nan, math.nan))
# What was done to the optimizer's state of a variable.
_DONE = {"keep": "kept", "reset": "new", "translate": "translated", "calibrate": "calibrated"}


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the network and what became of it.

    Attributes:
        kind: frozen, trained, dropped (in the source only) or head (new).
        layers: how many layers it has; for what was dropped, how many cut points; None where the record does not say.
        note: one phrase about it.
    """

    kind: Kind
    layers: int | None
    note: str


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """A phase of training and what became of it; `best` 0 is the state that it began with."""

    name: str
    optimizer: str
    schedule: str
    rate: float
    learning: int
    epochs: int
    best: int
    state: str
    proof: str
    carried: tuple[Carried, ...]
    unmoved: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Examples of one class that were taken for another."""

    actual: str
    predicted: str
    examples: int
    share: float


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class: examples by split, in the order of the splits, and the share of right answers; None where unknown."""

    name: str
    examples: tuple[int | None, ...]
    recall: float | None


class Timed(Protocol):
    """What has wall time by stage, and the whole of it under `total`."""

    @property
    def seconds(self) -> Mapping[str, float]:
        """In seconds."""
        ...


def finite(*values: float | None) -> bool:
    """Whether all are there and are numbers."""
    return all(value is not None and math.isfinite(value) for value in values)


def outcome(record: RunRecord) -> Outcome:
    """Whether reuse helped, by the intervals of all gains; see `core.verdict`."""
    return verdict.outcome(accuracy(record) or _UNKNOWN, verdict.gains_of(record), record.baselines)


def decisive(record: RunRecord) -> str | None:
    """The name of the gain that the outcome is due to; None where it is due to none."""
    return verdict.decisive(accuracy(record) or _UNKNOWN, verdict.gains_of(record), record.baselines)


def accuracy(record: RunRecord) -> Metric | None:
    """Accuracy on the split that the comparisons are about."""
    metrics = record.metrics.get(record.evaluated_on)
    return metrics.accuracy if metrics else None


def better_baseline(record: RunRecord) -> Baseline | None:
    """The best baseline whose accuracy is above this run's, if there is one."""
    own = accuracy(record)
    known = [each for each in record.baselines.values() if finite(each.accuracy.value)]
    best = max(known, key=lambda each: each.accuracy.value, default=None)
    return best if best and own and finite(own.value) and best.accuracy.value > own.value else None


def trained_layers(record: RunRecord) -> tuple[str, ...]:
    """The reused layers above `trained_from`: those that could learn."""
    if record.trained_from == record.cut_point:
        return ()
    if record.trained_from in record.reused_layers:
        return record.reused_layers[record.reused_layers.index(record.trained_from) + 1 :]
    return tuple(drift.layer for drift in record.drift if not drift.frozen)


def learnt_layers(record: RunRecord) -> tuple[str, ...]:
    """The reused layers of which something learnt."""
    layers = {name.rpartition("/")[0] for name in record.trainable_variables}
    return tuple(layer for layer in record.reused_layers if layer in layers)


def is_scattered(record: RunRecord) -> bool:
    """Whether layers stayed as they were above one that learnt, other than BatchNorm layers, which a policy holds."""
    learnt, frozen = set(learnt_layers(record)), set(record.frozen_variables)
    still = {name.rpartition("/")[0] for name in frozen} - learnt
    places = [place for place, layer in enumerate(record.reused_layers) if layer in learnt]
    above = record.reused_layers[places[0] :] if places else ()
    return any(layer in still and f"{layer}/moving_mean" not in frozen for layer in above)


def learnt_from(record: RunRecord) -> str:
    """What fine-tuning was given in place of the examples themselves, in words; empty where nothing was fine-tuned."""
    if all(row.phase in ("head", NEW_LAYERS, NEW_LAYERS_REFIT) for row in record.history):
        return ""
    plan, spec = record.plan, record.plan.fine_tune
    views = plan.views or 1
    said = "Fine-tuning learnt from each example as it is"
    if views > 1:
        said = f"Fine-tuning drew one of {views} views of each picture per epoch ({in_words(plan.augment, views)})"
    disturbed: list[str] = []
    if spec.feature_brightness:
        low, high = 1 - spec.feature_brightness, 1 + spec.feature_brightness
        disturbed.append(f"multiplied by {low:.4g} to {high:.4g}")
    if spec.feature_noise:
        disturbed.append(f"given noise of {spec.feature_noise:.4g} of each channel's standard deviation")
    return said + (f"; activations were {' and '.join(disturbed)}, anew in each epoch." if disturbed else ".")


def phase_rows(record: RunRecord) -> tuple[PhaseRow, ...]:
    """The phases of training, each with what the plan says of it and what became of it."""
    return tuple(_phase_row(done) for done in record.phases)


def _phase_row(done: PhaseRecord) -> PhaseRow:
    phase, proof = done.phase, done.certificate
    held = f"held: {counted(proof.frozen, 'frozen variable')} unchanged" if proof.holds else "did not hold"
    return PhaseRow(
        phase.name,
        phase.optimizer,
        phase.schedule,
        max([rule.rate for rule in phase.rates], default=0.0),
        proof.learning,
        done.epochs,
        done.best,
        _state_in_words(done.carried),
        held,
        done.carried,
        proof.unmoved,
    )


def _state_in_words(carried: Sequence[Carried]) -> str:
    counts = Counter(row.done for row in carried)
    return ", ".join(f"{_DONE.get(done, done)} for {count}" for done, count in counts.most_common())


def parts(record: RunRecord) -> tuple[Part, ...]:
    """The source from its input to its output, and the new head after the place where it was cut."""
    trained = trained_layers(record)
    above = set(trained)
    still = sum(name.rpartition("/")[0] in above for name in record.frozen_variables)
    heads = len(record.new_variables)
    moving = len(record.trainable_variables) - heads
    frozen = Part(
        "frozen",
        len(record.reused_layers) - len(trained),
        f"{len(record.frozen_variables) - still} variables, none moved",
    )
    if not record.certificate.frozen_unchanged:
        frozen = Part(
            "frozen", frozen.layers, f"{len(record.frozen_variables) - still} variables, but see the certificate"
        )
    # Where all layers learnt, nothing of the source stayed, and no stretch of the strip is drawn for it.
    found = [frozen] if frozen.layers or not trained else []
    if trained:
        which = "" if is_scattered(record) else " (BatchNorm)"
        note = f"{moving} variables learnt" + (f", {still} stayed frozen{which}" if still else "")
        found.append(Part("trained", len(trained), note))
    top = f"{heads or moving} variables, {len(record.classes)} classes{_also(record)}"
    found.append(Part("head", None, f"{added}, {top}" if (added := new_layers(record)) else top))
    found.append(Part("dropped", cuts_above(record), f"everything in the source above {record.cut_point}"))
    return tuple(found)


def new_layers(record: RunRecord) -> str:
    """The new layers between the reused ones and the head, in words; empty where there are none."""
    hidden = record.plan.head.hidden
    return f"{counted(len(hidden), 'new layer')} of {' and '.join(map(str, hidden))} units" if hidden else ""


def _also(record: RunRecord) -> str:
    taps = record.plan.head.taps or ()
    return f"; it reads {', '.join(taps)} as well" if taps else ""


def cuts_above(record: RunRecord) -> int | None:
    """How many probed cut points lie above the chosen one; None where that one was not probed, or no other."""
    if len(record.probes) < 2:
        return None
    depth = next((probe.depth for probe in record.probes if probe.cut_point == record.cut_point), None)
    return None if depth is None else sum(probe.depth > depth for probe in record.probes)


def confused_pairs(record: RunRecord, limit: int) -> tuple[Pair, ...]:
    """The pairs of classes that are taken for each other most often, by count and then by share."""
    found: list[Pair] = []
    for actual, row in zip(record.classes, record.confusion, strict=False):
        total = sum(row)
        for predicted, count in zip(record.classes, row, strict=False):
            if count and predicted != actual:
                found.append(Pair(actual, predicted, count, count / total))
    return tuple(sorted(found, key=lambda pair: (-pair.examples, -pair.share, pair.actual, pair.predicted))[:limit])


def class_rows(record: RunRecord) -> tuple[ClassRow, ...]:
    """Every class with its examples and its share of right answers, in the order of the model's outputs."""
    splits = tuple(record.data.examples)
    rows: list[ClassRow] = []
    for index, name in enumerate(record.classes):
        examples = tuple(_examples(record, split, name) for split in splits)
        row = record.confusion[index] if index < len(record.confusion) else ()
        rows.append(ClassRow(name, examples, row[index] / sum(row) if sum(row) else None))
    return tuple(rows)


def _examples(record: RunRecord, split: str, name: str) -> int | None:
    per_class = record.data.per_class.get(split)
    return None if per_class is None else per_class.get(name, 0)


def filled_bins(record: RunRecord) -> tuple[CalibrationBin, ...]:
    """The bins of confidence that hold examples."""
    return tuple(each for each in record.calibration if each.examples and finite(each.confidence, each.accuracy))


def stages(record: Timed) -> tuple[tuple[str, float], ...]:
    """Wall time by stage, and under `other` what the total has more than their sum."""
    named = [(name, value) for name, value in record.seconds.items() if name != "total" and finite(value) and value > 0]
    rest = record.seconds.get("total", 0.0) - sum(value for _, value in named)
    # Rounding of the clock readings is no stage of its own.
    if finite(rest) and rest > 0.01 * max(record.seconds.get("total", 0.0), 1.0):
        named.append(("other", rest))
    return tuple(named)
