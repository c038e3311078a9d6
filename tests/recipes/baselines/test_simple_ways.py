"""Baselines of very many examples, and answers that are made block by block."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from regraft.recipes import judging
from regraft.recipes.baselines import Answers, Lesson, Task, asking, majority, nearest_neighbour
from regraft.training.heads import LinearHead


@pytest.fixture
def found() -> Any:
    """Stands for a survey: activations of two classes that lie apart."""
    random = np.random.default_rng(0)
    labels = np.arange(600) % 2
    activations = (random.normal(0, 1, (600, 4)) + 3 * np.eye(4)[labels]).astype(np.float32)
    asked: list[int] = []

    def pooled(cut_points: Any, indices: Any) -> Any:
        asked.append(len(indices))
        return activations[indices]

    examples = SimpleNamespace(labels=labels, classes=("a", "b"), indices=lambda split: np.arange(400))
    return SimpleNamespace(examples=examples, pooled=pooled, asked=asked)


def asked_about(found: Any) -> Any:
    plan: Any = SimpleNamespace(cut_point="top", seed=0)
    return Task(None, found, plan, None)  # pyright: ignore[reportArgumentType]


def right(found: Any, answers: Answers, on: Any) -> float:
    return float(np.mean(np.argmax(answers.probabilities, axis=1) == found.examples.labels[on]))


def test_few_examples_are_all_compared(found: Any) -> None:
    task, on = asked_about(found), np.arange(400, 600)
    made = nearest_neighbour.answer(task, Lesson(np.arange(400)), task.some(on))
    assert found.asked == [400, 200]
    assert made.note == "on the activations at 'top'"
    assert right(found, made, on) > 0.9


def test_of_very_many_examples_some_are_compared(found: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MOST", 50)
    task = asked_about(found)
    on = task.some(np.arange(400, 600))
    made = nearest_neighbour.answer(task, Lesson(np.arange(400)), on)
    assert found.asked == [50, 50]
    assert made.note == "on the activations at 'top' of 50 training examples"
    assert right(found, made, on) > 0.9
    again = nearest_neighbour.answer(task, Lesson(np.arange(400)), on)
    np.testing.assert_array_equal(made.probabilities, again.probabilities)


def test_the_majority_has_the_shares_of_the_classes(found: Any) -> None:
    made = majority.answer(asked_about(found), Lesson(np.array([0, 1, 3, 5])), np.arange(3))
    np.testing.assert_allclose(made.probabilities, [[0.25, 0.75]] * 3)
    assert made.note == "always 'b'"


def test_a_head_answers_block_by_block(found: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    head = LinearHead(np.eye(4, 2, dtype=np.float32), np.zeros(2, np.float32), 1.0, "lbfgs", 1, (), 0.0)
    plan: Any = SimpleNamespace(reads=("top",))
    whole = judging.of_head(found, head, plan, np.arange(600))
    monkeypatch.setattr(judging, "_BLOCK", 256)
    # A product of matrices may round differently where there are other rows beside a row.
    np.testing.assert_allclose(judging.of_head(found, head, plan, np.arange(600)), whole, rtol=1e-6)
    assert found.asked == [600, 256, 256, 88]
    assert judging.of_head(found, head, plan, np.arange(0)).shape == (0, 2)
