"""The next step of a kept or translated state is the one of theory: by hand, of torch.optim and of optax."""

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import pytest

from regraft.core.optimizer_state import OptimizerState, VariableState
from regraft.core.phase import Phase
from regraft.training import carrying, slots
from regraft.training.carrying import moments, translating
from tests.training.carrying import by_hand
from tests.training.keras_optimizers import MADE, SHAPES, copied, gradients, take, values, variables

Array = np.ndarray[Any, Any]
_K = keras.optimizers
_SEEN = 12
_NAME = "low/kernel"
# Weights are float32, of size one; theory is float64.
_CLOSE: dict[str, Any] = {"rtol": 1e-6, "atol": 1e-6}


def _samples(passes: int) -> Iterator[Mapping[str, Array]]:
    for step in range(100, 100 + passes):
        yield {name: gradients(name, step) for name in SHAPES}


def _lived(optimizer: Any, steps: int = _SEEN) -> tuple[OptimizerState, dict[str, keras.Variable]]:
    chosen = variables()
    optimizer.build(list(chosen.values()))
    take(optimizer, chosen, range(steps))
    return slots.read(optimizer, chosen), chosen


@functools.cache
def _long() -> OptimizerState:
    return _lived(_K.Adam(0.01), 400)[0]


def _translated(kept: OptimizerState, rate: float, optimizer: str, **options: float | bool) -> OptimizerState:
    phase = Phase(optimizer=optimizer, options=options, warmup=0.0, state="translate")
    state, rows = carrying.plan(kept, dict.fromkeys(SHAPES, rate), phase, _samples)
    assert {row.done for row in rows} == {"translate"}
    return state


def _next(optimizer: Any, chosen: Mapping[str, keras.Variable], state: OptimizerState) -> Array:
    """The weight after one more step of a new optimizer that is given the state."""
    own = copied(chosen, tuple(SHAPES))
    optimizer.build(list(own.values()))
    slots.assign(optimizer, own, state)
    take(optimizer, own, range(_SEEN, _SEEN + 1))
    return values(own)[_NAME]


@pytest.mark.parametrize("kind", by_hand.STEPS)
def test_a_kept_state_takes_the_step_by_hand(kind: str) -> None:
    kept, chosen = _lived(MADE[kind]())
    state = kept.variables[_NAME]
    expected = by_hand.STEPS[kind](
        {slot: value.astype("float64") for slot, value in state.slots.items()},
        _SEEN + 1,
        gradients(_NAME, _SEEN).astype("float64"),
        values(chosen)[_NAME].astype("float64"),
        state.settings,
    )
    np.testing.assert_allclose(_next(MADE[kind](), chosen, kept), expected, **_CLOSE)


# Both are sums of the same terms: what is translated is what the second would hold had it seen the gradients itself.
_EXACT = {
    "adam to nadam": (_K.Adam, "nadam", _K.Nadam),
    "nadam to adam": (_K.Nadam, "adam", _K.Adam),
    "adam to lamb": (_K.Adam, "lamb", _K.Lamb),
    "lamb to adamw": (_K.Lamb, "adamw", _K.AdamW),
}


@pytest.mark.parametrize(("first", "name", "second"), _EXACT.values(), ids=_EXACT.keys())
def test_where_the_recursions_are_equal_it_is_as_if_it_had_always_been_there(
    first: Any, name: str, second: Any
) -> None:
    kept, _ = _lived(first(0.01))
    expected, _ = _lived(second(0.01))
    state = _translated(kept, 0.01, name)
    for variable, own in state.variables.items():
        assert own.steps == _SEEN
        assert own.scalars == pytest.approx(expected.variables[variable].scalars, rel=1e-5)
        for slot, value in own.slots.items():
            # Nadam in Keras computes 1 - beta_2 in float32, which is 1.3e-5 off.
            np.testing.assert_allclose(value, expected.variables[variable].slots[slot], rtol=3e-5, atol=1e-8)


def test_adams_mean_becomes_the_buffer_of_sgd_exactly() -> None:
    kept, chosen = _lived(_K.Adam(0.01))
    state = _translated(kept, 0.1, "sgd")
    # With mu = beta_1 both are geometric sums of gradients, v = -rate m / (1 - beta_1), without bias correction.
    m = kept.variables[_NAME].slots["momentum"].astype("float64")
    np.testing.assert_allclose(state.variables[_NAME].slots["momentum"], -0.1 * m / 0.1, **_CLOSE)
    expected = values(chosen)[_NAME] - 0.9 * m - 0.1 * gradients(_NAME, _SEEN)
    np.testing.assert_allclose(_next(_K.SGD(0.1, momentum=0.9), chosen, state), expected, **_CLOSE)


def test_for_another_momentum_the_steady_state_of_the_corrected_mean() -> None:
    kept, _ = _lived(_K.Adam(0.01))
    state = _translated(kept, 0.1, "sgd", momentum=0.5, nesterov=True)
    mean = kept.variables[_NAME].slots["momentum"] / (1 - 0.9**_SEEN)
    np.testing.assert_allclose(state.variables[_NAME].slots["momentum"], -0.1 * mean / 0.5, **_CLOSE)


def test_a_buffer_of_sgd_goes_to_another_rate_and_back_to_adam() -> None:
    kept, _ = _lived(_K.SGD(0.1, momentum=0.9))
    buffer = kept.variables[_NAME].slots["momentum"].astype("float64")
    scaled = _translated(kept, 0.02, "sgd").variables[_NAME].slots["momentum"]
    np.testing.assert_allclose(scaled, buffer / 5, **_CLOSE)
    state = _translated(kept, 0.01, "adam").variables[_NAME]
    assert state.steps == 20
    mean = -buffer / 0.1 * (1 - 0.9) / (1 - 0.9**_SEEN)
    np.testing.assert_allclose(state.slots["momentum"], mean * (1 - 0.9**20), **_CLOSE)
    own = Moment.adam(_samples(20))
    squares = np.maximum(own / (1 - 0.999**20), mean**2)
    np.testing.assert_allclose(state.slots["velocity"], squares * (1 - 0.999**20), rtol=1e-4, atol=1e-8)


class Moment:
    """What the passes give by hand."""

    @staticmethod
    def adam(found: Iterator[Mapping[str, Array]]) -> Array:
        """Adam's velocity after these gradients."""
        velocity = np.zeros(SHAPES[_NAME])
        for item in found:
            velocity = 0.999 * velocity + 0.001 * item[_NAME].astype("float64") ** 2
        return velocity


def test_second_moments_between_adam_rmsprop_and_adagrad() -> None:
    adam, chosen = _lived(_K.Adam(0.01))
    squares = adam.variables[_NAME].slots["velocity"].astype("float64") / (1 - 0.999**_SEEN)
    state = _translated(adam, 0.01, "rmsprop")
    np.testing.assert_allclose(state.variables[_NAME].slots["velocity"], squares, **_CLOSE)
    g = gradients(_NAME, _SEEN).astype("float64")
    expected = values(chosen)[_NAME] - 0.01 * g / np.sqrt(0.9 * squares + 0.1 * g**2 + 1e-7)
    np.testing.assert_allclose(_next(_K.RMSprop(0.01), chosen, state), expected, **_CLOSE)
    state = _translated(adam, 0.1, "adagrad")
    expected = values(chosen)[_NAME] - 0.1 * g / np.sqrt(0.1 + _SEEN * squares + g**2 + 1e-7)
    np.testing.assert_allclose(_next(_K.Adagrad(0.1), chosen, state), expected, **_CLOSE)
    adagrad, chosen = _lived(_K.Adagrad(0.1))
    sum_ = np.sum([gradients(_NAME, step).astype("float64") ** 2 for step in range(_SEEN)], axis=0)
    state = _translated(adagrad, 0.01, "rmsprop")
    np.testing.assert_allclose(state.variables[_NAME].slots["velocity"], sum_ / _SEEN, rtol=1e-5)


def test_the_count_of_steps_is_at_most_what_the_old_mean_is_worth() -> None:
    kept, _ = _lived(_K.RMSprop(0.01), 60)
    state = _translated(kept, 0.01, "adam").variables[_NAME]
    # (1 + 0.9) / (1 - 0.9) = 19 for RMSprop, and the 20 passes that Adam's mean gradient is measured in.
    assert state.steps == 39
    rms = kept.variables[_NAME].slots["velocity"].astype("float64") / (1 - 0.9**60)
    passes = np.mean([item[_NAME].astype("float64") ** 2 for item in _samples(20)], axis=0)
    worth = moments.Average(rms, 0.9, 60).worth
    expected = (worth * rms + 20 * passes) / (worth + 20)
    np.testing.assert_allclose(state.slots["velocity"], expected * (1 - 0.999**39), rtol=1e-4)


def test_the_mean_of_centred_rmsprop_never_leaves_less_than_half_of_the_square() -> None:
    state = VariableState(
        "adam", 1000, {"momentum": np.array([1.0, 0.1, -2.0], "f4"), "velocity": np.array([0.5, 1.0, 4.0], "f4")}
    )
    template = VariableState(
        "rmsprop", 0, {slot: np.zeros(3, "f4") for slot in ("velocity", "average_gradient", "momentum")}, {"rho": 0.9}
    )
    found = translating.into(template, moments.of(state), 0.1)
    square = state.slots["velocity"] / (1 - 0.999**1000)
    mean = found.slots["average_gradient"]
    assert np.all(square - mean**2 >= 0.4999 * square)
    assert mean[1] == pytest.approx(0.1, rel=1e-6)


def test_lion_gets_the_mean_and_adamax_the_norm_of_a_steady_state() -> None:
    kept, _ = _lived(_K.Adam(0.01))
    first, second = moments.of(kept.variables[_NAME]).first, moments.of(kept.variables[_NAME]).second
    assert first is not None
    assert second is not None
    np.testing.assert_allclose(
        _translated(kept, 0.01, "lion").variables[_NAME].slots["momentum"], first.value, **_CLOSE
    )
    norm = _translated(kept, 0.01, "adamax").variables[_NAME].slots["norm"]
    np.testing.assert_allclose(norm, np.sqrt(second.value) * moments.largest(0.999, _SEEN), rtol=1e-5)


def test_the_largest_decayed_gradient_is_that_of_normal_gradients() -> None:
    drawn = np.abs(np.random.default_rng(0).normal(size=(4000, 1500)))
    found = np.zeros(4000)
    for step in range(1500):
        found = np.maximum(0.99 * found, drawn[:, step])
    # A median of 4,000 draws, whose spread is about 0.5.
    assert moments.largest(0.99, 1500) == pytest.approx(np.median(found), abs=0.03)


@pytest.mark.parametrize("name", ["adadelta", "adafactor", "adamax", "ftrl", "lion", "muon", "rmsprop", "sgd"])
def test_what_is_written_into_slots_is_read_out_of_them_again(name: str) -> None:
    if name == "muon" and "muon" not in MADE:
        pytest.skip("this Keras has no Muon")
    kept = _long()
    there = moments.of(kept.variables["low/bias"])
    back = moments.of(_translated(kept, 0.01, name).variables["low/bias"])
    for one, other in ((there.first, back.first), (there.second, back.second)):
        if other is not None:
            assert one is not None
            # Lion corrects nothing, and is given the mean as after many steps: 0.99**400 is 0.018.
            np.testing.assert_allclose(other.value, one.value, rtol=2e-2 if name == "lion" else 2e-3)


def test_the_next_step_is_that_of_torch() -> None:
    torch = pytest.importorskip("torch")
    kept, chosen = _lived(_K.Adam(0.01, epsilon=1e-12))
    weight = torch.nn.Parameter(torch.tensor(values(chosen)[_NAME]).double())
    adam = torch.optim.Adam([weight], lr=0.0, eps=1e-12)
    for step in range(_SEEN):
        weight.grad = torch.tensor(gradients(_NAME, step)).double()
        adam.step()
    lived = adam.state[weight]
    g = torch.tensor(gradients(_NAME, _SEEN)).double()

    def stepped(optimizer: Any, parameter: Any) -> Array:
        parameter.grad = g
        optimizer.step()
        return parameter.detach().numpy()

    own = torch.nn.Parameter(weight.detach().clone())
    sgd = torch.optim.SGD([own], lr=0.1, momentum=0.9)
    sgd.state[own]["momentum_buffer"] = lived["exp_avg"] / 0.1
    found = _next(_K.SGD(0.1, momentum=0.9), chosen, _translated(kept, 0.1, "sgd"))
    np.testing.assert_allclose(found, stepped(sgd, own), **_CLOSE)
    own = torch.nn.Parameter(weight.detach().clone())
    adagrad = torch.optim.Adagrad([own], lr=0.1, eps=0.0)
    adagrad.state[own]["sum"] = 0.1 + _SEEN * lived["exp_avg_sq"] / (1 - 0.999**_SEEN)
    found = _next(_K.Adagrad(0.1, epsilon=1e-30), chosen, _translated(kept, 0.1, "adagrad", epsilon=1e-30))
    np.testing.assert_allclose(found, stepped(adagrad, own), **_CLOSE)
    adam.param_groups[0]["lr"] = 0.01
    np.testing.assert_allclose(_next(_K.Adam(0.01, epsilon=1e-12), chosen, kept), stepped(adam, weight), **_CLOSE)


def test_the_next_step_is_that_of_optax() -> None:
    optax = pytest.importorskip("optax")
    kept, chosen = _lived(_K.Adam(0.01))
    weight = values(chosen)[_NAME]
    adam = optax.scale_by_adam(eps=0.0)
    state = adam.init(weight)
    for step in range(_SEEN):
        _, state = adam.update(gradients(_NAME, step), state)
    g = gradients(_NAME, _SEEN)
    momentum = optax.trace(0.9)
    update, _ = momentum.update(g, optax.TraceState(trace=state.mu / 0.1))
    found = _next(_K.SGD(0.1, momentum=0.9), chosen, _translated(kept, 0.1, "sgd"))
    np.testing.assert_allclose(found, weight - 0.1 * np.asarray(update), **_CLOSE)
    rms = optax.scale_by_rms(decay=0.9, eps=1e-7, eps_in_sqrt=True)
    update, _ = rms.update(g, optax.ScaleByRmsState(nu=state.nu / (1 - 0.999**_SEEN)))
    found = _next(_K.RMSprop(0.01), chosen, _translated(kept, 0.01, "rmsprop"))
    np.testing.assert_allclose(found, weight - 0.01 * np.asarray(update), **_CLOSE)
    lion = optax.scale_by_lion(b1=0.9, b2=0.99)
    update, _ = lion.update(g, optax.ScaleByLionState(count=state.count, mu=state.mu / (1 - 0.9**_SEEN)))
    found = _next(_K.Lion(0.01), chosen, _translated(kept, 0.01, "lion"))
    np.testing.assert_allclose(found, weight - 0.01 * np.asarray(update), **_CLOSE)
