"""Layers trained one after the other: what is compared, how it is judged, and that both ways come to the same."""

from typing import Any

import keras
import numpy as np
import pytest

from benchmarks.frame import Settings
from benchmarks.pretraining import greedy
from benchmarks.pretraining.greedy import DIGITS, PHOTOGRAPHS, Outcome

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the benchmark runs on TensorFlow")


def test_photographs_are_judged_by_the_median_and_digits_are_not() -> None:
    measured = [
        Outcome(PHOTOGRAPHS, (1.0, 1.0), (2.0, 2.0), (0.1, 0.1), 0.0),
        Outcome(PHOTOGRAPHS, (1.0, 1.0), (3.5, 4.0), (0.1, 0.1), 2e-2),
        Outcome(PHOTOGRAPHS, (2.0, 1.0), (8.0, 9.0), (0.1, 0.1), 0.0),
        Outcome(DIGITS, (2.0, 1.0), (2.0, 1.0), (0.1, 0.1), 0.0),
    ]
    result = greedy.compare(measured, Settings())
    assert [(bar.found, bar.holds) for bar in result.bars] == [("3.5x", True), ("2.0e-02", False)]
    assert result.tables[0].rows[1] == (PHOTOGRAPHS, "1.00", "3.50", "3.5x", "4.0x", "2.0e-02")


def test_outputs_that_are_computed_anew_are_those_that_are_kept(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(greedy, "NETWORK", "mlp?units=6,5,4&activation=sigmoid")
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (60, 8)).astype(np.uint8)
    one = greedy.layered("kept", x, True, 2, tmp_path / "kept", 0)
    other = greedy.layered("anew", x, True, 2, tmp_path / "anew", 0)
    # The layers below run in another program, of batches of another size.
    np.testing.assert_allclose(one.outputs, other.outputs, atol=1e-5)
    assert one.loss == pytest.approx(other.loss, rel=1e-4)
    assert list((tmp_path / "kept").rglob("*"))
    assert not (tmp_path / "anew" / "activations").exists() or not list((tmp_path / "anew").rglob("*.npy"))
