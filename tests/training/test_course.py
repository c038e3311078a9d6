"""A phase under way: gone on with at any step, taken back where it diverges, ended by hand, ended early."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from regraft.core.errors import WorkError
from regraft.core.phase import Phase, Rate
from regraft.core.progress import collecting_warnings
from regraft.graph import names
from regraft.surgery.graft import graft
from regraft.training import course
from regraft.training.feeds import Feed
from regraft.training.loop import Trained, train
from regraft.training.predicting import predict

Array = np.ndarray[Any, Any]

_RANDOM = np.random.default_rng(0)
_LABELS = np.arange(60) % 3
_X = (_RANDOM.normal(size=(60, 4)) + np.eye(3, 4)[_LABELS] * 3).astype("float32")
_FEED = Feed(lambda chosen, view: _X[chosen], _LABELS)
_NONE = Feed(_FEED.fetch, _LABELS[:0])
_PHASE = Phase(rates=(Rate("head/.*", 0.05), Rate(".*", 0.01)), epochs=3, batch_size=8, dropout=0.3, feature_noise=0.1)


def _branch() -> keras.Model:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4,))
    x = keras.layers.Dense(6, activation="relu", name="hidden")(inputs)
    return graft(keras.Model(inputs, x), 3, dropout=0.5)


class _KilledError(Exception):
    """As good as killed: nothing of the training catches it."""


def _dying_after(steps: int) -> Feed:
    """A feed that ends the training in the middle."""
    left = steps

    def fetch(chosen: Array, view: int) -> Array:
        nonlocal left
        if len(chosen) <= _PHASE.batch_size:
            left -= 1
            if left < 0:
                raise _KilledError
        return _X[chosen]

    return Feed(fetch, _LABELS)


def _described(trained: Trained) -> dict[str, Any]:
    values = {
        name: keras.ops.convert_to_numpy(value).tobytes() for name, value in names.variables(trained.model).items()
    }
    slots = {
        (name, slot): value.tobytes()
        for name, item in trained.state.variables.items()
        for slot, value in item.slots.items()
    }
    steps = {name: item.steps for name, item in trained.state.variables.items()}
    rows = [replace(row, seconds=0.0) for row in trained.history]
    return {"values": values, "slots": slots, "steps": steps, "rows": rows, "best": trained.best}


@pytest.fixture(scope="module")
def whole() -> Trained:
    return train(_branch(), _PHASE, _FEED, _FEED, seed=3)


# An epoch has eight steps, the last of four examples.
@pytest.mark.parametrize("steps", [0, 1, 5, 7, 8, 9, 23])
def test_it_is_gone_on_with_at_any_step(steps: int, whole: Trained, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.npz"
    with pytest.raises(_KilledError):
        train(_branch(), _PHASE, _dying_after(steps), _FEED, seed=3, checkpoint=checkpoint, save_every=0)
    assert checkpoint.exists() == bool(steps)
    remaining = 24 - steps
    again = train(_branch(), _PHASE, _dying_after(remaining), _FEED, seed=3, checkpoint=checkpoint, save_every=0)
    assert _described(again) == _described(whole)


def test_rates_that_are_too_high_are_halved_and_the_epoch_begins_again(tmp_path: Path) -> None:
    def explosive(chosen: Array, view: int) -> Array:
        return _X[chosen] * np.float32(1e18)

    feed = Feed(explosive, _LABELS)
    phase = Phase(rates=(Rate(".*", 1e16),), optimizer="sgd", schedule="constant", warmup=0.0, epochs=2, batch_size=30)
    with collecting_warnings() as warnings, pytest.raises(WorkError) as caught:
        train(_branch(), phase, feed, feed, seed=0)
    assert str(caught.value).endswith(
        "of epoch 1 of phase 'fine-tune', also at a quarter of the rates; lower them in the plan, or look for NaN in "
        "the source"
    )
    assert len(warnings) == 2 or len(set(warnings)) == 1
    assert all("it begins that epoch again at half the rates" in line for line in warnings)


def test_after_the_halving_it_goes_on_from_the_last_good_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    original, made = course.Course._batches, course.stepper
    spoilt = False

    def noting(model: Any, updates: Any) -> Any:
        machine: Any = made(model, updates)
        step = machine.step

        def noted(batches: Any, factor: float) -> float:
            rates.append(factor * float(keras.ops.convert_to_numpy(updates.groups[0].optimizer.learning_rate)))
            return step(batches, factor)

        machine.step = noted
        return machine

    def once(self: course.Course, order: Array, views: Array, number: int, change: Any) -> Any:
        nonlocal spoilt
        batches = original(self, order, views, number, change)
        if len(rates) == 5 and not spoilt:
            spoilt = True
            # The targets are no numbers, the examples are: as if the step before had gone too far.
            return [(x, y * np.float32("nan")) for x, y in batches]
        return batches

    monkeypatch.setattr(course.Course, "_batches", once)
    monkeypatch.setattr(course, "stepper", noting)
    phase = Phase(rates=(Rate(".*", 0.1),), schedule="constant", warmup=0.0, epochs=3, batch_size=15, state="reset")
    with collecting_warnings() as warnings:
        trained = train(_branch(), phase, _FEED, _FEED, seed=0)
    assert warnings == [
        "the loss became nan in step 2 of epoch 2 of phase 'fine-tune'; it begins that epoch again at half the rates"
    ]
    assert rates == pytest.approx([0.1] * 6 + [0.05] * 8)
    assert [row.epoch for row in trained.history] == [0, 1, 2, 3]
    assert {item.steps for item in trained.state.variables.values()} == {4 * trained.best}


@pytest.mark.usefixtures("hearing")
def test_ctrl_c_ends_the_phase_with_the_best_so_far() -> None:
    fetched = 0

    def fetch(chosen: Array, view: int) -> Array:
        nonlocal fetched
        if len(chosen) <= 8:
            fetched += 1
            if fetched == 12:
                os.kill(os.getpid(), signal.SIGINT)
        return _X[chosen]

    before = signal.getsignal(signal.SIGINT)
    with collecting_warnings() as warnings:
        trained = train(_branch(), replace(_PHASE, epochs=50, feature_noise=0.0), Feed(fetch, _LABELS), _FEED, seed=3)
    assert signal.getsignal(signal.SIGINT) is before
    assert trained.interrupted
    assert warnings == ["phase 'fine-tune' was ended by hand in epoch 2 of 50"]
    assert [row.epoch for row in trained.history] == [0, 1, 2]
    right = np.mean(predict(trained.model, _FEED).argmax(axis=1) == _LABELS)
    assert right == pytest.approx(trained.history[trained.best].validation_accuracy)


@pytest.mark.usefixtures("hearing")
def test_the_second_ctrl_c_interrupts_at_once() -> None:
    def fetch(chosen: Array, view: int) -> Array:
        if len(chosen) <= 8:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        return _X[chosen]

    with pytest.raises(KeyboardInterrupt):
        train(_branch(), replace(_PHASE, feature_noise=0.0), Feed(fetch, _LABELS), _FEED, seed=3)


def test_it_ends_where_validation_no_longer_improves() -> None:
    wrong = Feed(_FEED.fetch, (_LABELS + 1) % 3)
    phase = Phase(rates=(Rate(".*", 0.05),), epochs=40, batch_size=16, patience=2)
    trained = train(_branch(), phase, wrong, _FEED, seed=0)
    losses = [row.validation_loss for row in trained.history]
    assert int(np.argmin(losses)) == len(losses) - 3 < 37


def test_steps_end_a_phase_within_an_epoch() -> None:
    phase = Phase(rates=(Rate(".*", 0.05),), epochs=9, steps=6, batch_size=16, keep="last")
    trained = train(_branch(), phase, _FEED, _FEED, seed=0)
    assert [row.epoch for row in trained.history] == [0, 1, 2]
    assert {item.steps for item in trained.state.variables.values()} == {6}
    # The schedule is over when the phase is.
    assert trained.history[-1].rate == pytest.approx(0.0, abs=1e-9)


def test_the_last_epoch_is_kept_where_the_plan_says_so() -> None:
    wrong = Feed(_FEED.fetch, (_LABELS + 1) % 3)
    phase = Phase(rates=(Rate(".*", 0.5),), epochs=3, batch_size=16)
    assert train(_branch(), phase, wrong, _FEED, seed=0).best == 0
    assert train(_branch(), replace(phase, keep="last"), wrong, _FEED, seed=0).best == 3


def test_several_small_batches_make_the_step_of_a_large_one() -> None:
    large = Phase(rates=(Rate(".*", 0.05),), epochs=2, batch_size=24, keep="last")
    small = replace(large, batch_size=7, accumulate=4)
    # 28 at a time against 24: only where both take all 60 at once are the steps the same.
    ways = [replace(large, batch_size=60), replace(small, batch_size=7, accumulate=9)]
    one, other = (train(_branch(), way, _FEED, _NONE, seed=0) for way in ways)
    assert other.history[-1].loss == pytest.approx(one.history[-1].loss, rel=1e-5)
    for name, variable in names.variables(one.model).items():
        found = keras.ops.convert_to_numpy(names.variables(other.model)[name])
        np.testing.assert_allclose(found, keras.ops.convert_to_numpy(variable), rtol=1e-4, atol=1e-6)
    steps = {item.steps for item in train(_branch(), small, _FEED, _NONE, seed=0).state.variables.values()}
    assert steps == {2 * 3}


def test_the_moving_average_is_what_is_judged_and_kept() -> None:
    phase = Phase(
        rates=(Rate(".*", 0.1),),
        optimizer="sgd",
        schedule="constant",
        warmup=0.0,
        epochs=3,
        batch_size=20,
        keep="last",
        state="reset",
    )
    seen: list[dict[str, Array]] = []
    plain = train(_branch(), phase, _FEED, _FEED, seed=0)
    trained = train(_branch(), replace(phase, moving_average=0.5), _FEED, _FEED, seed=0)
    start = {name: keras.ops.convert_to_numpy(value) for name, value in names.variables(_branch()).items()}
    for steps in range(1, 10):
        part = train(_branch(), replace(phase, steps=steps), _FEED, _NONE, seed=0)
        seen.append({name: keras.ops.convert_to_numpy(value) for name, value in names.variables(part.model).items()})
    # Keras forgets what an average began with at the first step of an optimizer.
    expected = seen[0]["head/kernel"]
    for values in seen[1:]:
        expected = 0.5 * expected + 0.5 * values["head/kernel"]
    found = keras.ops.convert_to_numpy(names.variables(trained.model)["head/kernel"])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert start["head/kernel"].shape == found.shape
    right = predict(trained.model, _FEED)
    loss = -np.log(right[np.arange(60), _LABELS]).mean()
    assert trained.history[-1].validation_loss == pytest.approx(loss, rel=1e-6)
    assert trained.history[-1].validation_loss != plain.history[-1].validation_loss


@pytest.mark.parametrize("steps", [3, 12])
def test_what_is_measured_before_the_first_step_is_the_same_when_it_is_gone_on_with(
    steps: int, whole: Trained, tmp_path: Path
) -> None:
    phase = replace(_PHASE, name="next", state="auto", calibration=4, optimizer="rmsprop")
    expected = train(whole.model, phase, _FEED, _FEED, seed=5, kept=whole.state)
    assert {row.done for row in expected.carried} <= {"translate", "calibrate"}
    checkpoint = tmp_path / "checkpoint.npz"
    given: dict[str, Any] = {"seed": 5, "kept": whole.state, "checkpoint": checkpoint, "save_every": 0}
    # Four batches are looked at before the first step, each time.
    with pytest.raises(_KilledError):
        train(whole.model, phase, _dying_after(4 + steps), _FEED, **given)
    again = train(whole.model, phase, _dying_after(4 + 24 - steps), _FEED, **given)
    assert _described(again) == _described(expected)
    assert again.carried == expected.carried
