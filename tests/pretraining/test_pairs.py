"""Pairs: each loss tells what belongs together, one network is both towers, and losses are those of their formulas."""

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from regraft.core.errors import DataError, RequestError
from regraft.core.pretraining import Spec
from regraft.graph import names
from regraft.pretraining import loop, method, pairs
from regraft.pretraining.learner import Sample

sys.path.insert(0, str(Path(__file__).parent))
from small_data import InMemory, array, clusters, dense_trunk, tensors

SPEC = Spec(epochs=30, batch_size=64, rate=0.01)


def made(settings: Any, x: Any, labels: Any) -> Any:
    sample = Sample("numbers", x[:100], len(x), labels=labels[:100])
    return pairs.learner(dense_trunk(x.shape[1]), sample, settings, 0)


@pytest.mark.parametrize(("loss", "hard"), [("same", 0.0), ("contrastive", 0.0), ("triplet", 0.5)])
def test_what_belongs_together_is_told(loss: Any, hard: float):
    x, labels = clusters()
    learner = made(pairs.Settings(loss=loss, hard=hard), x, labels)
    known, held_out = InMemory(x[:300], labels[:300]), InMemory(x[300:], labels[300:])
    learned = loop.pretrain(learner, known, held_out, SPEC, 0)
    before, after = learned.history[0].measures["accuracy"], learned.history[-1].measures["accuracy"]
    assert after > 0.9 > before


def test_one_network_is_both_towers():
    x, labels = clusters(60)
    learner = made(pairs.Settings(loss="same"), x, labels)
    trunk, model = names.variables(learner.trunk), names.variables(learner.model)
    assert {id(variable) for variable in trunk.values()} < {id(variable) for variable in model.values()}
    assert len(model) == len(trunk) + 4
    told = [array(learner.model(list(tensors(*each)))) for each in ((x, x[::-1].copy()), (x[::-1].copy(), x))]
    # Which of the two comes first makes no difference.
    assert told[0] == pytest.approx(told[1], abs=1e-5)


@pytest.mark.parametrize("training", [False, True])
def test_the_loss_is_that_of_the_pairs_and_while_training_of_the_hardest_too(training: bool):
    x, labels = clusters(60)
    learner = made(pairs.Settings(loss="contrastive", margin=1.2, hard=0.8), x, labels)
    batch = learner.draw(InMemory(x, labels), np.arange(10), np.random.default_rng(0), 0.5)
    value = float(keras.ops.convert_to_numpy(learner.loss(learner.model, tensors(*batch), training)))
    first, second = (np.asarray(keras.ops.convert_to_numpy(learner.model(item))) for item in (batch[0], batch[3]))

    def of(one: Any, other: Any, same: bool) -> float:
        apart = float(np.linalg.norm(one - other))
        return apart**2 if same else max(0.0, 1.2 - apart) ** 2

    plain = np.mean([of(*each) for each in zip(first, second, batch[1] == batch[4], strict=True)])
    every, groups = np.concatenate([first, second]), np.concatenate([batch[1], batch[4]])
    rows = np.concatenate([batch[2], batch[5]])
    near: list[float] = []
    far: list[float] = []
    for here in range(20):
        others = range(20)
        alike = [of(every[here], every[o], True) for o in others if groups[o] == groups[here] and rows[o] != rows[here]]
        unlike = [of(every[here], every[o], False) for o in others if groups[o] != groups[here]]
        near += [max(alike)] if alike else []
        far += [max(unlike)] if unlike else []
    hardest = 0.5 * np.mean(near) + 0.5 * np.mean(far)
    # Progress of a half: half of the 0.8.
    expected = 0.6 * plain + 0.4 * hardest if training else plain
    assert value == pytest.approx(expected, rel=1e-4)


def test_groups_go_before_labels_and_every_example_of_a_turn_is_in_a_pair():
    x, labels = clusters(40)
    learner = made(pairs.Settings(loss="same"), x, labels)
    groups = np.arange(40) // 2
    batch = learner.draw(InMemory(x, labels, groups), np.arange(40), np.random.default_rng(0), 0.0)
    assert batch[2].tolist() == list(range(40))
    assert (batch[1] == groups).all()
    assert (batch[0] == x).all()
    assert ((batch[2] // 2 == batch[5] // 2) == (batch[1] == batch[4])).all()


def test_pictures_are_seen_anew_every_time_unless_they_are_wanted_as_they_are():
    x = np.random.default_rng(0).random((20, 6, 6, 1), np.float32)
    labels = np.arange(20) % 4
    sample = Sample("pictures", x, 20, labels=labels)
    inputs: Any = keras.Input((6, 6, 1))
    trunk = keras.Model(inputs, keras.layers.Conv2D(3, 3, name="maps")(inputs))
    for views, moved in ((1.0, True), (0.0, False)):
        learner = pairs.learner(trunk, sample, pairs.Settings(loss="same", views=views), 0)
        batch = learner.draw(InMemory(x, labels), np.arange(20), np.random.default_rng(0), 0.0)
        assert (batch[0] != x).any(axis=(1, 2, 3)).all() == moved
        assert (batch[3] == x[batch[5]]).all() != moved


def test_what_is_wrong_is_said():
    x, labels = clusters(20)
    with pytest.raises(DataError, match="expected labels or groups for pairs, found neither; name a column"):
        pairs.learner(dense_trunk(12), Sample("numbers", x, 20), pairs.Settings(), 0)
    learner = made(pairs.Settings(), x, labels)
    with pytest.raises(DataError, match="expected two groups or more for pairs, found one: 0"):
        learner.draw(InMemory(x, np.zeros(20, np.int64)), np.arange(5), np.random.default_rng(0), 0.0)
    for name, value in (("margin", 2.0), ("same", 0.0), ("hard", 1.5), ("hidden", 0), ("width", 1), ("views", -1.0)):
        with pytest.raises(RequestError, match=f"expected '{name}' .*, found {value}"):
            method("pairs").Settings(**{name: value})
