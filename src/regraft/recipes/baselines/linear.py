"""Logistic regression on features that owe nothing to the source, fitted as the head of the run is."""

import numpy as np

from regraft.core.plan import HeadSpec
from regraft.recipes.baselines.asking import Array, Features, Lesson, Task
from regraft.training.heads import fit_head


def answered(task: Task, lesson: Lesson, judged: Array, name: str, features: Features) -> Array:
    """The probabilities float32 (n, classes) for the examples at the indices `judged`.

    Args:
        task: of the run.
        lesson: what is learnt from, some of it where it is very much.
        judged: indices.
        name: of the baseline.
        features: of examples; asked for all of them at once.
    """
    learning = task.some(lesson.everyone)
    rows = task.rows(name, features, np.concatenate([learning, judged]))
    # The penalty is chosen for these features: the plan's is that of the source's.
    spec = HeadSpec(folds=task.plan.head.folds, solver="lbfgs")
    head = fit_head(rows[: len(learning)], task.labels[learning], task.classes, spec, seed=task.plan.seed)
    return head.probabilities(rows[len(learning) :]).astype(np.float32)


def counted(task: Task, lesson: Lesson) -> str:
    """How many examples were learnt from, where they were not all; for a note."""
    learning, everyone = len(task.some(lesson.everyone)), len(lesson.everyone)
    return f", of {learning:,} training examples" if learning < everyone else ""
