"""Free energy and conditionals against sums over every state of 6 visible and 4 hidden units."""

import itertools
from typing import Any

import keras
import numpy as np
import pytest

from regraft.pretraining.boltzmann import energy
from regraft.pretraining.boltzmann.energy import Machine

_V = np.array(list(itertools.product((0.0, 1.0), repeat=6)), "float32")
_H = np.array(list(itertools.product((0.0, 1.0), repeat=4)), "float32")


def machine(seed: int = 0, **kinds: Any) -> Machine:
    random = np.random.default_rng(seed)
    kernel, hidden, visible = random.normal(size=(6, 4)), random.normal(size=4), random.normal(size=6)
    return Machine(*(array.astype("float32") for array in (kernel, hidden, visible)), **kinds)


def joint(given: Machine) -> np.ndarray:
    """Energies of all pairs of states (64, 16), by the definition."""
    v, h, kernel = _V.astype(float), _H.astype(float), np.asarray(given.kernel, float)
    return -(v @ given.visible_bias)[:, None] - (h @ given.hidden_bias)[None] - v @ kernel @ h.T


def _numpy(tensor: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def test_the_free_energy_is_the_sum_over_all_hidden_states() -> None:
    given = machine()
    expected = -np.log(np.exp(-joint(given)).sum(axis=1))
    # Sums of some ten terms in float32.
    np.testing.assert_allclose(_numpy(energy.free_energy(given, _V)), expected, rtol=1e-5, atol=1e-5)


def test_each_layer_given_the_other_has_the_means_of_the_joint_distribution() -> None:
    given = machine()
    weights = np.exp(-joint(given))
    hidden = (weights / weights.sum(axis=1, keepdims=True)) @ _H
    np.testing.assert_allclose(_numpy(energy.hidden_means(given, _V)), hidden, rtol=1e-5, atol=1e-6)
    visible = (weights / weights.sum(axis=0)).T @ _V
    np.testing.assert_allclose(_numpy(energy.visible_means(given, _H)), visible, rtol=1e-5, atol=1e-6)


def test_gaussian_units_have_the_free_energy_of_a_mixture_of_normals() -> None:
    given = machine(1, visible="gaussian")
    random = np.random.default_rng(2)
    values = random.normal(size=(5, 6)).astype("float32")
    # -log of the sum over h of exp(-E), E by its definition.
    away = ((values[:, None] - given.visible_bias) ** 2).sum(axis=2) / 2
    each = away - (_H @ given.hidden_bias)[None] - values @ given.kernel @ _H.T
    expected = -np.log(np.exp(-each.astype(float)).sum(axis=1))
    np.testing.assert_allclose(_numpy(energy.free_energy(given, values)), expected, rtol=1e-5, atol=1e-5)
    # exp(-E) for a fixed h is a normal density about b + W h: its mode is where the energy is least.
    means = _numpy(energy.visible_means(given, _H))
    np.testing.assert_allclose(means, given.visible_bias + _H @ given.kernel.T, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("hidden", ["binary", "rectified"])
def test_the_slope_of_the_free_energy_is_what_the_hidden_units_say(hidden: Any) -> None:
    # dF/dc = -<h>, by central differences in float64 arithmetic of the same formula.
    given = machine(3, hidden=hidden)
    means = _numpy(energy.hidden_means(given, _V))
    for unit in range(4):
        step = np.zeros(4, "float32")
        step[unit] = 2.0**-7
        above = Machine(given.kernel, given.hidden_bias + step, given.visible_bias, hidden=hidden)
        below = Machine(given.kernel, given.hidden_bias - step, given.visible_bias, hidden=hidden)
        slope = (_numpy(energy.free_energy(above, _V)) - _numpy(energy.free_energy(below, _V))) / 2.0**-6
        # Rounding of energies of about 10 by 1e-6, divided by the step; the kink of a rectified unit within the step.
        np.testing.assert_allclose(slope, -means[:, unit], atol=2e-3)
