"""Networks of others are judged by BatchNorm's averages while they learn: these follow within a few steps."""

import sys
from types import ModuleType

import keras
import numpy as np
import pytest

from regraft.core.pretraining import Spec
from regraft.graph import names
from regraft.pretraining import loop, method, trunks
from regraft.pretraining.learner import Sample
from regraft.surgery.settling import settle_on
from tests.laws.learners import Rows


def network() -> keras.Model:
    """A perceptron with averages that would take thousands of steps."""
    x = inputs = keras.Input((6,))
    x = keras.layers.BatchNormalization(momentum=0.999, name="norm")(keras.layers.Dense(8, name="dense")(x))
    x = keras.layers.BatchNormalization(momentum=0.5, name="sooner")(keras.layers.ReLU(name="relu")(x))
    return keras.Model(inputs, keras.layers.Dense(4, name="code")(x), name="normed")


@pytest.fixture
def trunk(monkeypatch: pytest.MonkeyPatch) -> keras.Model:
    module = ModuleType("settling_networks")
    vars(module)["network"] = network
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return trunks.build("settling_networks:network", (6,), "numbers", seed=0)


def test_averages_that_are_slow_are_made_faster_and_others_left(trunk: keras.Model) -> None:
    assert (trunk.get_layer("norm").momentum, trunk.get_layer("sooner").momentum) == (0.9, 0.5)


def test_they_are_those_of_the_examples_when_a_pretraining_ends(trunk: keras.Model) -> None:
    random = np.random.default_rng(0)
    x = (random.uniform(size=(320, 1)) * random.uniform(size=6)).astype(np.float32)
    chosen = method("autoencoder")
    learner = chosen.learner(trunk, Sample(kind="numbers", x=x, count=len(x), labels=None), chosen.Settings(), 0)
    learned = loop.pretrain(learner, Rows(x), Rows(x[:64]), Spec(epochs=8, batch_size=16, patience=0), 0)
    assert learned.best > 3
    values = names.values(trunk)
    made = np.asarray(keras.Model(trunk.input, trunk.get_layer("dense").output)(x))
    # They began at 0 and 1, and go on for as long as the layer below learns.
    assert np.allclose(values["norm/moving_mean"], made.mean(axis=0), atol=0.1)
    assert np.allclose(values["norm/moving_variance"], made.var(axis=0), atol=0.1)
    assert np.abs(made.mean(axis=0)).max() > 0.2


def test_a_deep_network_begins_with_the_averages_of_some_examples() -> None:
    x = inputs = keras.Input((6,))
    for number in range(12):
        x = keras.layers.BatchNormalization(momentum=0.9, name=f"norm{number}")(keras.layers.Dense(8)(x))
        x = keras.layers.ReLU()(x)
    model = keras.Model(inputs, x)
    given = (0.01 * np.random.default_rng(0).normal(size=(64, 6))).astype(np.float32)
    assert np.abs(model(given, training=False)).max() < 0.1
    kernels = [np.asarray(layer.kernel) for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    settle_on(model, given)
    made, trained = np.asarray(model(given, training=False)), np.asarray(model(given, training=True))
    assert made.std() > 0.2
    np.testing.assert_allclose(made, trained, atol=0.02)
    again = [
        layer for layer in model.layers if isinstance(layer, (keras.layers.Dense, keras.layers.BatchNormalization))
    ]
    assert all(np.array_equal(old, np.asarray(new.kernel)) for old, new in zip(kernels, again[::2], strict=True))
    assert {layer.momentum for layer in again[1::2]} == {0.9}
