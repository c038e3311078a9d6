"""Logistic regression on the inputs as they are: what the task is worth without any network."""

from dataclasses import replace
from math import prod

import numpy as np

from regraft.core.input_spec import InputSpec
from regraft.recipes.baselines import linear
from regraft.recipes.baselines.asking import Answers, Array, Lesson, Task
from regraft.recipes.baselines.prepared import readable

NAME = "raw_inputs"
TITLE = "raw inputs"

# Values of an example that a linear classifier is given: pictures are averaged down to that, other arrays are thinned.
MOST_VALUES = 1024


def left_out(task: Task, lesson: Lesson, judged: Array) -> str | None:
    """Never: what it takes is bounded."""
    return None


def answer(task: Task, lesson: Lesson, judged: Array) -> Answers:
    """The answers of logistic regression on the values of the inputs."""
    made = linear.answered(task, lesson, judged, NAME, features)
    shape = " x ".join(map(str, reduced(task.pretrained.inputs).shape))
    return Answers(made, f"logistic regression on {shape} values{linear.counted(task, lesson)}")


def features(task: Task, indices: Array) -> Array:
    """The values of the inputs float32 (n, at most about `MOST_VALUES`), flattened."""
    spec = reduced(task.pretrained.inputs)
    # Decoded anew where it is another size: that takes less time than resizing what the network is given.
    rows = [row.reshape(-1) for _, row in readable(task.found.examples, indices.tolist(), spec)]
    kept = np.linspace(0, len(rows[0]) - 1, min(len(rows[0]), MOST_VALUES)).round().astype(np.int64)
    return np.stack([row[kept] for row in rows] if len(kept) < len(rows[0]) else rows)


def reduced(inputs: InputSpec) -> InputSpec:
    """The same convention for pictures of at most `MOST_VALUES` values, sides in proportion; others as they are."""
    values = prod(inputs.shape)
    if not inputs.is_picture or values <= MOST_VALUES:
        return inputs
    part = (MOST_VALUES / values) ** 0.5
    height, width = (max(1, int(side * part)) for side in inputs.shape[:2])
    return replace(inputs.with_size(height, width), decoding="draft")
