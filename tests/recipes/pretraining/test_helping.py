"""Whether pretraining helped: the network from scratch beside it is one that learns."""

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

from regraft.pretraining import trunks
from regraft.recipes.baselines import tuning
from regraft.recipes.pretraining import helping
from regraft.recipes.pretraining.probing import Labelled


def test_a_deep_network_of_sigmoids_from_scratch_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    # Each part that is left out costs as many steps as the others; half of them will do.
    monkeypatch.setattr(helping, "_PARTS", 2)
    monkeypatch.setattr(tuning, "STEPS", 300)
    digits = load_digits()
    x, y = (digits.data / 16).astype(np.float32), digits.target.astype(np.int64)
    fresh = trunks.build("mlp?units=48,48,48&activation=sigmoid", (64,), "numbers", 0)
    learning, judging = Labelled(x[:300], y[:300], 10), Labelled(x[300:900], y[300:900], 10)
    answered = helping.fine_tuned(fresh, learning, judging, 0)
    # Logistic regression has some 90 %; a network that is stuck has 10 %.
    assert answered.correct.mean() > 0.7


def test_the_network_that_is_given_is_not_changed() -> None:
    x = np.random.default_rng(0).random((40, 6), np.float32)
    y = (x[:, 0] > 0.5).astype(np.int64)
    fresh = trunks.build("mlp?units=8", (6,), "numbers", 0)
    before = [np.array(keras.ops.convert_to_numpy(each)) for each in fresh.weights]
    helping.fine_tuned(fresh, Labelled(x[:30], y[:30], 2), Labelled(x[30:], y[30:], 2), 0)
    assert all(
        np.array_equal(old, keras.ops.convert_to_numpy(new)) for old, new in zip(before, fresh.weights, strict=True)
    )


def test_one_example_to_judge_by_is_told_of_in_the_singular() -> None:
    gain = helping.metrics.paired_gain(np.array([True]), np.array([True]))
    assert "100.0 % against 100.0 % on 1 other for" in helping._sentence(5, 1, 1.0, 1.0, gain)
