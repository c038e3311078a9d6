"""One step, against arithmetic done by hand."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest

from regraft.core.phase import Phase, Rate
from regraft.graph import names
from regraft.surgery.graft import graft, set_head
from regraft.training.optimizers import updates
from regraft.training.rates import set_trainable
from regraft.training.step import Stepper, cross_entropy, stepper

_X = np.array([[1.0, 2.0], [0.5, -1.0], [0.0, 3.0]], "float32")
_Y = np.array([[1.0, 0.0], [0.0, 1.0], [0.25, 0.75]], "float32")
_KERNEL = np.array([[0.1, -0.2], [0.3, 0.4]], "float32")


def _branch() -> keras.Model:
    branch = graft(None, 2, shape=(2,))
    set_head(branch, _KERNEL, np.zeros(2, "float32"))
    return branch


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits)
    return raised / raised.sum(axis=1, keepdims=True)


def test_cross_entropy_is_the_mean_over_examples() -> None:
    expected = -(_Y * np.log(_softmax(_X))).sum(axis=1).mean()
    found = cross_entropy(keras.ops.convert_to_tensor(_Y), keras.ops.convert_to_tensor(_X))
    assert float(keras.ops.convert_to_numpy(found)) == pytest.approx(float(expected), rel=1e-6)


def _stepper(model: keras.Model, phase: Phase, steps: int, **options: Any) -> Stepper:
    return stepper(model, updates(phase, set_trainable(model, phase), names.variables(model), steps, **options))


def test_a_step_of_gradient_descent_is_the_one_by_hand() -> None:
    branch = _branch()
    spec = Phase(rates=(Rate(".*", 0.5),), optimizer="sgd", schedule="constant", warmup=0.0)
    machine = _stepper(branch, spec, 10)
    probabilities = _softmax(_X @ _KERNEL)
    assert machine.classes == 2
    assert machine.logits(_X) == pytest.approx(_X @ _KERNEL, rel=1e-5)
    loss = machine.step([(_X, _Y)])
    machine.synchronise()
    assert loss == pytest.approx(float(-(_Y * np.log(probabilities)).sum(axis=1).mean()), rel=1e-5)
    expected = _KERNEL - 0.5 * _X.T @ (probabilities - _Y) / 3
    after = keras.ops.convert_to_numpy(names.variables(branch)["head/kernel"])
    np.testing.assert_allclose(after, expected, rtol=1e-5, atol=1e-6)
    assert machine.logits(_X) == pytest.approx(
        _X @ expected + keras.ops.convert_to_numpy(branch.get_layer("head").bias)
    )


@pytest.mark.parametrize("times", [1, 2])
def test_a_factor_is_that_of_all_rates_and_of_one_step(times: int) -> None:
    branch = _branch()
    rates = (Rate("head/kernel", 0.5), Rate(".*", 0.125))
    machine = _stepper(branch, replace(_gradient_descent(), rates=rates), 10)
    before = names.values(branch)

    def moved(factor: float) -> dict[str, Any]:
        for name, variable in names.variables(branch).items():
            variable.assign(before[name])
        machine.reload()
        machine.step([(_X, _Y)] * times, factor)
        machine.synchronise()
        return {name: before[name] - value for name, value in names.values(branch).items()}

    at_once, less, back = moved(1.0), moved(0.25), moved(1.0)
    for name, way in at_once.items():
        assert np.abs(way).max() > 0.01
        np.testing.assert_allclose(less[name], 0.25 * way, rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(back[name], way)


def test_a_variable_that_does_not_matter_to_the_output_is_left_alone() -> None:
    inputs = keras.Input((2,))
    unused = keras.layers.Dense(2, name="unused")(inputs)
    used = keras.layers.Dense(2, name="head")(inputs)
    model = keras.Model(inputs, used + 0.0 * keras.ops.stop_gradient(unused))
    before = keras.ops.convert_to_numpy(model.get_layer("unused").kernel).copy()
    machine = _stepper(model, Phase(rates=(Rate(".*", 0.1),)), 10)
    machine.step([(_X, _Y)])
    machine.synchronise()
    assert np.array_equal(keras.ops.convert_to_numpy(model.get_layer("unused").kernel), before)


def test_a_variable_that_is_used_twice_gets_both_gradients() -> None:
    shared = keras.layers.Dense(2, use_bias=False, name="shared")
    inputs = keras.Input((2,))
    model = keras.Model(inputs, shared(shared(inputs)))
    shared.kernel.assign(_KERNEL)
    spec = Phase(rates=(Rate(".*", 1.0),), optimizer="sgd", schedule="constant", warmup=0.0)
    machine = _stepper(model, spec, 10)
    machine.step([(_X, _Y)])
    machine.synchronise()
    slope = (_softmax(_X @ _KERNEL @ _KERNEL) - _Y) / 3
    expected = _KERNEL - (_X @ _KERNEL).T @ slope - _X.T @ slope @ _KERNEL.T
    np.testing.assert_allclose(keras.ops.convert_to_numpy(shared.kernel), expected, rtol=1e-4, atol=1e-6)


def test_whole_numbers_and_half_precision_are_trained_on() -> None:
    inputs = keras.Input((3,), dtype="int32")
    x = keras.layers.Flatten()(keras.layers.Embedding(5, 2, name="embedded")(inputs))
    words = keras.Model(inputs, keras.layers.Dense(2, name="head")(x))
    entry = keras.Input((2,), dtype="float16")
    half = keras.Model(entry, keras.layers.Dense(2, name="head", dtype="mixed_float16")(entry))
    for model, x in ((words, np.array([[0, 1, 4], [2, 2, 2], [3, 1, 0]], "float32")), (half, _X)):
        machine = _stepper(model, Phase(rates=(Rate(".*", 0.05),)), 30)
        losses = [machine.step([(x, _Y)]) for _ in range(30)]
        assert losses[-1] < losses[0]
        assert machine.logits(x).shape == (3, 2)


def _gradient_descent(**options: Any) -> Phase:
    return Phase(
        rates=(Rate(".*", 1.0),), optimizer="sgd", options={"momentum": 0.0}, schedule="constant", warmup=0.0, **options
    )


def _moved_by(phase: Phase, **options: Any) -> dict[str, Any]:
    """How far gradient descent at a rate of 1 without momentum moves each variable in one step: the gradients."""
    branch = _branch()
    before = {name: keras.ops.convert_to_numpy(value).copy() for name, value in names.variables(branch).items()}
    machine = _stepper(branch, phase, 10, **options)
    machine.step([(_X, _Y)])
    machine.synchronise()
    return {name: before[name] - keras.ops.convert_to_numpy(names.variables(branch)[name]) for name in before}


def test_gradients_are_cut_down_together_or_one_by_one() -> None:
    free = _moved_by(_gradient_descent())
    norm = np.sqrt(sum((gradient**2).sum() for gradient in free.values()))
    by_norm = _moved_by(_gradient_descent(clip_norm=float(norm) / 2))
    by_value = _moved_by(_gradient_descent(clip_value=0.05))
    untouched = _moved_by(_gradient_descent(clip_norm=float(norm) * 2))
    for name, gradient in free.items():
        np.testing.assert_allclose(by_norm[name], gradient / 2, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(by_value[name], np.clip(gradient, -0.05, 0.05), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(untouched[name], gradient, rtol=1e-4, atol=1e-6)


def test_the_pull_towards_the_source_is_that_of_the_squared_distance() -> None:
    free = _moved_by(_gradient_descent())
    pulled = _moved_by(_gradient_descent(l2_sp=0.25), anchors={"head/kernel": _KERNEL - 1.0})
    np.testing.assert_allclose(pulled["head/kernel"], free["head/kernel"] + 0.25, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(pulled["head/bias"], free["head/bias"], rtol=1e-4, atol=1e-6)


def test_gradients_are_looked_at_without_a_trace() -> None:
    branch = _branch()
    machine = _stepper(branch, _gradient_descent(clip_value=0.05), 10)
    before = {name: keras.ops.convert_to_numpy(value).copy() for name, value in names.variables(branch).items()}
    found = dict(zip(before, machine.gradients((_X, _Y)), strict=True))
    machine.synchronise()
    expected = _moved_by(_gradient_descent(clip_value=0.05))
    for name, value in names.variables(branch).items():
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(value), before[name])
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-6)
