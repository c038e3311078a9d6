"""Pretraining learns, and is the same when it is interrupted and resumed."""

import keras
import numpy as np
import pytest

from regraft.core.pretraining import Spec
from regraft.graph import names
from regraft.pretraining import loop, method
from regraft.pretraining.learner import Sample


class InMemory:
    labels = None
    groups = None

    def __init__(self, x):
        self._x = x

    def __len__(self):
        return len(self._x)

    def take(self, indices):
        return self._x[indices]


@pytest.fixture
def rows():
    random = np.random.default_rng(0)
    x = (random.normal(size=(300, 2)) @ random.normal(size=(2, 12))).astype(np.float32)
    return InMemory(x[:240]), InMemory(x[240:])


def _learner(rows):
    inputs = keras.Input((12,))
    hidden = keras.layers.Dense(3, name="hidden", kernel_initializer=keras.initializers.GlorotUniform(1))(inputs)
    sample = Sample(kind="numbers", x=rows.take(np.arange(100)), count=len(rows))
    chosen = method("autoencoder")
    return chosen.learner(keras.Model(inputs, hidden), sample, chosen.Settings(), 0)


def test_what_lies_in_a_plane_is_given_back_from_three_numbers(rows):
    learned = loop.pretrain(_learner(rows[0]), *rows, Spec(epochs=60, batch_size=16, rate=0.01), 0)
    assert learned.history[-1].held_out < 0.001 * learned.history[0].held_out
    assert learned.history[learned.best].held_out == min(row.held_out for row in learned.history[1:])


def test_resumed_equals_trained_through(rows, tmp_path):
    spec = Spec(epochs=5, batch_size=16)
    through = loop.pretrain(_learner(rows[0]), *rows, spec, 0)
    first = loop.pretrain(_learner(rows[0]), *rows, spec, 0, path=tmp_path / "state.npz", stop_after=2)
    assert first.stopped == "interrupted"
    assert len(first.history) == 3
    second = loop.pretrain(_learner(rows[0]), *rows, spec, 0, path=tmp_path / "state.npz")
    one, other = names.values(through.trunk), names.values(second.trunk)
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)
    assert [row.held_out for row in through.history] == [row.held_out for row in second.history]
