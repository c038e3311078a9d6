"""Predictions of a run on its examples, and what they are worth."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from regraft.activations.engines import Wanted
from regraft.core import metrics
from regraft.core.plan import Plan
from regraft.core.records import Baseline, Epoch, Metric, Metrics, Mistake
from regraft.recipes.fine_tuning import Branch, feed
from regraft.recipes.survey import Survey
from regraft.training import predicting
from regraft.training.heads import LayeredHead, LinearHead

Array = np.ndarray[Any, Any]

_MISTAKES = 24
_BLOCK = 16_384


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """How the run does.

    Attributes:
        metrics: by split.
        split: what baselines, mistakes and calibration are about: `test`, else `validation`, else `train`.
        indices: of the examples of that split.
        probabilities: (n, classes) for these.
    """

    metrics: Mapping[str, Metrics]
    split: str
    indices: Array
    probabilities: Array

    def correct(self, labels: Array) -> Array:
        """Which of them are right."""
        return np.argmax(self.probabilities, axis=1) == labels[self.indices]


def judge(found: Survey, selected: Branch, final: Branch, plan: Plan) -> Judged:
    """Measure a run on every split but the one that it learnt from; on that one only where there is no other.

    Args:
        found: the survey.
        selected: what validation selected, measured there: the final branch may have learnt from these examples.
        final: what is delivered, measured on the test split.
        plan: resolved.
    """
    splits = [name for name in ("validation", "test") if len(found.examples.indices(name))] or ["train"]
    given = {
        name: probabilities(found, selected if name == "validation" else final, plan, found.examples.indices(name))
        for name in splits
    }
    measured = {
        name: metrics.measure(made, found.examples.labels[found.examples.indices(name)], plan.seed)
        for name, made in given.items()
    }
    return Judged(measured, splits[-1], found.examples.indices(splits[-1]), given[splits[-1]])


def probabilities(found: Survey, branch: Branch, plan: Plan, indices: Array) -> Array:
    """What a branch answers for examples of the survey (n, classes)."""
    if branch.head is not None:
        return of_head(found, branch.head, plan, indices)
    rows = found.activations.rows[Wanted(branch.from_cut, pooled=False)]
    return predicting.predict(branch.model, feed(found, [rows], indices))


def of_head(found: Survey, head: LinearHead | LayeredHead, plan: Plan, indices: Array) -> Array:
    """What the head alone answers (n, classes), its activations read block by block."""
    starts = range(0, max(len(indices), 1), _BLOCK)
    blocks = (found.pooled(plan.reads, indices[start : start + _BLOCK]) for start in starts)
    return np.concatenate([head.probabilities(block) for block in blocks])


def epoch_of_head(found: Survey, plan: Plan, head: LinearHead) -> Epoch:
    """The head alone as the first row of the history."""
    indices = found.examples.indices("validation")
    if not len(indices):
        return Epoch("head", 1, None, 0.0, float("nan"), float("nan"), head.seconds)
    made, labels = of_head(found, head, plan, indices), found.examples.labels[indices]
    right = np.maximum(made[np.arange(len(labels)), labels], 1e-12)
    accuracy = float(np.mean(np.argmax(made, axis=1) == labels))
    return Epoch("head", 1, None, 0.0, accuracy, float(-np.log(right).mean()), head.seconds)


def mistakes(found: Survey, judged: Judged) -> tuple[Mistake, ...]:
    """The wrong answers given with most confidence."""
    examples, made = found.examples, judged.probabilities
    answers = np.argmax(made, axis=1)
    wrong = np.flatnonzero(answers != examples.labels[judged.indices])
    order = wrong[np.argsort(-made[wrong, answers[wrong]], kind="stable")][:_MISTAKES]
    return tuple(
        Mistake(
            examples.names[judged.indices[row]],
            examples.ids[judged.indices[row]],
            examples.classes[examples.labels[judged.indices[row]]],
            examples.classes[answers[row]],
            float(made[row, answers[row]]),
        )
        for row in order
    )


def verdict(accuracy: Metric, split: str, gain: Metric | None, baselines: Mapping[str, Baseline]) -> str:
    """One plain sentence on whether reuse helped."""
    right = f"{accuracy.value:.1%} of the {split} examples are right"
    majority = baselines.get("majority")
    if majority is not None and accuracy.value <= majority.accuracy.value:
        return f"Reuse did not help: {right}, no more than by always answering the most frequent class."
    if gain is None:
        return f"{right[0].upper()}{right[1:]}; how the same network would do from scratch was not measured."
    low, high = (100 * bound for bound in gain.interval)
    against = (
        f"{right}, against {accuracy.value - gain.value:.1%} for the same network from scratch with about as much "
        f"computing: {100 * gain.value:+.1f} points (95 % interval {low:+.1f} to {high:+.1f})"
    )
    if low > 0:
        return f"Reuse helped: {against}."
    if high < 0:
        return f"Reuse did harm: {against}. Train from scratch, or choose another source."
    return f"Reuse did not help measurably: {against}. More examples would tell."
