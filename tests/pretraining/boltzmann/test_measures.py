"""What a machine is judged by, against sums over every state."""

import itertools
from typing import Any

import keras
import numpy as np
import pytest

from regraft.pretraining.boltzmann import energy, measures, starting
from regraft.pretraining.boltzmann.energy import Machine

_V = np.array(list(itertools.product((0.0, 1.0), repeat=6)), "float32")


def _machine(**kinds: Any) -> Machine:
    random = np.random.default_rng(0)
    kernel, hidden, visible = random.normal(size=(6, 4)), random.normal(size=4), random.normal(size=6)
    return Machine(*(array.astype("float32") for array in (kernel, hidden, visible)), **kinds)


def _number(tensor: Any) -> float:
    return float(keras.ops.convert_to_numpy(tensor))


def test_the_pseudo_likelihood_is_each_unit_given_the_others() -> None:
    machine = _machine()
    weights = np.exp(-np.asarray(keras.ops.convert_to_numpy(energy.free_energy(machine, _V)), float))
    states = {tuple(row): weight for row, weight in zip(_V, weights, strict=True)}
    total = 0.0
    for row in _V:
        for unit in range(6):
            other = row.copy()
            other[unit] = 1 - other[unit]
            total += np.log(states[tuple(row)] / (states[tuple(row)] + states[tuple(other)]))
    every = np.tile(np.arange(6, dtype="int32"), (len(_V), 1))
    assert _number(measures.pseudo_likelihood(machine, _V, every)) == pytest.approx(total / len(_V), rel=1e-5)
    # One unit of each row, scaled up, is the same in the mean over many choices.
    random = np.random.default_rng(1)
    some = random.integers(0, 6, (len(_V), 400)).astype("int32")
    assert _number(measures.pseudo_likelihood(machine, _V, some)) == pytest.approx(total / len(_V), rel=0.02)


def test_a_value_between_counts_as_a_probability() -> None:
    machine = _machine()
    row = np.array([[0.3, 1, 0, 1, 0, 0]], "float32")
    on, off = row.copy(), row.copy()
    on[0, 0], off[0, 0] = 1, 0
    first = np.zeros((1, 1), "int32")
    parts = [_number(measures.pseudo_likelihood(machine, each, first)) for each in (on, off)]
    found = _number(measures.pseudo_likelihood(machine, row, first))
    assert found == pytest.approx(0.3 * parts[0] + 0.7 * parts[1], rel=1e-5)


def test_reconstruction_goes_by_the_means() -> None:
    machine = _machine(visible="gaussian", hidden="rectified")
    hidden = np.maximum(0, _V @ machine.kernel + machine.hidden_bias)
    expected = np.mean((hidden @ machine.kernel.T + machine.visible_bias - _V) ** 2)
    assert _number(measures.reconstruction_error(machine, _V)) == pytest.approx(float(expected), rel=1e-5)


def test_the_gap_grows_where_learnt_rows_are_likelier() -> None:
    machine = _machine()
    energies = np.asarray(keras.ops.convert_to_numpy(energy.free_energy(machine, _V)))
    order = np.argsort(energies)
    gap = _number(measures.free_energy_gap(machine, _V[order[32:]], _V[order[:32]]))
    assert gap == pytest.approx(float(energies[order[32:]].mean() - energies[order[:32]].mean()), rel=1e-5)
    assert gap > 0
    assert _number(measures.free_energy(machine, _V)) == pytest.approx(float(energies.mean()), rel=1e-5)


def test_a_machine_starts_with_the_means_of_the_data() -> None:
    random = np.random.default_rng(2)
    sample = (random.random((200, 6)) < [0.02, 0.5, 0.9, 0.3, 0.0, 1.0]).astype("float32")
    silent = Machine(np.zeros((6, 4), "float32"), np.zeros(4, "float32"), starting.visible_bias(sample, "binary"))
    means = np.asarray(keras.ops.convert_to_numpy(energy.visible_means(silent, np.zeros((1, 4), "float32"))))[0]
    # Half an example more on either side of 200.
    np.testing.assert_allclose(means, (sample.sum(axis=0) + 0.5) / 201, rtol=1e-5)
    assert np.isfinite(silent.visible_bias).all()
    np.testing.assert_allclose(starting.visible_bias(sample, "gaussian"), sample.mean(axis=0), rtol=1e-6)
    assert starting.kernel(300, 200, random).std() == pytest.approx(0.01, rel=0.02)
    assert 1 / (1 + np.exp(-starting.hidden_bias(3, 0.1))) == pytest.approx(np.full(3, 0.1), rel=1e-5)
    assert not starting.hidden_bias(3).any()
