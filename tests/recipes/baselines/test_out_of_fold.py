"""Answers for examples from models that have not seen them."""

from pathlib import Path

import numpy as np
import pytest

from regraft.core.folds import folds
from regraft.recipes.baselines import WAYS, Lesson, out_of_fold
from tests.recipes.baselines.small import divided, network, new_digits, opened, task_of

pytestmark = pytest.mark.tuned


@pytest.mark.parametrize("name", ["majority", "nearest_neighbour", "raw_inputs", "random_trunk"])
def test_each_fold_is_answered_by_what_learnt_from_the_others(name: str, tmp_path: Path) -> None:
    images, labels = new_digits()
    examples = opened(divided(images, labels, (20, 10), 0), tmp_path / "digits.npz")
    task = task_of(network(0), examples, "dense", tmp_path / "cache")
    some = np.sort(np.concatenate([examples.indices("train"), examples.indices("validation")]))
    fold = folds(np.arange(len(some)), examples.labels[some], 3, 0)
    made = out_of_fold(WAYS[name], task, some, fold)
    assert (made.dtype, made.shape) == (np.float32, (150, 5))
    np.testing.assert_allclose(made.sum(axis=1), 1, rtol=1e-5)
    one = WAYS[name].answer(task, Lesson(some[fold != 1]), some[fold == 1])
    np.testing.assert_array_equal(made[fold == 1], one.probabilities)


def test_labels_that_are_noise_are_answered_by_chance(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x, y = random.integers(0, 256, (300, 8, 8, 1), np.uint8), np.arange(300) % 2
    examples = opened({"x": x, "y": y}, tmp_path / "noise.npz")
    task = task_of(network(0), examples, "dense", tmp_path / "cache")
    everyone = np.arange(len(examples))
    fold = folds(everyone, examples.labels, 5, 0)
    for name in ("raw_inputs", "random_trunk"):
        made = out_of_fold(WAYS[name], task, everyone, fold)
        # Of 300 answers by chance, three standard deviations: 9 points.
        assert abs(np.mean(np.argmax(made, axis=1) == examples.labels) - 0.5) < 0.09
