"""What becomes of each variable's state where a phase begins, and how it is said."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import pytest

from regraft.core.errors import RequestError, WorkError
from regraft.core.optimizer_state import OptimizerState
from regraft.core.phase import Phase, StateRule
from regraft.training import carrying, slots
from tests.training.keras_optimizers import SHAPES, gradients, take, variables

Array = np.ndarray[Any, Any]
_RATES = dict.fromkeys(SHAPES, 0.01)


def _phase(optimizer: str = "adam", **more: Any) -> Phase:
    return Phase(optimizer=optimizer, **({"warmup": 0.0, "calibration": 10} | more))


def _kept(optimizer: Any = None, steps: int = 30) -> OptimizerState:
    optimizer, chosen = optimizer or keras.optimizers.Adam(0.01), variables()
    optimizer.build(list(chosen.values()))
    take(optimizer, chosen, range(steps))
    return slots.read(optimizer, chosen)


def _samples(scale: float = 1.0) -> Callable[[int], Iterator[Mapping[str, Array]]]:
    def samples(passes: int) -> Iterator[Mapping[str, Array]]:
        for step in range(100, 100 + passes):
            yield {name: gradients(name, step, scale) for name in SHAPES}

    return samples


def _never(passes: int) -> Iterator[Mapping[str, Array]]:
    raise AssertionError("nothing needs gradients")


def test_keep_is_the_identity_and_asks_for_no_gradients() -> None:
    kept = _kept()
    state, rows = carrying.plan(kept, _RATES, _phase(state="keep"), _never)
    assert list(state.variables) == list(SHAPES)
    for name, own in state.variables.items():
        assert own.steps == 30
        assert all(np.array_equal(value, kept.variables[name].slots[slot]) for slot, value in own.slots.items())
    assert [(row.done, row.kind, row.to, row.steps) for row in rows] == [("keep", "adam", "adam", 30)] * 4


def test_variables_that_do_not_learn_are_left_out() -> None:
    state, rows = carrying.plan(_kept(), {"top/bias": 0.01}, _phase(state="keep"), _never)
    assert list(state.variables) == ["top/bias"]
    assert [row.variable for row in rows] == ["top/bias"]


def test_keep_with_another_optimizer_is_refused() -> None:
    message = "expected the phase 'x' to go on with adam where its state is kept, found sgd for 'low/kernel'; say state"
    with pytest.raises(RequestError, match=message):
        carrying.plan(_kept(), _RATES, _phase("sgd", state="keep", name="x"), _never)


def test_reset_counts_steps_of_its_own_from_zero() -> None:
    rules = (StateRule("top/.*", "reset"),)
    state, rows = carrying.plan(_kept(), _RATES, _phase(state="keep", state_rules=rules), _never)
    assert {name: own.steps for name, own in state.variables.items()} == {
        "low/kernel": 30,
        "low/bias": 30,
        "top/kernel": 0,
        "top/bias": 0,
    }
    assert [row.done for row in rows] == ["keep", "keep", "reset", "reset"]
    assert rows[2].why == "as asked: empty, steps counted from zero"


def test_a_rule_that_matches_nothing_is_refused() -> None:
    with pytest.raises(
        RequestError, match=r"expected the plan's state rule 'head/\.\*' to match a variable that learns"
    ):
        carrying.plan(None, _RATES, _phase(state_rules=(StateRule("head/.*", "reset"),)), _samples())


def test_auto_keeps_a_state_whose_gradients_are_like_those_of_now() -> None:
    state, rows = carrying.plan(_kept(), _RATES, _phase(), _samples())
    assert {row.done for row in rows} == {"keep"}
    assert all(row.ratio is not None and 0.4 <= row.ratio <= 2.0 for row in rows)
    assert rows[0].why.startswith("gradients are ")
    assert rows[0].why.endswith(" times as large as the state has seen, within 0.63 to 1.4")
    assert state.variables["low/bias"].steps == 30


@pytest.mark.parametrize("scale", [0.1, 3.0, 10.0])
def test_auto_measures_anew_where_gradients_have_another_scale(scale: float) -> None:
    state, rows = carrying.plan(_kept(), _RATES, _phase(), _samples(scale))
    assert {(row.done, row.steps) for row in rows} == {("calibrate", 10)}
    assert all("outside 0.63 to 1.4: measured in 10 passes without a step" in row.why for row in rows)
    squares = np.mean([gradients("low/kernel", 100 + step, scale).astype("f8") ** 2 for step in range(10)], axis=0)
    found = state.variables["low/kernel"].slots["velocity"] / (1 - 0.999**10)
    # Weights of 0.999**age over ten passes are equal to half a percent.
    np.testing.assert_allclose(found, squares, rtol=0.01)


@pytest.mark.parametrize("scale", [0.1, 10.0])
def test_a_mean_gradient_alone_is_compared_too(scale: float) -> None:
    def made() -> Any:
        return keras.optimizers.SGD(0.01, momentum=0.9)

    _, rows = carrying.plan(_kept(made()), _RATES, _phase("sgd"), _samples())
    assert {row.done for row in rows} == {"keep"}
    _, rows = carrying.plan(_kept(made()), _RATES, _phase("sgd"), _samples(scale))
    assert {row.done for row in rows} == {"calibrate"}


def test_auto_measures_what_is_new_and_keeps_the_rest() -> None:
    kept = _kept()
    old = OptimizerState({name: own for name, own in kept.variables.items() if name.startswith("top")})
    state, rows = carrying.plan(old, _RATES, _phase(), _samples())
    assert [row.done for row in rows] == ["calibrate", "calibrate", "keep", "keep"]
    assert rows[0].why == "new to the optimizer: measured in 10 passes without a step"
    assert rows[0].kind == ""
    assert state.variables["low/bias"].steps == 10


def test_auto_translates_between_kinds_and_measures_what_the_old_one_did_not_keep() -> None:
    _, rows = carrying.plan(_kept(), _RATES, _phase("sgd"), _samples())
    assert {(row.done, row.to) for row in rows} == {("translate", "sgd")}
    assert rows[0].why.endswith("; the mean gradient from adam")
    _, rows = carrying.plan(_kept(keras.optimizers.RMSprop(0.01)), _RATES, _phase(), _samples())
    assert rows[0].why.endswith("; the mean squared gradient from rmsprop, the mean gradient measured in 10 passes")
    _, rows = carrying.plan(_kept(keras.optimizers.SGD(0.01, momentum=0.9)), _RATES, _phase(), _samples())
    assert rows[0].why == "sgd kept no mean of squares: measured in 10 passes without a step"


def test_a_buffer_begins_empty_where_the_rate_begins_at_zero() -> None:
    state, rows = carrying.plan(_kept(), _RATES, _phase("sgd", warmup=0.1), _samples())
    assert not state.variables["low/kernel"].slots["momentum"].any()
    assert rows[0].why.endswith("; the buffer holds the rate, which begins at zero")


def test_a_head_of_another_width_is_measured_anew() -> None:
    kept = dict(_kept().variables)
    kept["top/bias"] = kept["low/bias"]
    _, rows = carrying.plan(OptimizerState(kept), _RATES, _phase(), _samples())
    assert rows[3].why == "of shape (2,) now, (3,) before: measured in 10 passes without a step"


def test_elements_that_never_had_a_gradient_say_nothing() -> None:
    def samples(passes: int) -> Iterator[Mapping[str, Array]]:
        for step in range(passes):
            found = {name: gradients(name, 100 + step) for name in SHAPES}
            found["low/kernel"][:3] = 0.0
            yield found

    kept = dict(_kept().variables)
    for slot in ("momentum", "velocity"):
        kept["low/kernel"].slots[slot][:3] = 0.0
    _, rows = carrying.plan(OptimizerState(kept), _RATES, _phase(), samples)
    assert rows[0].done == "keep"


def test_gradients_that_are_no_numbers_are_refused_by_name() -> None:
    with pytest.raises(WorkError, match="the gradient of 'low/kernel' is not a number in pass 1 of the calibration"):
        carrying.plan(None, _RATES, _phase(), _samples(np.nan))
    with pytest.raises(RequestError, match="found no batch of examples"):
        carrying.plan(None, _RATES, _phase(), lambda passes: iter(()))


@pytest.mark.parametrize("optimizer", ["adagrad", "adadelta", "ftrl", "lion", "lamb", "nadam", "adamax", "adafactor"])
def test_every_kind_is_calibrated_by_itself_and_can_be_assigned(optimizer: str) -> None:
    phase = _phase(optimizer)
    state, rows = carrying.plan(None, _RATES, phase, _samples())
    assert {(row.done, row.to, row.steps) for row in rows} == {("calibrate", optimizer, 10)}
    made = {kind.__name__.lower(): kind for kind in vars(keras.optimizers).values() if isinstance(kind, type)}
    live, chosen = made[optimizer](0.01), variables()
    live.build(list(chosen.values()))
    slots.assign(live, chosen, state)
    take(live, chosen, range(1))
    assert all(np.isfinite(keras.ops.convert_to_numpy(variable)).all() for variable in chosen.values())


def test_a_first_phase_whose_rate_rises_begins_anew_and_looks_at_no_gradient() -> None:
    def never(count: int) -> Any:
        raise AssertionError

    learning = {"a/kernel": 0.1, "b/kernel": 0.01}
    state, rows = carrying.plan(None, learning, Phase(warmup=0.1), never)
    assert {row.done for row in rows} == {"reset"}
    assert rows[0].why == "a first phase, whose rate rises: empty, steps counted from zero"
    assert all(not item.slots and not item.steps for item in state.variables.values())
