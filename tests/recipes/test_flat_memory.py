"""However many examples there are, no more than a stated number of their averaged activations is in memory together."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from regraft.core.plan import Plan
from regraft.recipes import judging
from regraft.recipes.baselines import Lesson, Task, asking, nearest_neighbour
from regraft.training.heads import fit_head

_EXAMPLES, _CLASSES, _AT_ONCE = 500, 3, 64


@pytest.fixture
def found() -> Any:
    """A survey of examples that are easy to tell apart, which writes down how many it was asked for at once."""
    random = np.random.default_rng(0)
    labels = np.arange(_EXAMPLES) % _CLASSES
    rows = (np.eye(_CLASSES)[labels] * 3 + random.normal(size=(_EXAMPLES, _CLASSES))).astype("float32")
    asked: list[int] = []

    def pooled(cut_points: Any, indices: np.ndarray) -> np.ndarray:
        asked.append(len(indices))
        return rows[indices]

    everyone = {"train": np.arange(300), "validation": np.arange(300, _EXAMPLES)}
    members = SimpleNamespace(labels=labels, classes=("a", "b", "c"), indices=lambda split: everyone[split])
    return SimpleNamespace(examples=members, pooled=pooled, asked=asked, rows=rows)


def test_a_head_is_judged_in_blocks(found: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    head = fit_head(found.rows[:300], found.examples.labels[:300], _CLASSES)
    whole = judging.epoch_of_head(found, Plan("x"), head)
    monkeypatch.setattr(judging, "_BLOCK", _AT_ONCE)
    found.asked.clear()
    parts = judging.epoch_of_head(found, Plan("x"), head)
    assert parts.validation_accuracy == whole.validation_accuracy > 0.8
    np.testing.assert_allclose(parts.validation_loss, whole.validation_loss, rtol=1e-12)
    assert (sum(found.asked), max(found.asked)) == (200, _AT_ONCE)


def test_the_nearest_neighbour_is_looked_for_in_a_sample(found: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    on = found.examples.indices("validation")
    task: Any = Task(None, found, Plan("x", cut_point="top"), None)  # pyright: ignore[reportArgumentType]
    lesson = Lesson(found.examples.indices("train"))
    whole = nearest_neighbour.answer(task, lesson, task.some(on))
    assert whole.note == "on the activations at 'top'"
    monkeypatch.setattr(asking, "MOST", _AT_ONCE)
    found.asked.clear()
    few = task.some(on)
    sampled = nearest_neighbour.answer(task, lesson, few)
    assert sampled.note == "on the activations at 'top' of 63 training examples"
    right, among_few = (
        np.mean(np.argmax(made.probabilities, axis=1) == found.examples.labels[asked])
        for made, asked in ((whole, on), (sampled, few))
    )
    assert abs(among_few - right) < 0.1
    assert max(found.asked) <= _AT_ONCE
