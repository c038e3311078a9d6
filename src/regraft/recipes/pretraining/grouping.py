"""Examples with labels, for methods that learn from them: others are left out, and what is left is checked."""

from dataclasses import replace
from typing import Any

import numpy as np

from regraft.core.errors import DataError
from regraft.core.progress import warn
from regraft.pretraining.learner import Method
from regraft.pretraining.pair_sampling import Sampler
from regraft.recipes.pretraining.task import Task


def with_labels(task: Task, chosen: Method, settings: Any) -> Task:
    """What a method learns from: of one that needs labels, the examples that have one.

    How many are left out is told once.

    Args:
        task: all examples.
        chosen: the method.
        settings: of the method.

    Raises:
        DataError: no pairs can be made of these labels.
    """
    if not getattr(settings, "needs_labels", chosen.LABELS):
        return task
    examples = task.examples
    usable = examples.split != "test"
    missing, total = int(np.sum(examples.labels[usable] < 0)), int(np.sum(usable))
    if missing == total:
        raise DataError(
            f"'{chosen.NAME}' with these settings learns from labelled examples, found none in {examples.origin}; name "
            "a column of labels with --label-column, or put the examples of each class into a folder of its own"
        )
    if missing:
        warn(
            f"left out {missing:,} of {total:,} examples of {examples.origin}, which have no label; '{chosen.NAME}' "
            "learns from those that have one"
        )
    learning, held_out = task.learning.labelled(), task.held_out.labelled()
    indices = np.concatenate([learning.indices, held_out.indices])
    # Held-out examples are compared with one another as well.
    for part, where in (
        (indices, f" in {examples.origin}"),
        (learning.indices, f" among those to learn from in {examples.origin}"),
        (held_out.indices, f" among those held out of {examples.origin}"),
    ):
        Sampler.of(examples.labels[part], examples.classes, chosen.LABELS, where)
    return replace(task, learning=learning, held_out=held_out, unused=len(examples) - len(indices))
