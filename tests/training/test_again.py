"""Lessons that are compiled once are those of `loop.train`, bit for bit, in any order."""

import contextlib
from dataclasses import replace

import keras
import numpy as np
import pytest

from regraft.core.phase import Phase, Rate
from regraft.graph import arithmetic, names
from regraft.surgery.seeding import is_seed
from regraft.training import predicting
from regraft.training.again import Again
from regraft.training.feeds import Feed
from regraft.training.loop import train
from regraft.training.rates import with_rates


def _branch():
    """With the same weights each time: which epoch is the best depends on those that training begins with."""
    inputs = x = keras.Input((6,))
    low, head = keras.layers.Dense(8, activation="relu", name="low"), keras.layers.Dense(3, name="head")
    x = keras.layers.BatchNormalization(name="norm")(low(x))
    branch = keras.Model(inputs, head(keras.layers.Dropout(0.3, name="drop")(x)))
    random = np.random.default_rng(1)
    for layer in (low, head):
        layer.kernel.assign(random.uniform(-0.6, 0.6, layer.kernel.shape))
    return branch


def _feed(count, seed):
    random = np.random.default_rng(seed)
    x = random.standard_normal((count, 6)).astype(np.float32)
    return Feed(lambda rows, _: x[rows], np.arange(count) % 3)


def _same(found, expected):
    return found.keys() == expected.keys() and all(
        np.array_equal(found[name], value) for name, value in expected.items()
    )


@pytest.mark.parametrize("options", [{}, {"optimizer": "momentum", "warmup": 0.0, "calibration": 2}])
def test_every_lesson_is_that_of_train_at_its_rate_and_with_its_epoch(options):
    branch, judging = _branch(), _feed(60, 9)

    def at(rate):
        return Phase(rates=(Rate(".*", rate),), epochs=6, batch_size=16, batch_norm="adapt", patience=3, **options)

    lessons, start = Again(branch, at(1.0)), names.values(branch)
    best: list[int] = []
    # Of the second as many steps are taken as of the first, of the third more.
    for examples, rate, seed in ((40, 0.003, 3), (33, 0.1, 4), (70, 0.01, 5), (40, 0.003, 3)):
        training = _feed(examples, seed)
        expected = train(branch, at(rate), training, judging, seed=seed)
        ended = lessons.train(start, training, seed, validation=judging, factor=rate, name="a lesson")
        assert _same(dict(ended.values), names.values(expected.model))
        assert ended.best == expected.best
        for row, same in zip(ended.history, expected.history, strict=True):
            assert replace(row, rate=0.0, seconds=0.0) == replace(same, phase="a lesson", rate=0.0, seconds=0.0)
            assert row.rate == pytest.approx(same.rate, rel=1e-6)
        best.append(ended.best)
    assert best[0] == best[3]
    assert len(set(best)) > 1


@pytest.mark.parametrize("options", [{"moving_average": 0.9}, {"optimizer": "sgd"}, {"batch_norm": "adapt"}])
def test_every_lesson_is_that_of_train(options):
    branch = _branch()
    phase = with_rates(Phase(rate=0.01, steps=14, epochs=7, batch_size=16, keep="last", **options), branch)
    lessons = Again(branch, phase)
    starts = [names.values(branch), {name: 0.5 * value for name, value in names.values(branch).items()}]
    for start, examples, seed in ((0, 40, 3), (1, 33, 4), (1, 120, 5), (0, 40, 3)):
        other = _branch()
        for name, variable in names.variables(other).items():
            if not is_seed(name):
                variable.assign(starts[start][name])
        feed = _feed(examples, seed)
        nothing = Feed(feed.fetch, feed.labels[:0])
        expected = train(other, phase, feed, nothing, seed=seed)
        ended = lessons.train(starts[start], feed, seed)
        values = names.values(expected.model)
        assert all(np.array_equal(ended.values[name], value) for name, value in values.items())
        answers = lessons.probabilities(ended.values, _feed(20, 9))
        assert np.array_equal(answers, predicting.predict(expected.model, _feed(20, 9)))


def test_the_branch_is_left_alone():
    branch = _branch()
    before = names.values(branch)
    phase = with_rates(Phase(rate=0.01, steps=4, epochs=2, keep="last"), branch)
    Again(branch, phase).train(before, _feed(40, 0), 0)
    assert all(np.array_equal(before[name], value) for name, value in names.values(branch).items())


def test_a_lesson_that_diverged_leaves_nothing_to_the_next():
    branch = _branch()
    phase = with_rates(Phase(rate=0.01, steps=6, epochs=3, batch_size=20, keep="last"), branch)
    lessons, good = Again(branch, phase), _feed(40, 0)
    first = lessons.train(names.values(branch), good, 0)
    broken = iter([True])

    def fetch(rows, view):
        # Such large activations, once, that the loss is no number.
        return good.fetch(rows, view) * np.float32(1e38 if next(broken, False) else 1)

    lessons.train(names.values(branch), Feed(fetch, good.labels), 0)
    again = lessons.train(names.values(branch), good, 0)
    assert all(np.array_equal(first.values[name], value) for name, value in again.values.items())


def test_a_lesson_and_its_answers_are_computed_exactly(monkeypatch):
    """As `loop.train` and `predict` are: on a GPU they would differ otherwise."""
    exactly: list[bool] = [False]

    @contextlib.contextmanager
    def noted():
        exactly.append(True)
        yield
        exactly.pop()

    monkeypatch.setattr(arithmetic, "exactly", noted)
    branch, whole = _branch(), _feed(40, 0)
    seen: list[bool] = []

    def fetch(rows, view):
        seen.append(exactly[-1])
        return whole.fetch(rows, view)

    lessons = Again(branch, with_rates(Phase(rate=0.01, steps=4, epochs=2), branch))
    ended = lessons.train(names.values(branch), Feed(fetch, whole.labels), 0)
    learnt = len(seen)
    lessons.probabilities(ended.values, Feed(fetch, whole.labels))
    assert len(seen) > learnt > 0
    assert all(seen)
