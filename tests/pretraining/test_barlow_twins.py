"""Barlow Twins: the loss is that of its formula, and what views share is what is found."""

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from regraft.core.errors import RequestError
from regraft.core.pretraining import Spec
from regraft.pretraining import barlow_twins, loop
from regraft.pretraining.learner import Sample

sys.path.insert(0, str(Path(__file__).parent))
from small_data import InMemory, dense_trunk, factors, tensors


def test_the_loss_is_that_of_the_correlations():
    random = np.random.default_rng(0)
    one = random.standard_normal((50, 6)).astype(np.float32)
    other = (one + random.standard_normal((50, 6))).astype(np.float32)
    together = np.corrcoef(one.T, other.T)[:6, 6:]
    off = together[~np.eye(6, dtype=bool)]
    expected = (((1 - np.diag(together)) ** 2).sum() + 0.3 * (off**2).sum()) / 6
    found = float(keras.ops.convert_to_numpy(barlow_twins.twins(*tensors(one, other), 0.3)))
    assert found == pytest.approx(expected, rel=1e-3)


def test_a_number_that_never_changes_is_no_division_by_zero():
    x = np.zeros((8, 3), np.float32)
    assert float(keras.ops.convert_to_numpy(barlow_twins.twins(*tensors(x, x), 0.1))) == pytest.approx(1)


def test_what_two_views_share_is_described_alike():
    x = factors()
    sample = Sample("numbers", x, 300)
    settings = barlow_twins.Settings(width=16, cells=0.2)
    learner = barlow_twins.learner(dense_trunk(10, 32), sample, settings, 0)
    spec = Spec(epochs=15, batch_size=100, rate=0.01)
    learned = loop.pretrain(learner, InMemory(x[:300]), InMemory(x[300:]), spec, 0)
    assert learned.history[-1].held_out < 0.6 * learned.history[0].held_out
    assert learned.history[-1].measures["agreement"] > 0.7


def test_pictures_are_seen_in_two_views():
    x = np.random.default_rng(0).random((12, 6, 6, 1), np.float32)
    inputs: Any = keras.Input((6, 6, 1))
    trunk = keras.Model(inputs, keras.layers.Conv2D(4, 3, name="maps")(inputs))
    learner = barlow_twins.learner(trunk, Sample("pictures", x, 12), barlow_twins.Settings(width=8), 0)
    one, other = learner.draw(InMemory(x), np.arange(12), np.random.default_rng(0), 0.0)
    assert one.shape == other.shape == x.shape
    assert (one != other).any(axis=(1, 2, 3)).all()
    assert np.isfinite(float(keras.ops.convert_to_numpy(learner.loss(learner.model, tensors(one, other), True))))


@pytest.mark.parametrize(
    ("name", "value"),
    [("width", 1), ("redundancy", 0.0), ("turn", 200.0), ("scale", 1.0), ("cells", 1.1), ("noise", -1.0)],
)
def test_settings_out_of_range_are_named(name: str, value: float):
    with pytest.raises(RequestError, match=f"expected '{name}' .*, found {value}"):
        barlow_twins.Settings(**{name: value})
