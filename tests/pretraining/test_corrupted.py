"""Good or corrupted: found in tables, texts and pictures; and what is counted."""

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from regraft.core.errors import RequestError
from regraft.core.pretraining import Spec
from regraft.pretraining import corrupted, loop, places
from regraft.pretraining.corrupting.choosing import column_of_place, corrupter
from regraft.pretraining.learner import Sample

sys.path.insert(0, str(Path(__file__).parent))
from small_data import InMemory, dense_trunk, factors, tensors, text_trunk, texts


def trained(learner: Any, x: Any, epochs: int) -> Any:
    spec = Spec(epochs=epochs, batch_size=30, rate=0.01, patience=0)
    return loop.pretrain(learner, InMemory(x[:300]), InMemory(x[300:]), spec, 0)


def test_a_cell_that_does_not_agree_with_the_others_is_found():
    x = factors()
    trunk = dense_trunk(10, 64)
    learner = corrupted.learner(trunk, Sample("numbers", x, 300), corrupted.Settings(last_strength=0.3), 0)
    last = trained(learner, x, 36).history[-1].measures
    assert last["accuracy"] > 0.85
    assert last["positions"] > 0.85


def test_a_word_out_of_its_order_is_found_where_it_stands():
    x = texts()
    settings = corrupted.Settings(words="replace", last_strength=0.3)
    learner = corrupted.learner(text_trunk(), Sample("text", x, 300, vocabulary=23), settings, 0)
    assert learner.model.outputs[1].shape[1:] == (8, 1)
    last = trained(learner, x, 25).history[-1].measures
    assert last["positions"] > 0.9
    assert last["accuracy"] > 0.8


@pytest.mark.parametrize("detect", ["whole", "positions", "both"])
def test_the_loss_counts_examples_and_places_that_are_there(detect: Any):
    x = texts(30)
    sample = Sample("text", x, 30, vocabulary=23)
    learner = corrupted.learner(text_trunk(), sample, corrupted.Settings(detect=detect), 0)
    batch = learner.draw(InMemory(x), np.arange(10), np.random.default_rng(0), 0.0)
    assert set(learner.measures) == {"whole": {"accuracy"}, "positions": {"positions"}}.get(
        detect, {"accuracy", "positions"}
    )
    told: Any = learner.model(np.concatenate(batch[:2]))
    told = [np.asarray(keras.ops.convert_to_numpy(each))[..., 0] for each in (told if detect == "both" else [told])]

    def entropy(logits: Any, wrong: Any) -> Any:
        return np.log1p(np.exp(-logits)) + (1 - wrong) * logits

    expected = 0.0
    if detect != "positions":
        expected += entropy(told[0], np.concatenate([np.zeros(10), batch[2]])).mean()
    if detect != "whole":
        where = np.concatenate([batch[0] != batch[0], batch[0] != batch[1]])
        there = np.concatenate([batch[0], batch[1]]) != 0
        expected += entropy(told[-1], where)[there].mean()
        assert (batch[3] == where[10:]).all()
    found = float(keras.ops.convert_to_numpy(learner.loss(learner.model, tensors(*batch), False)))
    assert found == pytest.approx(expected, rel=1e-4)


def test_less_is_exchanged_towards_the_end():
    x = factors(200)
    learner = corrupted.learner(dense_trunk(10), Sample("numbers", x, 200), corrupted.Settings(strength=0.8), 0)
    shares = [
        learner.draw(InMemory(x), np.arange(200), np.random.default_rng(0), progress)[3].mean()
        for progress in (0.0, 0.5, 1.0)
    ]
    # One cell of a row comes from the row itself now and then; each row has one at least.
    assert shares == pytest.approx([0.8, 0.475, 0.15 + 0.85**10 / 10], abs=0.03)


def test_maps_and_vectors_say_where_in_a_picture():
    x = np.random.default_rng(0).random((20, 12, 8, 1), np.float32)
    sample = Sample("pictures", x, 20)
    inputs: Any = keras.Input((12, 8, 1))
    maps = keras.layers.Conv2D(4, 3, padding="same", name="maps")(inputs)
    halved = keras.layers.MaxPooling2D(2, name="halved")(maps)
    trunk = keras.Model(inputs, keras.layers.Flatten()(halved))
    assert places.highest(trunk, sample) is halved
    learner = corrupted.learner(trunk, sample, corrupted.Settings(), 0)
    batch = learner.draw(InMemory(x), np.arange(20), np.random.default_rng(0), 0.0)
    changed = (batch[0] != batch[1]).any(axis=-1)
    assert batch[3] == pytest.approx(changed.reshape(20, 6, 2, 4, 2).mean(axis=(2, 4)))
    plain = keras.Model(inputs, keras.layers.Dense(5)(keras.layers.Flatten()(inputs)))
    assert places.highest(plain, sample) is None
    learner = corrupted.learner(plain, sample, corrupted.Settings(detect="positions"), 0)
    assert learner.model.outputs[0].shape[1:] == (7, 7, 1)
    where = learner.draw(InMemory(x), np.arange(20), np.random.default_rng(0), 0.0)[3]
    assert where.shape == (20, 7, 7)
    assert np.isfinite(float(keras.ops.convert_to_numpy(learner.loss(learner.model, tensors(*batch[:3], where), True))))


def test_columns_of_a_table_are_exchanged_whole():
    x = np.repeat(np.random.default_rng(0).random((40, 2), np.float32), [2, 3], axis=1)
    sample = Sample("table", x, 40, cells=((0, 2), (2, 5)))
    assert column_of_place(sample).tolist() == [0, 0, 1, 1, 1]
    made = corrupter(sample)(x, 0.5, np.random.default_rng(0))
    assert made.where.shape == (40, 2)
    assert (made.x[:, 0] == made.x[:, 1]).all()
    assert (made.x[:, 2] == made.x[:, 4]).all()
    assert places.grid(sample) == (2,)


def test_where_all_are_the_same_nothing_can_be_made_bad():
    with pytest.raises(RequestError, match="expected numbers that differ from one another"):
        corrupter(Sample("numbers", np.ones((9, 3), np.float32), 9))


def test_strengths_out_of_range_are_named():
    with pytest.raises(RequestError, match="'last_strength': expected a share above 0 and up to 1, found 0"):
        corrupted.Settings(last_strength=0)


def test_the_area_is_how_often_the_true_one_is_higher():
    random = np.random.default_rng(0)
    scores, true, counted = (
        np.round(random.random((6, 10)), 1),
        random.random((6, 10)) < 0.3,
        random.random((6, 10)) < 0.8,
    )
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[true & counted] for b in scores[~true & counted]]
    assert float(corrupted.area(scores, true, counted)) == pytest.approx(np.mean(pairs))
    assert float(corrupted.area(scores, true & False, counted)) == 0.5
