"""Machines beside scikit-learn's: how they are judged, and that the measured likelihood is the real one."""

import itertools

import keras
import numpy as np
import pytest

from benchmarks.frame import Settings
from benchmarks.pretraining import rbm_parity
from benchmarks.pretraining.rbm_parity import Outcome

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the benchmark runs on TensorFlow")


def test_the_bars_are_about_equal_numbers_and_about_the_mean_of_seeds() -> None:
    measured = [
        Outcome(0, True, -100.0, -100.05, 1e-6, (1.0, 1.0)),
        Outcome(0, False, -100.0, -101.0, 0.0, (1.0, 1.0)),
        Outcome(1, False, -100.0, -103.0, 0.0, (1.0, 1.0)),
    ]
    result = rbm_parity.compare(measured, 1e-3, Settings())
    assert [bar.holds for bar in result.bars] == [False, True, True]
    assert result.bars[2].found == "+2.00 % (standard error 1.00)"
    worse = rbm_parity.compare([*measured, Outcome(2, False, -100.0, -103.0, 0.0, (1.0, 1.0))], 1e-6, Settings())
    assert [bar.holds for bar in worse.bars] == [True, True, False]


def test_the_likelihood_is_each_unit_given_the_others() -> None:
    random = np.random.default_rng(0)
    machine = {"kernel": random.normal(size=(5, 3)), "hidden": random.normal(size=3), "visible": random.normal(size=5)}
    h = np.array(list(itertools.product((0.0, 1.0), repeat=3)))

    def weight(row: np.ndarray) -> float:
        return float(np.exp(row @ machine["visible"] + h @ machine["hidden"] + h @ (row @ machine["kernel"])).sum())

    rows = np.array([[1, 0, 0, 1, 1], [0, 0, 1, 0, 1]], "float32")
    total = 0.0
    for row, unit in itertools.product(rows, range(5)):
        other = row.copy()
        other[unit] = 1 - other[unit]
        total += np.log(weight(row) / (weight(row) + weight(other)))
    assert rbm_parity.likelihood(machine, rows) == pytest.approx(total / 2, rel=1e-6)


def test_slopes_are_those_of_sums_over_every_state() -> None:
    assert rbm_parity.gradient_error() < 1e-5
