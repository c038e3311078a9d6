"""What simpler ways reach on the same examples: without them no accuracy means anything.

Each way is a file with `NAME`, `TITLE`, `left_out` and `answer`, and stands in `WAYS`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from regraft.core import metrics
from regraft.core.plan import Plan
from regraft.core.progress import say
from regraft.core.records import Baseline, Metric
from regraft.core.verdict import WITHOUT
from regraft.importers import Pretrained
from regraft.recipes.baselines import majority, nearest_neighbour, random_trunk, raw_inputs, scratch
from regraft.recipes.baselines.asking import Answers, Array, Lesson, Task, Way
from regraft.recipes.judging import Judged
from regraft.recipes.survey import Survey

__all__ = ["WAYS", "Answers", "Compared", "Lesson", "Task", "Way", "compare", "lesson_of", "out_of_fold"]

_ORDER: tuple[Way, ...] = (majority, nearest_neighbour, raw_inputs, scratch, random_trunk)
# In the order in which they are measured.
WAYS: dict[str, Way] = {way.NAME: way for way in _ORDER}


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """The baselines by name, and how much better than each of `WITHOUT` the run is, paired on the same examples."""

    baselines: dict[str, Baseline]
    gains: dict[str, Metric]


def compare(pretrained: Pretrained, found: Survey, plan: Plan, judged: Judged, left: Callable[[], float]) -> Compared:
    """All baselines that the plan asks for, on the examples that the run is judged by.

    Args:
        pretrained: the source.
        found: its survey.
        plan: resolved.
        judged: the run's own answers.
        left: seconds that there still are.
    """
    task, lesson = replace(Task.of(pretrained, found, plan), left=left), lesson_of(found, plan, judged.split)
    baselines: dict[str, Baseline] = {}
    gains: dict[str, Metric] = {}
    right = dict(zip(judged.indices.tolist(), judged.correct(task.labels).tolist(), strict=True))
    for name, way in WAYS.items():
        if plan.baselines == "no" and name != majority.NAME:
            continue
        asked = judged.indices if name == majority.NAME else task.some(judged.indices)
        reason = way.left_out(task, lesson, asked) if plan.baselines == "auto" else None
        if reason:
            say(f"left out: the baseline '{way.TITLE}', {reason}; --baselines yes runs it")
            continue
        answers = way.answer(task, lesson, asked)
        correct = np.argmax(answers.probabilities, axis=1) == task.labels[asked]
        baselines[name] = Baseline(way.TITLE, metrics.accuracy(correct), answers.note)
        if name in WITHOUT:
            gains[name] = metrics.paired_gain(np.array([right[index] for index in asked.tolist()]), correct)
    return Compared(baselines, gains)


def lesson_of(found: Survey, plan: Plan, split: str) -> Lesson:
    """What the run has learnt from by the time that it is judged by a split.

    A run that learns from the validation examples last of all is judged by them before it does.
    """
    last = plan.refit != "no" and split == "test"
    return Lesson(found.examples.indices("train"), found.examples.indices("validation"), last)


def out_of_fold(way: Way, task: Task, indices: Array, fold: Array) -> Array:
    """Answers for examples, each from a model that has not learnt from it or from any other of its fold.

    Args:
        way: one of `WAYS`.
        task: what it is about; what was computed for it serves all folds, and all that is asked with it later.
        indices: of the examples (n,).
        fold: int64 (n,), from `core.folds.folds`.

    Returns:
        Probabilities, float32 (n, classes).
    """
    made = np.full((len(indices), task.classes), np.nan, np.float32)
    for number in np.unique(fold).tolist():
        out = fold == number
        made[out] = way.answer(task, Lesson(indices[~out]), indices[out]).probabilities
    return made
