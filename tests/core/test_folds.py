"""Folds: balanced, whole groups, one seed one division."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from regraft.core.folds import folds


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(2, 7), st.integers(0, 3))
def test_every_class_is_spread_evenly(classes, count, seed):
    labels = np.array(classes)
    fold = folds(np.arange(len(labels)), labels, count, seed)
    for label in range(5):
        sizes = np.bincount(fold[labels == label], minlength=count)
        assert sizes.max() - sizes.min() <= 1
    everyone = np.bincount(fold, minlength=count)
    assert everyone.max() - everyone.min() <= 1


def test_what_is_identical_stays_together():
    groups = np.array([0, 1, 0, 2, 2, 3, 4, 5, 5, 5])
    fold = folds(groups, np.arange(10) % 2, 3, 0)
    assert all(len(set(fold[groups == group])) == 1 for group in range(6))


def test_another_seed_is_another_division():
    labels = np.arange(100) % 5
    first, again, other = (folds(np.arange(100), labels, 5, seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
