"""What is a slot of which variable, and what a state without slots begins with."""

import keras
import numpy as np
import pytest

from regraft.core.errors import RequestError
from regraft.core.optimizer_state import OptimizerState, VariableState
from regraft.training import slots
from tests.training.keras_optimizers import MADE, SHAPES, copied, gradients, take, values, variables

# What the module relies upon in Keras: these names, and no others.
_SLOTS = {
    "adadelta": {"accumulated_grad", "accumulated_delta_var"},
    "adafactor": {"r", "c", "velocity"},
    "adagrad": {"accumulator"},
    "adam": {"momentum", "velocity"},
    "adam, amsgrad": {"momentum", "velocity", "velocity_hat"},
    "adam, average": {"momentum", "velocity", "average"},
    "adam, clipped": {"momentum", "velocity"},
    "adam, schedule": {"momentum", "velocity"},
    "adamax": {"momentum", "norm"},
    "adamw": {"momentum", "velocity"},
    "ftrl": {"accumulator", "linear"},
    "lamb": {"momentum", "velocity"},
    "lion": {"momentum"},
    "muon": {"momentum"},
    "nadam": {"momentum", "velocity"},
    "rmsprop": {"velocity"},
    "rmsprop, centred, momentum": {"velocity", "momentum", "average_gradient"},
    "schedule-free adamw": {"momentum", "velocity"},
    "sgd": set[str](),
    "sgd, momentum": {"momentum"},
    "sgd, nesterov": {"momentum"},
}


def _after(kind: str, steps: int) -> tuple[keras.optimizers.Optimizer, dict[str, keras.Variable]]:
    optimizer, chosen = MADE[kind](), variables()
    optimizer.build(list(chosen.values()))
    take(optimizer, chosen, range(steps))
    return optimizer, chosen


@pytest.mark.parametrize("kind", MADE)
def test_every_slot_has_the_name_that_keras_gives_it(kind: str) -> None:
    optimizer, chosen = _after(kind, 3)
    state = slots.read(optimizer, chosen).variables["low/kernel"]
    assert set(state.slots) == _SLOTS[kind]
    assert state.steps == 3
    assert state.kind == type(optimizer).__name__.lower()


def test_what_is_not_a_matrix_has_adams_slots_in_muon() -> None:
    if "muon" not in MADE:
        pytest.skip("this Keras has no Muon")
    optimizer, chosen = _after("muon", 3)
    assert set(slots.read(optimizer, chosen).variables["low/bias"].slots) == {"momentum", "velocity"}


def test_slots_are_those_of_the_variable_whatever_the_order_of_asking() -> None:
    optimizer, chosen = _after("adam", 1)
    asked = {name: chosen[name] for name in ("top/bias", "low/kernel")}
    state = slots.read(optimizer, asked)
    for name in asked:
        np.testing.assert_allclose(state.variables[name].slots["momentum"], 0.1 * gradients(name, 0), rtol=1e-5)


def test_a_state_does_not_change_with_its_optimizer() -> None:
    optimizer, chosen = _after("adam", 2)
    state = slots.read(optimizer, chosen).variables["low/bias"]
    before = {slot: value.copy() for slot, value in state.slots.items()}
    take(optimizer, chosen, range(2, 4))
    assert all(np.array_equal(value, before[slot]) for slot, value in state.slots.items())


def test_settings_are_what_the_slots_depend_on_and_the_rate() -> None:
    optimizer, chosen = _after("adam", 1)
    settings = dict(slots.read(optimizer, chosen).variables["low/bias"].settings)
    assert settings.pop("learning_rate") == pytest.approx(0.01)
    assert settings == {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "amsgrad": False}


def test_of_a_schedule_the_rate_of_the_last_step_and_the_mean_rate_that_a_buffer_holds() -> None:
    schedule = keras.optimizers.schedules.PolynomialDecay(1.0, 10, 0.0)
    optimizer, chosen = keras.optimizers.SGD(schedule, momentum=0.5), variables()
    optimizer.build(list(chosen.values()))
    take(optimizer, chosen, range(10))
    state = slots.read(optimizer, chosen).variables["low/bias"]
    assert state.settings["learning_rate"] == pytest.approx(0.1)
    weights = 0.5 ** np.arange(10)
    expected = np.average(0.1 + 0.1 * np.arange(10), weights=weights)
    assert state.settings["buffer_rate"] == pytest.approx(expected, rel=1e-3)


def test_nadams_product_is_kept_and_follows_from_the_steps() -> None:
    optimizer, chosen = _after("nadam", 5)
    kept = slots.read(optimizer, chosen).variables["low/bias"].scalars["u_product"]
    assert slots.u_product(0.9, 5) == pytest.approx(kept, rel=1e-5)


@pytest.mark.parametrize("kind", [kind for kind in MADE if kind not in ("ftrl", "schedule-free adamw")])
def test_a_state_without_slots_is_that_of_a_new_optimizer(kind: str) -> None:
    optimizer, chosen = _after(kind, 5)
    new, fresh = MADE[kind](), copied(chosen, tuple(SHAPES))
    new.build(list(fresh.values()))
    empty = VariableState(slots.kind_of(optimizer), 0, {})
    slots.assign(optimizer, chosen, OptimizerState(dict.fromkeys(chosen, empty)))
    take(optimizer, chosen, range(5, 8))
    take(new, fresh, range(5, 8))
    for name, value in values(fresh).items():
        np.testing.assert_array_equal(values(chosen)[name], value)


@pytest.mark.parametrize("kind", [kind for kind in ("ftrl", "schedule-free adamw", "adam, average") if kind in MADE])
def test_slots_that_are_made_of_the_weight_leave_it_where_it_is(kind: str) -> None:
    chosen = variables()
    for variable in chosen.values():
        variable.assign(variable + 5.0)
    optimizer = MADE[kind]()
    optimizer.build(list(chosen.values()))
    empty = VariableState(slots.kind_of(optimizer), 0, {})
    slots.assign(optimizer, chosen, OptimizerState(dict.fromkeys(chosen, empty)))
    before = values(chosen)
    optimizer.apply([keras.ops.zeros(shape) for shape in SHAPES.values()], list(chosen.values()))
    for name, value in values(chosen).items():
        # A step without a gradient: only float32 rounds.
        np.testing.assert_allclose(value, before[name], rtol=1e-5)


def test_accumulated_gradients_are_resumed_in_the_middle() -> None:
    def made() -> keras.optimizers.Optimizer:
        return keras.optimizers.Adam(0.01, gradient_accumulation_steps=3)

    optimizer, chosen = made(), variables()
    optimizer.build(list(chosen.values()))
    take(optimizer, chosen, range(5))
    state = slots.read(optimizer, chosen)
    assert state.variables["low/bias"].steps == 1
    other, carried = made(), copied(chosen, tuple(SHAPES))
    other.build(list(carried.values()))
    slots.assign(other, carried, state)
    take(optimizer, chosen, range(5, 9))
    take(other, carried, range(5, 9))
    for name, value in values(chosen).items():
        np.testing.assert_array_equal(values(carried)[name], value)


def test_a_loss_scale_is_kept_with_the_optimizer_inside() -> None:
    optimizer, chosen = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01)), variables()
    optimizer.build(list(chosen.values()))
    optimizer.dynamic_scale.assign(8.0)
    state = slots.read(optimizer, chosen)
    other, carried = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01)), variables()
    other.build(list(carried.values()))
    slots.assign(other, carried, state)
    assert float(keras.ops.convert_to_numpy(other.dynamic_scale)) == 8.0
    assert state.variables["low/bias"].kind == "adam"


def test_a_variable_without_a_state_is_refused_and_nothing_has_changed() -> None:
    optimizer, chosen = _after("adam", 2)
    state = slots.read(optimizer, chosen, "the file x.h5")
    short = OptimizerState({name: state.variables[name] for name in list(chosen)[:3]}, "the file x.h5")
    before = slots.read(optimizer, chosen)
    with pytest.raises(
        RequestError, match=r"expected the optimizer's state of 'top/bias' in the file x.h5, found none"
    ):
        slots.assign(optimizer, chosen, short)
    after = slots.read(optimizer, chosen)
    assert all(
        np.array_equal(value, after.variables[name].slots[slot])
        for name, item in before.variables.items()
        for slot, value in item.slots.items()
    )


def test_slots_of_another_kind_and_of_another_shape_are_refused() -> None:
    adam, chosen = _after("adam", 2)
    state = slots.read(adam, chosen)
    rmsprop, own = _after("rmsprop", 0)
    message = "expected the slots velocity for 'low/kernel', found 'momentum' in the state, which is of adam; translate"
    with pytest.raises(RequestError, match=message):
        slots.assign(rmsprop, own, state)
    wrong = dict(state.variables) | {"low/bias": state.variables["top/bias"]}
    with pytest.raises(RequestError, match=r"expected shape \(3,\) for slot 'momentum' of 'low/bias', found \(2,\)"):
        slots.assign(adam, chosen, OptimizerState(wrong))


def test_an_optimizer_that_does_not_know_the_variable_is_refused() -> None:
    optimizer, _ = _after("adam", 1)
    with pytest.raises(
        RequestError, match="expected an optimizer that was built with 'low/kernel', found Adam built with 4"
    ):
        slots.read(optimizer, variables())
