"""The architecture with random weights, frozen, and the same head."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from regraft.graph import names
from regraft.importers import open as open_source
from regraft.recipes.baselines import Lesson, random_trunk
from regraft.recipes.baselines.anew import branch_anew
from tests.recipes.baselines.small import divided, network, new_digits, opened, task_of


def some_task(folder: Path, model: keras.Model, cut_point: str = "dense", **more: Any) -> Any:
    images, labels = new_digits()
    return task_of(
        model, opened(divided(images, labels, (20, 10), 0), folder / "digits.npz"), cut_point, folder, **more
    )


def test_nothing_of_the_sources_weights_is_in_it(tmp_path: Path) -> None:
    source, other = network(0), network(1)
    for variable in other.trainable_variables:
        variable.assign(100 + 0 * variable)
    tasks = [some_task(tmp_path, model) for model in (source, other)]
    on = tasks[0].found.examples.indices("test")[:50]
    rows = [random_trunk.features(task, on) for task in tasks]
    assert rows[0].shape == (50, 64)
    np.testing.assert_array_equal(rows[0], rows[1])
    assert source.get_layer("conv1").kernel.numpy().std() > 0


def test_one_seed_one_result_and_another_another(tmp_path: Path) -> None:
    task, other = some_task(tmp_path, network(0)), some_task(tmp_path, network(0), seed=1)
    lesson, on = Lesson(task.found.examples.indices("train")), task.found.examples.indices("test")
    first, again, third = (
        random_trunk.answer(each, lesson, on).probabilities for each in (task, some_task(tmp_path, network(0)), other)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - third).max() > 0.05


def test_the_head_reads_taps_too_and_batch_norm_knows_the_examples(tmp_path: Path) -> None:
    from regraft.core.plan import HeadSpec

    task = some_task(tmp_path, network(0), head=HeadSpec(taps=("relu1",)))
    on = task.found.examples.indices("train")
    rows = random_trunk.features(task, on)
    assert rows.shape == (len(on), 16 + 64)
    # Averages of normalised values above zero: those of a standard normal variable have mean 0.4.
    assert 0.2 < rows[:, :16].mean() < 0.6


def test_features_are_computed_once_for_all_who_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = some_task(tmp_path, network(0))
    asked: list[int] = []
    compute = random_trunk.features
    monkeypatch.setattr(
        random_trunk, "features", lambda task, indices: asked.append(len(indices)) or compute(task, indices)
    )
    training, test = task.found.examples.indices("train"), task.found.examples.indices("test")
    random_trunk.answer(task, Lesson(training), test)
    random_trunk.answer(task, Lesson(training[:50]), test)
    assert asked == [len(training) + len(test)]


def test_is_left_out_where_its_pass_is_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = some_task(tmp_path, network(0))
    lesson, on = Lesson(task.found.examples.indices("train")), task.found.examples.indices("test")
    assert random_trunk.left_out(task, lesson, on) is None
    assert (random_trunk.left_out(replace(task, left=lambda: -1.0), lesson, on) or "").endswith(" s, of 0 s")
    monkeypatch.setattr(random_trunk, "AFFORDABLE", 1e6)
    assert "operations" in (random_trunk.left_out(task, lesson, on) or "")


def test_kernels_that_begin_as_constants_are_drawn(tmp_path: Path) -> None:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(8, kernel_initializer="zeros", name="blank"),
            layers.PReLU(name="slope"),
            layers.Dense(3, name="top"),
        ]
    )
    fresh, other = (names.values(branch_anew(open_source(model), "top", 2, (), seed)) for seed in (0, 1))
    assert 0.3 < fresh["blank/kernel"].std() < 1.5
    assert not fresh["slope/alpha"].any()
    assert not np.array_equal(fresh["blank/kernel"], other["blank/kernel"])
    assert not np.array_equal(fresh["top/kernel"], other["top/kernel"])


def test_the_users_random_numbers_are_left_alone(tmp_path: Path) -> None:
    source = open_source(network(0))
    random.seed(7)
    branch_anew(source, "dense", 2, (), 0)
    after = random.random()
    random.seed(7)
    assert after == random.random()
