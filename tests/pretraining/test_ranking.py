"""Max margin: the good one is above, by corruption, by labels and by pairs."""

import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from regraft.core.errors import DataError, RequestError
from regraft.core.pretraining import Spec
from regraft.pretraining import loop, ranking
from regraft.pretraining.learner import Sample

sys.path.insert(0, str(Path(__file__).parent))
from small_data import InMemory, dense_trunk, factors, tensors

SPEC = Spec(epochs=25, batch_size=64, rate=0.01)


def test_a_good_example_comes_above_its_corrupted_copy():
    x = factors()
    learner = ranking.learner(dense_trunk(10, 64), Sample("numbers", x, 300), ranking.Settings(last_strength=0.3), 0)
    learned = loop.pretrain(learner, InMemory(x[:300]), InMemory(x[300:]), SPEC, 0)
    assert learned.history[-1].measures["ordered"] > 0.9


def test_a_later_class_comes_above_an_earlier_one():
    random = np.random.default_rng(0)
    x = random.standard_normal((400, 6)).astype(np.float32)
    labels = np.digitize(x[:, 0] * 2 - x[:, 3], [-2.0, 0.0, 2.0])
    sample = Sample("numbers", x, 300, labels=labels)
    learner = ranking.learner(dense_trunk(6), sample, ranking.Settings(by="labels"), 0)
    batch = learner.draw(InMemory(x, labels), np.arange(50), random, 0.0)
    known = {row.tobytes(): label for row, label in zip(x, labels, strict=True)}
    for better, worse in zip(batch[0], batch[1], strict=True):
        assert known[better.tobytes()] > known[worse.tobytes()]
    learned = loop.pretrain(learner, InMemory(x[:300], labels[:300]), InMemory(x[300:], labels[300:]), SPEC, 0)
    assert learned.history[-1].measures["ordered"] > 0.92


def _ordered_by(x: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Pairs of rows, the one with the larger score above."""
    score = x[:, 0] * 2 - x[:, 3]
    one = random.integers(0, len(x), count)
    pairs = np.stack([one, (one + 1 + random.integers(0, len(x) - 1, count)) % len(x)], axis=1)
    return np.where((score[pairs[:, 0]] > score[pairs[:, 1]])[:, np.newaxis], pairs, pairs[:, ::-1])


def test_pairs_say_what_is_above_what_and_each_has_its_turn_once_in_a_pass():
    random = np.random.default_rng(0)
    x = random.standard_normal((400, 6)).astype(np.float32)
    rows = InMemory(x[:300], pairs=_ordered_by(x[:300], 500, random))
    held_out = InMemory(x[300:], pairs=_ordered_by(x[300:], 40, random))
    learner = ranking.learner(dense_trunk(6), Sample("numbers", x, 300), ranking.Settings(by="pairs"), 0)
    assert (learner.turns(rows), learner.turns(held_out)) == (500, 40)
    better, worse, counted = learner.draw(rows, np.arange(500), random, 0.0)
    np.testing.assert_array_equal(better, x[rows.pairs[:, 0]])
    np.testing.assert_array_equal(worse, x[rows.pairs[:, 1]])
    assert counted.sum() == 500
    learned = loop.pretrain(learner, rows, held_out, replace(SPEC, epochs=10), 0)
    # Of 40 pairs, none counted twice.
    shares = [row.measures["ordered"] * 40 for row in learned.history]
    np.testing.assert_allclose(shares, np.rint(shares), atol=1e-6)
    assert learned.history[learned.best].measures["ordered"] > 0.9


def test_the_loss_is_the_margin_that_is_missing_where_something_changed():
    x = factors(50)
    learner = ranking.learner(dense_trunk(10), Sample("numbers", x, 50), ranking.Settings(margin=0.4), 0)
    better, worse = x[:6], x[6:12]
    counted = np.array([1, 1, 0, 1, 0, 1], np.float32)
    scores = [np.asarray(keras.ops.convert_to_numpy(learner.model(each)))[:, 0] for each in (better, worse)]
    missing = np.maximum(0.4 - (scores[0] - scores[1]), 0)[counted > 0]
    found = float(keras.ops.convert_to_numpy(learner.loss(learner.model, tensors(better, worse, counted), False)))
    assert found == pytest.approx(missing.mean(), rel=1e-4)


def test_what_is_wrong_is_said():
    sample = Sample("numbers", factors(20), 20)
    with pytest.raises(DataError, match="expected labels for 'by = labels', found none"):
        ranking.learner(dense_trunk(10), sample, ranking.Settings(by="labels"), 0)
    learner = ranking.learner(dense_trunk(10), sample, ranking.Settings(by="pairs"), 0)
    with pytest.raises(DataError, match="expected pairs of examples for 'by = pairs', found none"):
        loop.pretrain(learner, InMemory(factors(20)), InMemory(factors(20)), SPEC, 0)
    with pytest.raises(RequestError, match="expected 'margin' above 0, found -1"):
        ranking.Settings(margin=-1)
