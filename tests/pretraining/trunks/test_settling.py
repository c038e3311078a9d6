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
    made = keras.ops.convert_to_numpy(keras.Model(trunk.input, trunk.get_layer("dense").output)(x))
    # They began at 0 and 1, and go on for as long as the layer below learns.
    assert np.allclose(values["norm/moving_mean"], made.mean(axis=0), atol=0.1)
    assert np.allclose(values["norm/moving_variance"], made.var(axis=0), atol=0.1)
    assert np.abs(made.mean(axis=0)).max() > 0.2
