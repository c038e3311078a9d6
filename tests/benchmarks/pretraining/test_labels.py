"""Gains with few labels: how they are counted and judged, and a small version of it."""

import keras
import numpy as np
import pytest

from benchmarks import digits
from benchmarks.frame import Settings
from benchmarks.pretraining import labels
from benchmarks.pretraining.labels import Outcome

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the benchmark runs on TensorFlow")


def _outcomes(method: str, gains: list[float], count: int = 500) -> list[Outcome]:
    return [Outcome(method, "mlp", count, seed, 0.8 + gain, "head", 0.8, 1.0) for seed, gain in enumerate(gains)]


def test_the_bar_asks_for_two_methods_that_surely_gain_enough() -> None:
    sure = _outcomes("a", [0.035, 0.04, 0.045]) + _outcomes("b", [0.05, 0.05, 0.06])
    small, unsure, elsewhere = (
        _outcomes("c", [0.02, 0.021, 0.022]),
        _outcomes("d", [0.2, -0.1, 0.1]),
        _outcomes("e", [0.1, 0.1, 0.11], 100),
    )
    result = labels.compare([*sure, *small, *unsure, *elsewhere[:2]], Settings())
    (bar,), (table,) = result.bars, result.tables
    assert (bar.found, bar.holds) == ("2: a, b", True)
    assert [(row[0], row[table.columns.index("seeds")]) for row in table.rows[-2:]] == [("d", "3"), ("e", "2")]
    (bar,) = labels.compare([*sure[:3], *small], Settings()).bars
    assert (bar.found, bar.holds) == ("1: a", False)


def test_methods_get_the_pictures_as_what_they_take() -> None:
    assert labels.kinds_of("autoencoder") == ["numbers", "pictures"]
    assert labels.kinds_of("stacked-autoencoder") == ["numbers"]


def test_a_small_version_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    y = np.arange(400) % 10
    x = np.clip(random.random((10, 784))[y] + random.normal(0, 0.3, (400, 784)), 0, 1).astype(np.float32)
    monkeypatch.setattr(digits, "pool", lambda: (x, y.astype(np.int64)))
    # How good either is does not matter here.
    monkeypatch.setattr("regraft.recipes.baselines.tuning.STEPS", 30)
    scratch: dict[tuple[str, int], float] = {}
    made = labels.of_method(
        "autoencoder", "numbers", 0, scratch, labels=(30,), judged=100, network="mlp?units=8", settings={"epochs": 2}
    )
    assert [(item.method, item.labels, item.network) for item in made] == [("autoencoder", 30, "mlp?units=8")]
    assert scratch == {("mlp?units=8", 30): made[0].scratch}
    assert made[0].gain == pytest.approx(made[0].reused - made[0].scratch)
