"""Logistic regression on the inputs as they are: what the task is worth without any network."""

from dataclasses import replace
from math import prod

import numpy as np

from regraft.core.input_spec import InputSpec
from regraft.data import Examples
from regraft.recipes.baselines import linear
from regraft.recipes.baselines.asking import Answers, Array, Lesson, Task
from regraft.recipes.baselines.prepared import readable

NAME = "raw_inputs"
TITLE = "raw inputs"

# Values of an example that a linear classifier is given: pictures are averaged down to that, other arrays are thinned.
MOST_VALUES = 1024
# Of texts, the most frequent tokens are counted.
MOST_TOKENS = 2048


def left_out(task: Task, lesson: Lesson, judged: Array) -> str | None:
    """Never: what it takes is bounded."""
    return None


def answer(task: Task, lesson: Lesson, judged: Array) -> Answers:
    """The answers of logistic regression on the values of the inputs."""
    if is_text(task):
        made = linear.answered(task, lesson, judged, NAME, counts)
        return Answers(
            made,
            f"logistic regression on how often each of {len(counted_tokens(task)):,} tokens is in a text"
            f"{linear.counted(task, lesson)}",
        )
    made = linear.answered(task, lesson, judged, NAME, features)
    shape = " x ".join(map(str, reduced(task.pretrained.inputs).shape))
    return Answers(made, f"logistic regression on {shape} values{linear.counted(task, lesson)}")


def features(task: Task, indices: Array) -> Array:
    """The values of the inputs float32 (n, at most about `MOST_VALUES`), flattened."""
    return values(task.found.examples, task.pretrained.inputs, indices)


def values(examples: Examples, inputs: InputSpec, indices: Array) -> Array:
    """The values of examples as a network takes them, float32 (n, at most about `MOST_VALUES`), flattened."""
    spec = reduced(inputs)
    # Decoded anew where it is another size: that takes less time than resizing what the network is given.
    rows = [row.reshape(-1) for _, row in readable(examples, indices.tolist(), spec)]
    kept = np.linspace(0, len(rows[0]) - 1, min(len(rows[0]), MOST_VALUES)).round().astype(np.int64)
    return np.stack([row[kept] for row in rows] if len(kept) < len(rows[0]) else rows)


def is_text(task: Task) -> bool:
    """Whether the examples are texts, of which ids of tokens are no amounts."""
    return of_text(task.found.examples)


def of_text(examples: Examples) -> bool:
    """Whether examples are texts."""
    return examples.columns is not None and examples.columns.of_text


def counts(task: Task, indices: Array) -> Array:
    """How often each of the most frequent tokens is in each text, float32 (n, tokens) of ln(1 + count)."""
    return word_counts(task.found.examples, task.pretrained.inputs, counted_tokens(task), indices)


def word_counts(examples: Examples, inputs: InputSpec, tokens: Array, indices: Array) -> Array:
    """How often each of some tokens is in each text, float32 (n, tokens) of ln(1 + count)."""
    places = {token: place for place, token in enumerate(tokens.tolist())}
    made = np.zeros((len(indices), len(places)), np.float32)
    rows = readable(examples, indices.tolist(), inputs)
    for out, (_, row) in zip(made, rows, strict=True):
        for token in row.astype(np.int64).tolist():
            if token in places:
                out[places[token]] += 1
    return np.log1p(made)


def counted_tokens(task: Task) -> Array:
    """The ids that are most frequent in the training texts, rising; without those that are no tokens."""
    examples = task.found.examples
    return frequent_tokens(examples, task.pretrained.inputs, examples.indices("train"))


def frequent_tokens(examples: Examples, inputs: InputSpec, indices: Array) -> Array:
    """The ids that are most frequent in some texts, rising; without those that are no tokens."""
    assert inputs.text is not None
    found = np.zeros(inputs.text.size, np.int64)
    for _, row in readable(examples, indices.tolist(), inputs):
        found += np.bincount(row.astype(np.int64), minlength=len(found))
    found[list(inputs.text.reserved)] = 0
    ranked = np.argsort(-found, kind="stable")[:MOST_TOKENS]
    return np.sort(ranked[found[ranked] > 0])


def reduced(inputs: InputSpec) -> InputSpec:
    """The same convention for pictures of at most `MOST_VALUES` values, sides in proportion; others as they are."""
    values = prod(inputs.shape)
    if not inputs.is_picture or values <= MOST_VALUES:
        return inputs
    part = (MOST_VALUES / values) ** 0.5
    height, width = (max(1, int(side * part)) for side in inputs.shape[:2])
    return replace(inputs.with_size(height, width), decoding="draft")
