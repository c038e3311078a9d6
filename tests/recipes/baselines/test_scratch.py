"""The network from scratch: its rates and epochs are tuned, it has its budget, and no example that it is judged by."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import keras
import numpy as np
import pytest

from regraft.core.errors import WorkError
from regraft.core.records import CutPoint, Epoch
from regraft.recipes.baselines import Lesson, lesson_of, scratch, tuning
from regraft.recipes.baselines.tuning import BEGIN, RATES, TRIED, Tried, climbed
from tests.recipes.baselines.small import divided, network, new_digits, opened, task_of

pytestmark = pytest.mark.tuned


def some_task(folder: Path, counts: tuple[int, int] = (20, 10), cut_point: str = "dense", **more: Any) -> Any:
    images, labels = new_digits()
    examples = opened(divided(images, labels, counts, 0), folder / "digits.npz")
    return task_of(network(0), examples, cut_point, folder, **more)


@pytest.mark.parametrize("best", RATES)
def test_the_best_rate_is_found_uphill(best: float) -> None:
    asked: list[float] = []

    def attempt(rate: float) -> Any:
        asked.append(rate)
        return Tried(-abs(np.log10(rate / best)), 0.0, 1)

    tuned = climbed(attempt)
    assert tuned.rate == best
    assert tuned.best.accuracy == 0
    assert tuned.count == len(asked) == len(set(asked)) <= 5


def test_more_rates_than_usual_take_no_time_that_there_is_not() -> None:
    def tuned(left: float) -> Any:
        return climbed(lambda rate: Tried(rate, 0.0, 1), lambda: left)

    assert (tuned(60.0).rate, tuned(60.0).cut_short) == (RATES[-1], False)
    assert (tuned(-1.0).count, tuned(-1.0).cut_short) == (TRIED, True)
    assert tuned(-1.0).rate == RATES[BEGIN + TRIED - 1]


def test_a_rate_that_fails_is_the_worst() -> None:
    def attempt(rate: float) -> Any:
        return Tried(-1.0, np.inf, 1) if rate > 3e-4 else Tried(0.5 + rate, 1.0, 1)

    assert climbed(attempt).rate == 3e-4
    assert Tried(0.9, 0.3, 1).rank > Tried(0.9, 0.4, 1).rank


def epochs(*accuracies: float) -> list[Epoch]:
    return [Epoch("", number, None, 0.0, value, 1 - value, 0.0) for number, value in enumerate(accuracies)]


def test_nothing_is_tried_after_a_rate_that_was_ended_by_hand() -> None:
    asked: list[float] = []

    def attempt(rate: float) -> Tried:
        asked.append(rate)
        return Tried(0.5, 1.0, 1) if rate == RATES[BEGIN] else Tried(0.1, 2.0, 1, interrupted=True)

    assert climbed(attempt).rate == RATES[BEGIN]
    assert asked == [RATES[BEGIN], RATES[BEGIN + 1]]


def test_a_part_that_ended_sooner_counts_with_what_it_had_last() -> None:
    curve = tuning.mean_curve([epochs(0.0, 0.8), epochs(0.2, 0.4, 0.6)], [30, 10])
    np.testing.assert_allclose(curve, [(0.05, 0.95), (0.7, 0.3), (0.75, 0.25)])


def test_parts_choose_an_epoch_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part alone is at its best at another epoch, all together at the second."""
    made = iter([epochs(0.0, 0.9, 0.9, 0.1), epochs(0.0, 0.1, 0.9, 0.9)] * len(RATES))

    def at(*_given: Any) -> Any:
        return SimpleNamespace(history=next(made), interrupted=False)

    monkeypatch.setattr(tuning.Attempts, "at", at)
    halves = [np.arange(1000) < 500, np.arange(1000) >= 500]
    tuned = tuning.by_parts(network(0), tuning.phase_of("", 3, 32), lambda _: Any, np.arange(1000), halves, 0)
    assert (tuned.best.epoch, tuned.best.accuracy) == (2, 0.9)


def test_an_interrupted_part_is_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[float] = []

    def at(_attempts: Any, rate: float, *_given: Any) -> Any:
        begun.append(rate)
        return SimpleNamespace(history=epochs(0.0, 0.5), interrupted=True)

    monkeypatch.setattr(tuning.Attempts, "at", at)
    halves = [np.arange(10) < 5, np.arange(10) >= 5]
    tuned = tuning.by_parts(network(0), tuning.phase_of("", 3, 32), lambda _: Any, np.arange(10), halves, 0)
    assert tuned.best.interrupted
    assert begun == [RATES[BEGIN]]


def test_is_well_tuned(tmp_path: Path) -> None:
    task = some_task(tmp_path, (40, 20))
    lesson, test = lesson_of(task.found, task.plan, "test"), task.found.examples.indices("test")
    made = scratch.answer(task, lesson, test)
    right = np.mean(np.argmax(made.probabilities, axis=1) == task.labels[test])
    # Logistic regression reaches 94 to 95 %, a support vector machine 98 %.
    assert right > 0.96
    assert made.note.startswith("initialised anew up to 'dense', epoch ")
    assert made.note.endswith("tried")


def test_without_validation_parts_of_the_training_examples_choose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Enough to choose from, and for what is asked below.
    for name, value in {"STEPS": 200, "RATES": (1e-3, 3e-3), "BEGIN": 0}.items():
        monkeypatch.setattr(tuning, name, value)
    task = some_task(tmp_path, (30, 0))
    training, test = task.found.examples.indices("train"), task.found.examples.indices("test")
    parts = scratch.parts_of(task, training)
    sizes = [int(part.sum()) for part in parts]
    assert len(sizes) == 3
    assert max(sizes) - min(sizes) <= 1
    assert (np.sum(parts, axis=0) == 1).all()
    made = scratch.answer(task, Lesson(training), test)
    assert np.mean(np.argmax(made.probabilities, axis=1) == task.labels[test]) > 0.9


def test_parts_that_choose_give_one_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"STEPS": 20, "RATES": (1e-3,), "BEGIN": 0}.items():
        monkeypatch.setattr(tuning, name, value)
    task = some_task(tmp_path, (30, 0))
    training, test = task.found.examples.indices("train"), task.found.examples.indices("test")
    one, other = (scratch.answer(task, Lesson(training), test) for _ in range(2))
    np.testing.assert_array_equal(one.probabilities, other.probabilities)


def test_does_not_learn_from_the_examples_that_it_is_judged_by(tmp_path: Path) -> None:
    task = some_task(tmp_path)
    refitting: Any = task.plan.__class__("x", refit="yes")
    assert lesson_of(task.found, refitting, "test").last
    assert not lesson_of(task.found, refitting, "validation").last
    assert not lesson_of(task.found, task.plan, "test").last
    everyone = lesson_of(task.found, refitting, "test").everyone
    assert len(everyone) == 150
    assert not set(everyone) & set(task.found.examples.indices("test"))


def test_trains_what_is_reused_and_the_whole_network(tmp_path: Path) -> None:
    assert scratch.depths(some_task(tmp_path, cut_point="relu1")) == ("relu1", "dense")
    assert scratch.depths(some_task(tmp_path, cut_point="dense")) == ("dense",)
    # Ten answers of the source are less than what it makes them from.
    assert scratch.depths(some_task(tmp_path, cut_point="top")) == ("top", "dense")


@pytest.mark.parametrize(("left", "expected"), [(60.0, ["relu1", "dense"]), (-1.0, ["relu1"])])
def test_another_depth_takes_no_time_that_there_is_not(
    left: float, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tune(_task: Any, _lesson: Any, cut_point: str) -> Any:
        return scratch._Trained(cut_point, (0.5, -1.0), tuning.Tuned(1e-3, Tried(0.5, 1.0, 1), 3), "", lambda: None)

    task = replace(some_task(tmp_path, cut_point="relu1"), left=lambda: left)
    monkeypatch.setattr(scratch, "_by_validation", tune)
    made = scratch._by_depth(task, lesson_of(task.found, task.plan, "test"))
    assert [trained.cut_point for trained in made] == expected
    assert [trained.tuned.cut_short for trained in made] == [False] * (len(made) - 1) + [left < 0]


def test_a_network_without_an_output_of_its_own_is_trained_to_its_top(tmp_path: Path) -> None:
    whole = network(0)
    body = keras.Model(whole.inputs, whole.get_layer("conv2").output)
    images, labels = new_digits()
    examples = opened(divided(images, labels, (20, 10), 0), tmp_path / "digits.npz")
    assert scratch.depths(task_of(body, examples, "relu1", tmp_path)) == ("relu1", "conv2")


def test_has_the_operations_that_the_transfer_took() -> None:
    def epochs(flops: int | None, training: int) -> int:
        found: Any = type("Found", (), {})()
        found.points = {"top": CutPoint("top", 1, (8,), 10, flops)}
        found.examples = range(2 * training)
        plan: Any = type("Plan", (), {})()
        plan.cut_point, plan.views = "top", 1
        plan.fine_tune = type("Spec", (), {"enabled": "no", "batch_size": 32})()
        return scratch.epochs_for(found, plan, training, "top")

    # Where a step is cheap: 600 steps of 32 examples.
    assert epochs(1000, 640) == 30
    assert epochs(None, 640) == 30
    # Where it is not: two passes of the trunk are two thirds of an epoch, and three is the least.
    assert epochs(10**9, 640) == 3
    # Between the two there is no step: as many as cost no more than those of a network that is just small enough.
    assert [epochs(flops, 640) for flops in (17_000_000, 18_000_000, 52_000_000, 150_000_000)] == [30, 28, 10, 3]


def test_is_left_out_where_it_takes_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = some_task(tmp_path)
    lesson, on = lesson_of(task.found, task.plan, "test"), task.found.examples.indices("test")
    assert scratch.left_out(task, lesson, on) is None
    assert (scratch.left_out(replace(task, left=lambda: -1.0), lesson, on) or "").endswith(" s, of 0 s")
    monkeypatch.setattr(scratch, "KEPT_BYTES", 1)
    assert "memory" in (scratch.left_out(task, lesson, on) or "")


def test_what_it_will_take_is_measured_where_time_is_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = replace(some_task(tmp_path), left=lambda: 60.0)
    lesson, on = lesson_of(task.found, task.plan, "test"), task.found.examples.indices("test")
    trials: list[int] = []
    attempted = tuning.Attempts.at

    def at(*given: Any) -> Any:
        made: Any = attempted(*given)
        trials.append(len(made.history) - 1)
        return replace(made, history=(*made.history[:-1], replace(made.history[-1], seconds=1.0)))

    monkeypatch.setattr(tuning.Attempts, "at", at)
    # A hundred epochs of a second each, at three rates.
    assert re.fullmatch(r"which would take about (29|3\d)\d s, of 60 s", scratch.left_out(task, lesson, on) or "")
    assert trials == [2]
    assert scratch.left_out(replace(task, left=lambda: 1e9), lesson, on) is None
    assert trials == [2]
    monkeypatch.setattr(tuning.Attempts, "at", lambda *given: replace(cast(Any, attempted(*given)), interrupted=True))
    assert scratch.left_out(task, lesson, on) == "which was ended by hand"

    def failing(*given: Any, **more: Any) -> Any:
        raise WorkError("no number")

    monkeypatch.setattr(tuning.Attempts, "at", attempted)
    monkeypatch.setattr(tuning.Again, "train", failing)
    assert scratch.left_out(task, lesson, on) is None
