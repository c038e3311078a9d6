"""Cells of a table are exchanged for cells of the same column in other rows, so that each value by itself is common."""

from typing import Any

import numpy as np

from regraft.pretraining.corrupting.corrupted import TRIES, Corrupted

Array = np.ndarray[Any, Any]


def corrupt(x: Array, strength: float, random: np.random.Generator, columns: Array | None = None) -> Corrupted:
    """Give cells the value that a random row of the batch has in that column; every row at least one.

    Args:
        x: (n, width).
        strength: the share of cells.
        random: where chance comes from.
        columns: int (width,), which column each place of a row belongs to, from 0 up: places of one column (one-hot, or
            a number and whether it is missing) change together. None: each place is a column.
    """
    columns = np.arange(x.shape[1]) if columns is None else columns
    changed, where = x.copy(), np.zeros((len(x), int(columns.max(initial=-1)) + 1), bool)
    left = np.arange(len(x))
    for _ in range(TRIES):
        drawn = chosen(len(left), where.shape[1], strength, random)
        donor = np.where(drawn, random.integers(0, max(1, len(x)), drawn.shape), left[:, None])
        made = x[donor[:, columns], np.arange(x.shape[1])]
        changed[left] = made
        where[left] = by_column(made != x[left], columns)
        left = left[~where[left].any(axis=1)]
        if not len(left):
            break
    return Corrupted(changed, where)


def chosen(count: int, columns: int, strength: float, random: np.random.Generator) -> Array:
    """Which cells: each with a probability of `strength`, and in every row at least one; bool (count, columns)."""
    keys = random.random((count, columns))
    return (keys < strength) | (keys == keys.min(axis=1, keepdims=True, initial=1.0))


def by_column(places: Array, columns: Array) -> Array:
    """Whether anything is True in the places of each column: bool (n, width) -> bool (n, columns).

    >>> by_column(np.array([[True, False, False], [False, False, True]]), np.array([0, 1, 1])).tolist()
    [[True, False], [False, True]]
    """
    found = np.zeros((int(columns.max(initial=-1)) + 1, len(places)), bool)
    np.logical_or.at(found, columns, places.T)
    return found.T
