"""Optimizers by name, and what they may be told."""

from typing import Any

import keras
import numpy as np
import pytest

from regraft.core.errors import RequestError
from regraft.core.phase import Phase
from regraft.training.kinds import known, make, options_of


def _made(optimizer: str, weight_decay: float = 0.0, **options: float | bool) -> Any:
    return make(Phase(optimizer=optimizer, options=options, weight_decay=weight_decay), 0.1)


@pytest.mark.parametrize(
    ("said", "kind", "expected"),
    [
        ("sgd", "SGD", {"momentum": 0.9, "nesterov": False}),
        ("Momentum", "SGD", {"momentum": 0.9, "nesterov": False}),
        ("NESTEROV", "SGD", {"momentum": 0.9, "nesterov": True}),
        ("AdaGrad", "Adagrad", {"initial_accumulator_value": 0.1}),
        ("rmsprop", "RMSprop", {"rho": 0.9, "momentum": 0.0, "centered": False}),
        ("adam", "Adam", {"beta_1": 0.9, "beta_2": 0.999, "amsgrad": False}),
        ("adamw", "AdamW", {"weight_decay": 0.0}),
        ("Adamax", "Adamax", {"beta_1": 0.9}),
        ("nadam", "Nadam", {"beta_2": 0.999}),
        ("Lion", "Lion", {"beta_2": 0.99}),
        ("muon", "Muon", {"weight_decay": None, "adam_weight_decay": 0.0}),
    ],
)
def test_what_a_name_means(said: str, kind: str, expected: dict[str, Any]) -> None:
    made = _made(said)
    assert type(made).__name__ == kind
    assert {name: getattr(made, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("said", "options"),
    [
        ("sgd", {"momentum": 0, "nesterov": False}),
        ("sgd", {"momentum": 0.5, "nesterov": True}),
        ("momentum", {"momentum": 0.99}),
        ("rmsprop", {"centered": True, "momentum": 0.9, "rho": 0.95}),
        ("adam", {"amsgrad": True, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-4}),
        ("adagrad", {"initial_accumulator_value": 0.0}),
        ("lion", {"beta_1": 0.95}),
        ("ftrl", {"learning_rate_power": -1}),
        ("muon", {"ns_steps": 3, "adam_lr_ratio": 0.5}),
    ],
)
def test_options_reach_the_optimizer(said: str, options: dict[str, Any]) -> None:
    made = _made(said, **options)
    assert {name: getattr(made, name) for name in options} == options


def test_a_decay_is_that_of_the_phase() -> None:
    assert _made("adam", 0.01).weight_decay == _made("adamw", 0.01).weight_decay == 0.01
    assert _made("muon", 0.01).adam_weight_decay == 0.01


@pytest.mark.parametrize("name", [*known(), "momentum", "nesterov"])
def test_every_optimizer_of_keras_takes_its_own_defaults_and_a_step(name: str) -> None:
    kind = known().get(name, keras.optimizers.SGD)
    made = _made(name, **{key: value for key, value in options_of(kind).items() if name in known()})
    weight = keras.Variable(np.ones((3, 2), "float32"), name="kernel")
    made.build([weight])
    made.apply([np.ones((3, 2), "float32")], [weight])
    after = np.asarray(keras.ops.convert_to_numpy(weight))
    assert np.all(np.isfinite(after))
    assert np.all(after < 1)


def test_centred_rmsprop_with_momentum_takes_the_step_of_its_formula() -> None:
    made = _made("rmsprop", centered=True, momentum=0.8, rho=0.95, epsilon=1e-6)
    weight = keras.Variable(np.array([1.0, -2.0], "float32"))
    made.build([weight])
    value, square, mean, moved = np.array([1.0, -2.0]), 0.0, 0.0, 0.0
    for gradient in (np.array([0.5, -1.0]), np.array([0.1, 0.4]), np.array([-0.3, 2.0])):
        square = 0.95 * square + 0.05 * gradient**2
        mean = 0.95 * mean + 0.05 * gradient
        moved = 0.8 * moved + 0.1 * gradient / np.sqrt(square - mean**2 + 1e-6)
        value = value - moved
        made.apply([gradient.astype("float32")], [weight])
    # float32.
    np.testing.assert_allclose(keras.ops.convert_to_numpy(weight), value, rtol=1e-5)


@pytest.mark.parametrize(
    ("optimizer", "options", "message"),
    [
        ("adan", {}, "Keras has no optimizer 'adan'; nearest known names: adam"),
        ("nestrov", {}, "Keras has no optimizer 'nestrov'; nearest known names: nesterov"),
        ("optimizer", {}, "Keras has no optimizer 'optimizer'"),
        (
            "LossScaleOptimizer",
            {},
            "'LossScaleOptimizer' is no optimizer for a phase, it holds another one; what a step is computed in is "
            "said by fine_tune.precision",
        ),
        ("MultiOptimizer", {}, "which variables learn at which rate is said by fine_tune.rates"),
        (
            "adam",
            {"beta1": 0.9},
            "expected known names in fine_tune.options of the optimizer 'adam', found 'beta1'; nearest known names: "
            "beta_1, beta_2",
        ),
        ("adam", {"momentum": 0.9}, "optimizer 'adam', found 'momentum'; .*known names: "),
        (
            "sgd",
            {"clipnorm": 1.0},
            "'clipnorm' does not belong in fine_tune.options of the optimizer 'sgd': a phase says it as "
            "fine_tune.clip_norm",
        ),
        ("adam", {"use_ema": True}, "'use_ema' .* fine_tune.moving_average"),
        ("sgd", {"nesterov": 1.0}, "expected nesterov in .* as true or false, found 1.0"),
        ("sgd", {"momentum": True}, "expected momentum in .* as a number from 0 to below 1, found True"),
        ("sgd", {"momentum": 1.0}, "expected momentum in .* as a number from 0 to below 1, found 1.0"),
        ("adam", {"beta_2": -0.1}, "expected beta_2 in .* as a number from 0 to below 1, found -0.1"),
        ("adam", {"epsilon": 0}, "expected epsilon in .* as a number above 0, found 0"),
        ("adam", {"epsilon": float("nan")}, "expected epsilon in .* as a number above 0, found nan"),
        ("muon", {"ns_steps": 2.5}, "expected ns_steps in .* as a whole number from 0 on, found 2.5"),
        ("nesterov", {"momentum": 0.0}, "expected a momentum above 0 beside 'nesterov', found 0"),
        ("ftrl", {"learning_rate_power": 0.5}, "Keras refuses these options of the optimizer 'ftrl': .*negative"),
    ],
)
def test_what_is_refused_is_one_line(optimizer: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        _made(optimizer, **options)
    assert "\n" not in str(caught.value)
