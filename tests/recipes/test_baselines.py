"""Baselines of very many examples, and answers that are made block by block."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from regraft.recipes import baselines, judging
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


def test_few_examples_are_all_compared(found: Any) -> None:
    made = baselines.neighbour(found, "top", np.arange(400, 600), 0)
    assert found.asked == [400, 200]
    assert made.note == "on the activations at 'top'"
    assert made.accuracy.value > 0.9


def test_of_very_many_examples_some_are_compared(found: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "_COMPARED", 50)
    made = baselines.neighbour(found, "top", np.arange(400, 600), 0)
    assert found.asked == [50, 50]
    assert made.note == "on the activations at 'top' of 50 training examples"
    assert made.accuracy.value > 0.9
    assert made == baselines.neighbour(found, "top", np.arange(400, 600), 0)


def test_a_head_answers_block_by_block(found: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    head = LinearHead(np.eye(4, 2, dtype=np.float32), np.zeros(2, np.float32), 1.0, "lbfgs", 1, (), 0.0)
    plan: Any = SimpleNamespace(reads=("top",))
    whole = judging.of_head(found, head, plan, np.arange(600))
    monkeypatch.setattr(judging, "_BLOCK", 256)
    # A product of matrices may round differently where there are other rows beside a row.
    np.testing.assert_allclose(judging.of_head(found, head, plan, np.arange(600)), whole, rtol=1e-6)
    assert found.asked == [600, 256, 256, 88]
    assert judging.of_head(found, head, plan, np.arange(0)).shape == (0, 2)
