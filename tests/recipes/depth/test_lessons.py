"""Folds of a search: the test split is in none, identical examples are together, fewer labels are among more."""

import numpy as np
import pytest

from regraft import data
from regraft.core.errors import DataError
from regraft.recipes.depth.lessons import lessons


@pytest.fixture
def examples(tmp_path):
    """A function from a number of examples to as many, of four classes, and 40 for the test."""

    def made(count=200, labels=None):
        x = np.random.default_rng(0).random((count + 40, 6), np.float32)
        y = np.arange(count) % 4 if labels is None else np.array(labels)
        test = np.arange(40) % 4 if labels is None else np.array(labels)[:2]
        np.savez(tmp_path / "data.npz", x_train=x[:count], y_train=y, x_test=x[count : count + len(test)], y_test=test)
        return data.open(tmp_path / "data.npz")

    return made


def test_the_test_split_is_neither_learnt_nor_judged(examples):
    given = examples()
    found = lessons(given, 0)
    assert not set(found.indices.tolist()) & set(given.indices("test").tolist())
    assert len(found.indices) == len(given.indices("train")) + len(given.indices("validation")) == 200


def test_every_example_is_left_out_once_below_a_thousand(examples):
    found = lessons(examples(), 0)
    assert found.judged_by == (0, 1, 2, 3, 4)
    assert np.array_equal(np.sort(np.concatenate([found.left_out(fold) for fold in found.judged_by])), np.arange(200))
    for fold in found.judged_by:
        assert not set(found.left_out(fold)) & set(found.learnt(fold))


def test_many_examples_are_judged_on_some_of_them(examples):
    found = lessons(examples(12_000), 0)
    assert len(found.judged_by) == 3
    assert all(len(found.left_out(fold)) == 2_000 for fold in found.judged_by)
    assert len(found.learnt(0)) == 10_000
    assert len(found.judged) == 6_000


@pytest.mark.parametrize("part", [0.1, 0.25, 0.5, 1.0])
def test_fewer_labels_are_among_more_and_hold_every_class(part, examples):
    found = lessons(examples(), 0)
    few, all_ = found.learnt(1, part), found.learnt(1)
    assert len(few) == round(part * len(all_))
    assert set(few) <= set(found.learnt(1, min(1.0, 2 * part)))
    counts = np.bincount(found.labels[few], minlength=4)
    assert counts.max() - counts.min() <= 1


def test_a_class_that_cannot_be_judged_is_named(examples):
    given = examples(9, ["a"] * 4 + ["b"] * 4 + ["c"])
    with pytest.raises(DataError, match=r"at least two labelled examples of every class, .* found 1 of 'c'"):
        lessons(given, 0)
