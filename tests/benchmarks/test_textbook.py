"""The textbook's exercise: what thaws in its stages, when they end, and how lines and bars are made."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from benchmarks import digits, textbook
from benchmarks.frame import Settings
from benchmarks.textbook import DEPTH, FIT, GOOD, HEAD, OURS, PRINTED, Outcome
from regraft.graph import names

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the benchmark runs on TensorFlow")


def _all(source: str, seed: int, best: float, fit: float) -> Iterator[Outcome]:
    for line in PRINTED:
        yield Outcome(source, line, seed, best if line == "all thawed" else 0.5, 10, 2.0)
    yield Outcome(source, HEAD, seed, 0.7, 0, 1.0)
    yield Outcome(source, FIT, seed, fit, 0, 3.0)
    yield Outcome(source, DEPTH, seed, 0.941, 0, 30.0)


def test_lines_stand_beside_what_was_printed_and_fit_is_judged_by_the_best_of_them() -> None:
    measured = [
        outcome
        for seed, (best, fit) in enumerate([(0.9, 0.91), (0.92, 0.92), (0.8, 0.95)])
        for outcome in (*_all(OURS, seed, best, fit), *_all(GOOD, seed, fit, best))
    ]
    result = textbook.compare(measured, Settings())
    rows = {row[0]: row[1:] for row in result.tables[0].rows}
    assert rows["all thawed"] == ("91.3", "90.0 (80.0 to 92.0)", "92.0 (91.0 to 95.0)")
    assert rows["five frozen"] == ("64.0", "50.0 (50.0 to 50.0)", "50.0 (50.0 to 50.0)")
    assert rows[FIT][0] == ""
    assert result.tables[1].rows[0] == ("five frozen", "10", "200", "2.00")
    assert result.tables[1].rows[-2] == (FIT, "", "", "3.00")
    assert [(bar.found, bar.holds) for bar in result.bars] == [
        ("92.0 %, the recipe 90.0 %", True),
        ("94.1 %, the recipe 90.0 %", True),
        ("90.0 %, the recipe 92.0 %", False),
        ("94.1 %, the recipe 92.0 %", True),
        ("94.1 %", True),
    ]


def test_the_topmost_layers_thaw_and_the_source_stays_as_it_is() -> None:
    source = digits.network(0)
    before = {name: np.array(variable.numpy()) for name, variable in names.variables(source).items()}
    branch = textbook._thawed(textbook._branch(source, 4), 2)
    assert [layer.name for layer in branch.layers if layer.weights and layer.trainable] == [
        "hidden3",
        "hidden4",
        "head",
    ]
    x = np.random.default_rng(0).normal(size=(40, 784)).astype(np.float32)
    y = np.arange(40) % 5
    textbook._stage(branch, (x, y), (x, y), 20, 2)
    assert all(np.array_equal(before[name], variable.numpy()) for name, variable in names.variables(source).items())
    assert np.array_equal(before["hidden2/kernel"], branch.get_layer("hidden2").kernel)
    assert not np.array_equal(before["hidden3/kernel"], branch.get_layer("hidden3").kernel)


def test_a_stage_ends_twenty_epochs_after_the_best_and_with_its_weights() -> None:
    # What it learns is the opposite of what it is judged by: nothing is as good as the first epoch.
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, kernel_initializer="zeros")])
    x, y = np.eye(2, dtype=np.float32)[[0, 1] * 20], np.array([0, 1] * 20)
    assert textbook._stage(model, (x, y), (x, 1 - y), 40, 100) == 21
    # One step of Adam at 0.01 from zero.
    assert np.abs(model.layers[-1].kernel).max() == pytest.approx(0.01, rel=1e-3)


def test_a_small_version_of_the_recipe_has_every_line(shared_folder: Path) -> None:
    given = digits.task(0)
    found = list(textbook.recipe(digits.network(0), given, 0, 1))
    assert [outcome.line for outcome in found] == list(PRINTED)
    assert all(outcome.epochs == 1 and 0.1 < outcome.accuracy < 1 for outcome in found)


def test_our_lines_are_of_the_same_task(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []
    test = SimpleNamespace(accuracy=SimpleNamespace(value=0.75))
    done = SimpleNamespace(record=SimpleNamespace(metrics={"test": test}), run="the run")

    def stand_in(data: dict[str, Any], source: Any, **arguments: Any) -> Any:
        asked.append({"data": data, "source": source} | arguments)
        return done

    monkeypatch.setattr("regraft.fit", stand_in, raising=False)
    monkeypatch.setattr("regraft.depth", stand_in, raising=False)
    monkeypatch.setattr("regraft.load", lambda run: done, raising=False)
    x, y = np.zeros((2, 784), np.float32), np.array([0, 1])
    given = digits.Task(x, y, x + 1, y, x + 2, y)
    found = list(textbook.ours("source", given, 7, tmp_path))
    assert [(outcome.line, outcome.accuracy) for outcome in found] == [(HEAD, 0.75), (FIT, 0.75), (DEPTH, 0.75)]
    assert [item.get("fine_tune") for item in asked] == ["no", "auto", None]
    assert (asked[2]["plan"].seed, asked[2]["plan"].baselines) == (7, "no")
    assert all(item["seed"] == 7 and item["baselines"] == "no" for item in asked[:2])
    assert all(item["source"] == "source" for item in asked)
    assert [asked[0]["data"][name][0, 0] for name in ("x_train", "x_val", "x_test")] == [0, 1, 2]
    assert len({item["cache"] for item in asked} | {item["out"] for item in asked}) == 6
