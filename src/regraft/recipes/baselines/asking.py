"""What baselines are asked, and what they answer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from regraft.core.plan import Plan
from regraft.importers import Pretrained
from regraft.recipes.baselines.prepared import Prepared
from regraft.recipes.survey import Survey
from regraft.training.probes import stratified

Array = np.ndarray[Any, Any]
# Features (n, width) float32 of the examples at these indices.
Features = Callable[["Task", Array], Array]

# Where examples are very many, so many are learnt from and so many answered for by ways whose cost grows with both: an
# interval of half a point either way.
MOST = 10_000
# Seconds that a baseline may take, and less where time is short.
CHEAP = 90.0


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What all baselines of a run share.

    Attributes:
        pretrained: the source.
        found: its survey: the examples, and what a place in the network costs.
        plan: resolved.
        inputs: the examples as the network takes them.
        left: seconds that there still are.
        features: rows that were computed, by the name of the baseline: index -> (width,).
    """

    pretrained: Pretrained
    found: Survey
    plan: Plan
    inputs: Prepared
    left: Callable[[], float] = lambda: float("inf")
    features: dict[str, dict[int, Array]] = field(default_factory=dict[str, dict[int, Array]])

    @classmethod
    def of(cls, pretrained: Pretrained, found: Survey, plan: Plan) -> "Task":
        """With the inputs that the source takes."""
        return cls(pretrained, found, plan, Prepared(pretrained.inputs, found.examples))

    @property
    def within(self) -> float:
        """Seconds that there are for the next baseline; none begins that would take longer."""
        return min(CHEAP, self.left())

    @property
    def labels(self) -> Array:
        """Of all examples of the survey, class indices (n,)."""
        return self.found.examples.labels

    @property
    def classes(self) -> int:
        """How many there are."""
        return len(self.found.examples.classes)

    def rows(self, name: str, compute: Features, indices: Array) -> Array:
        """Features float32 (n, width) of a baseline, each computed once however often it is asked for."""
        known = self.features.setdefault(name, {})
        missing = np.array([index for index in dict.fromkeys(indices.tolist()) if index not in known], np.int64)
        if len(missing):
            known.update(zip(missing.tolist(), compute(self, missing), strict=True))
        return np.stack([known[index] for index in indices.tolist()])

    def some(self, indices: Array) -> Array:
        """At most about `MOST` of them, classes in proportion, rising."""
        return indices[stratified(self.labels[indices], MOST, self.plan.seed)]


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What may be learnt from: what the run that is compared with learnt from.

    Attributes:
        training: indices.
        validation: indices that choices may be made by; none: choices are made within `training`.
        last: whether the model that is delivered learns from `validation` too, after all choices.
    """

    training: Array
    validation: Array = field(default_factory=lambda: np.empty(0, np.int64))
    last: bool = False

    @property
    def everyone(self) -> Array:
        """The indices of all that is learnt from in the end, rising."""
        return np.sort(np.concatenate([self.training, self.validation])) if self.last else self.training


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a baseline answers.

    Attributes:
        probabilities: float32 (n, classes).
        note: how it came to them, for people.
    """

    probabilities: Array
    note: str


class Way(Protocol):
    """A baseline: a module with these, like `majority`.

    Attributes:
        NAME: in the records.
        TITLE: for people.
    """

    @property
    def NAME(self) -> str: ...  # noqa: N802, D102 - a constant of a module
    @property
    def TITLE(self) -> str: ...  # noqa: N802, D102

    def left_out(self, task: Task, lesson: Lesson, judged: Array) -> str | None:
        """Why the plan's `auto` leaves it out; None where it does not."""
        ...

    def answer(self, task: Task, lesson: Lesson, judged: Array) -> Answers:
        """Learn the lesson, and answer for the examples at the indices `judged`."""
        ...


def certain(predictions: Array, classes: int) -> Array:
    """Answers without probabilities, class indices (n,), as float32 (n, classes) of 0 and 1."""
    return np.eye(classes, dtype=np.float32)[predictions]
