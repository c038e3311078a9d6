"""Folds of labelled examples for cross-validation: what is identical stays together, classes in proportion."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def folds(groups: Array, labels: Array, count: int, seed: int) -> Array:
    """The fold that each example is left out in.

    Every class is dealt out in turn, so that folds differ by one of each class at most, as far as groups allow.

    >>> sorted(folds(np.arange(6), np.array([0, 0, 0, 1, 1, 1]), 3, 0).tolist())
    [0, 0, 1, 1, 2, 2]

    Args:
        groups: (n,), examples with the same number hold the same and are never in two folds.
        labels: (n,), class indices.
        count: how many folds.
        seed: of the order in which they are dealt.

    Returns:
        int64 (n,), 0 to `count` - 1.
    """
    _, first, member = np.unique(groups, return_index=True, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(first))
    # One class after the other, each beginning where the one before ended: no fold is given all the remainders.
    dealt = order[np.argsort(labels[first[order]], kind="stable")]
    fold = np.empty(len(first), np.int64)
    fold[dealt] = np.arange(len(first)) % count
    return fold[member]
