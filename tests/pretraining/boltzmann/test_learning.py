"""Gradients against sums over every state of 6 visible and 4 hidden units, and against scikit-learn's machine."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.neural_network import BernoulliRBM

from regraft.pretraining.boltzmann import energy, learning, measures
from regraft.pretraining.boltzmann.chains import Noise
from regraft.pretraining.boltzmann.energy import Machine

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="its tape tells the gradients")

_FIELDS = ("kernel", "hidden_bias", "visible_bias")


def _machine(seed: int = 0, scale: float = 1.0, **kinds: Any) -> Machine:
    random = np.random.default_rng(seed)
    shapes = ((6, 4), 4, 6)
    return Machine(*((scale * random.normal(size=shape)).astype("float32") for shape in shapes), **kinds)


def _states(count: int) -> np.ndarray:
    return ((np.arange(2**count)[:, None] >> np.arange(count)) & 1).astype("float32")


def _data(rows: int = 12) -> np.ndarray:
    return (np.random.default_rng(9).random((rows, 6)) < 0.4).astype("float32")


def _gradients(machine: Machine, loss: Callable[[Machine], Any]) -> list[np.ndarray]:
    values = [tf.Variable(getattr(machine, field)) for field in _FIELDS]
    with tf.GradientTape() as tape:
        found = loss(replace(machine, **dict(zip(_FIELDS, values, strict=True))))
    return [value.numpy() for value in tape.gradient(found, values)]


def _log_likelihood(parameters: list[np.ndarray], data: np.ndarray) -> float:
    """Mean log p(v) in float64, every state summed over."""
    kernel, hidden, visible = parameters
    v, h = _states(6).astype(float), _states(4).astype(float)

    def unnormalised(rows: np.ndarray) -> np.ndarray:
        return np.exp((rows @ visible)[:, None] + (h @ hidden)[None] + rows @ kernel @ h.T).sum(axis=1)

    return float(np.mean(np.log(unnormalised(data.astype(float))) - np.log(unnormalised(v).sum())))


def test_free_energies_have_the_slope_of_the_likelihood() -> None:
    machine, data = _machine(), _data()
    parameters = [getattr(machine, field).astype(float) for field in _FIELDS]
    numeric: list[np.ndarray] = []
    for place, array in enumerate(parameters):
        slope = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            ends: list[float] = []
            for step in (1e-5, -1e-5):
                moved = [item.copy() for item in parameters]
                moved[place][index] += step
                ends.append(_log_likelihood(moved, data))
            slope[index] = (ends[0] - ends[1]) / 2e-5
        numeric.append(slope)
    probable = np.exp([_log_likelihood(parameters, row[None]) for row in _states(6)]).astype("float32")

    def loss(given: Machine) -> Any:
        own = keras.ops.sum(probable * energy.free_energy(given, _states(6)))
        return keras.ops.mean(energy.free_energy(given, data)) - own

    found = _gradients(machine, loss)
    for one, other in zip(found, numeric, strict=True):
        # Sums of 64 terms in float32.
        np.testing.assert_allclose(-one, other, rtol=1e-4, atol=1e-5)


def test_contrastive_divergence_is_its_expectation_over_every_reconstruction() -> None:
    machine, data = _machine(1), _data(6)
    kernel, hidden, visible = (getattr(machine, field).astype(float) for field in _FIELDS)

    def sigmoid(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    def probability(states: np.ndarray, means: np.ndarray) -> np.ndarray:
        return np.prod(np.where(states[None] == 1, means[:, None], 1 - means[:, None]), axis=2)

    v, h = _states(6).astype(float), _states(4).astype(float)
    first = probability(h, sigmoid(data @ kernel + hidden))
    ends = first @ probability(v, sigmoid(h @ kernel.T + visible))
    seen, said = sigmoid(data @ kernel + hidden), sigmoid(v @ kernel + hidden)
    weights = ends.mean(axis=0)
    expected = [
        data.T @ seen / len(data) - v.T @ (weights[:, None] * said),
        seen.mean(axis=0) - weights @ said,
        data.mean(axis=0) - weights @ v,
    ]
    copies, random = 20_000, np.random.default_rng(2)
    many = np.tile(data, (copies, 1))
    given = Noise(random.random((len(many), 1, 4), np.float32), random.random((len(many), 1, 6), np.float32))
    found = _gradients(machine, lambda at: learning.divergence(at, many, given))
    for one, other in zip(found, expected, strict=True):
        # Five standard errors of a mean of 120,000 products between 0 and 1.
        np.testing.assert_allclose(-one, other, atol=5 * 0.5 / np.sqrt(len(many)))


def test_gaussian_and_rectified_units_learn_by_their_products() -> None:
    machine, random = _machine(3, visible="gaussian", hidden="rectified"), np.random.default_rng(4)
    data = random.normal(size=(7, 6)).astype("float32")
    drawn = random.normal(size=(9, 6)).astype("float32")
    found = _gradients(machine, lambda given: learning.contrast(given, data, drawn))

    def products(rows: np.ndarray) -> list[np.ndarray]:
        hidden = np.maximum(0, rows @ machine.kernel + machine.hidden_bias)
        return [rows.T @ hidden / len(rows), hidden.mean(axis=0), rows.mean(axis=0)]

    for one, seen, dreamt in zip(found, products(data), products(drawn), strict=True):
        np.testing.assert_allclose(-one, seen - dreamt, rtol=1e-4, atol=1e-5)


def test_sparsity_pulls_each_unit_by_how_far_it_is_from_the_target() -> None:
    machine, data = _machine(5), _data()
    activity = np.array([0.9, 0.1, 0.5, 0.02], "float32")
    seen = 1 / (1 + np.exp(-(data @ machine.kernel + machine.hidden_bias)))
    expected = 0.95 * activity + 0.05 * seen.mean(axis=0)
    found = _gradients(machine, lambda given: learning.sparsity(given, data, activity, 0.1)[0] + _nothing(given))
    np.testing.assert_allclose(found[1], expected - 0.1, rtol=1e-5)
    np.testing.assert_allclose(found[0], np.outer(data.mean(axis=0), expected - 0.1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(learning.sparsity(machine, data, activity, 0.1)[1], expected, rtol=1e-5)


def _nothing(machine: Machine) -> Any:
    """A term with all biases in it and without a slope."""
    return 0.0 * (keras.ops.sum(machine.visible_bias) + keras.ops.sum(machine.hidden_bias))


def test_equal_updates_from_equal_weights_give_the_machine_of_scikit_learn() -> None:
    rows, batch, epochs, rate = 60, 20, 5, 0.1
    data = (np.random.default_rng(11).random((rows, 6)) < [0.1, 0.8, 0.5, 0.3, 0.9, 0.5]).astype("float32")
    reference = BernoulliRBM(4, learning_rate=rate, batch_size=batch, n_iter=epochs, random_state=3).fit(data)
    random = np.random.RandomState(3)
    kernel = np.asarray(random.normal(0, 0.01, (4, 6)), "float32").T
    values = [tf.Variable(array) for array in (kernel, np.zeros(4, "float32"), np.zeros(6, "float32"))]
    chain: Any = np.zeros((batch, 4), "float32")
    for step in range(epochs * rows // batch):
        # scikit-learn takes the batches in order, and its numbers in this one.
        start = step * batch % rows
        seen = random.uniform(size=(batch, 6)), random.uniform(size=(batch, 4))
        given = Noise(seen[1][:, None].astype("float32"), seen[0][:, None].astype("float32"))
        with tf.GradientTape() as tape:
            loss, chain = learning.persistent_divergence(Machine(*values), data[start : start + batch], chain, given)
        for value, slope in zip(values, tape.gradient(loss, values), strict=True):
            value.assign_sub(rate * slope)
    ours = Machine(*(value.numpy() for value in values))
    # Fifteen steps of float32 on both sides.
    np.testing.assert_allclose(ours.kernel, reference.components_.T, atol=1e-5)
    np.testing.assert_allclose(ours.hidden_bias, reference.intercept_hidden_, atol=1e-5)
    np.testing.assert_allclose(ours.visible_bias, reference.intercept_visible_, atol=1e-5)
    # Its pseudo-likelihood looks at one unit of each row, ours here at the same ones.
    reference.random_state = 17
    positions = np.random.RandomState(17).randint(0, 6, rows)[:, None].astype("int32")
    found = float(measures.pseudo_likelihood(ours, data, positions))
    assert found == pytest.approx(float(reference.score_samples(data).mean()), rel=1e-4)
