"""Chains against the distribution that they must have, and against hand-made draws."""

from typing import Any

import keras
import numpy as np

from regraft.pretraining.boltzmann import chains, energy
from regraft.pretraining.boltzmann.chains import Noise
from regraft.pretraining.boltzmann.energy import Machine


def _machine(seed: int = 0, **kinds: Any) -> Machine:
    random = np.random.default_rng(seed)
    kernel, hidden, visible = random.normal(size=(6, 4)), random.normal(size=4), random.normal(size=6)
    return Machine(*(array.astype("float32") for array in (kernel, hidden, visible)), **kinds)


def _states(count: int) -> np.ndarray:
    return ((np.arange(2**count)[:, None] >> np.arange(count)) & 1).astype("float32")


def _numpy(tensor: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def test_long_chains_visit_each_state_as_often_as_it_is_probable() -> None:
    machine, count, steps = _machine(), 20_000, 30
    random = np.random.default_rng(1)
    hidden: Any = np.zeros((count, 4), "float32")
    visible: Any = None
    for _ in range(steps):
        given = chains.noise(("binary", "binary"), (6, 4), count, 1, random, sampled=True)
        visible, hidden = chains.continued(machine, hidden, given)
    every = _states(6)
    probable = np.exp(-_numpy(energy.free_energy(machine, every)).astype(float))
    probable /= probable.sum()
    met = np.bincount((_numpy(visible) @ (2 ** np.arange(6))).astype(int), minlength=64) / count
    # Counts of 20,000 independent chains: five standard errors of each share.
    assert np.all(np.abs(met - probable) < 5 * np.sqrt(probable * (1 - probable) / count) + 5e-4)


def test_a_reconstruction_is_a_hidden_draw_and_then_the_visible_means() -> None:
    machine, random = _machine(2), np.random.default_rng(3)
    data = _states(6)[:8]
    given = Noise(random.random((8, 2, 4), np.float32), np.zeros((8, 2, 0), np.float32))
    kernel, hidden_bias, visible_bias = machine.kernel, machine.hidden_bias, machine.visible_bias
    expected = data
    for step in range(2):
        hidden = given.hidden[:, step] < 1 / (1 + np.exp(-(expected @ kernel + hidden_bias)))
        expected = 1 / (1 + np.exp(-(hidden @ kernel.T + visible_bias)))
    np.testing.assert_allclose(_numpy(chains.reconstructed(machine, data, given)[0]), expected, rtol=1e-5)


def test_gaussian_and_rectified_units_have_their_means_and_variances() -> None:
    machine, count = _machine(4, visible="gaussian", hidden="rectified"), 40_000
    random = np.random.default_rng(5)
    hidden = np.tile(np.array([[1.0, 0.0, 2.0, 0.5]], "float32"), (count, 1))
    given = chains.noise(("gaussian", "rectified"), (6, 4), count, 1, random, sampled=True)
    visible, _ = chains.continued(machine, hidden, given)
    means = machine.visible_bias + machine.kernel @ hidden[0]
    # Six standard errors of a mean, and of a variance, of unit normals.
    np.testing.assert_allclose(_numpy(visible).mean(axis=0), means, atol=6 / np.sqrt(count))
    np.testing.assert_allclose(_numpy(visible).var(axis=0), 1, atol=6 * np.sqrt(2 / count))
    far = np.tile(np.array([[3.0, 0, 0, 0, 0, 0]], "float32"), (count, 1))
    above = Machine(machine.kernel * 0, machine.hidden_bias * 0 + 9, machine.visible_bias, "gaussian", "rectified")
    drawn = _numpy(chains.draw_hidden(above, far, given.hidden[:, 0]))
    np.testing.assert_allclose(drawn.mean(axis=0), 9, atol=6 / np.sqrt(count))
    np.testing.assert_allclose(drawn.var(axis=0), 1, atol=0.05)


def test_one_seed_gives_one_noise() -> None:
    asked: Any = (("binary", "binary"), (6, 4), 3, 2)
    one = chains.noise(*asked, np.random.default_rng(7), sampled=True)
    other = chains.noise(*asked, np.random.default_rng(7), sampled=True)
    assert np.array_equal(one.hidden, other.hidden)
    assert np.array_equal(one.visible, other.visible)
    assert (one.hidden.shape, one.visible.shape) == ((3, 2, 4), (3, 2, 6))
    assert chains.noise(*asked, np.random.default_rng(7), sampled=False).visible.shape == (3, 2, 0)
