"""Cells: values stay in their column, columns stay whole, and the share is the one that was asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regraft.pretraining.corrupting import cells


@given(st.integers(2, 12), st.lists(st.integers(1, 3), min_size=1, max_size=5), st.floats(0.01, 1), st.integers(0, 99))
def test_each_cell_is_whole_and_from_its_own_column(n: int, widths: list[int], share: float, seed: int):
    columns = np.repeat(np.arange(len(widths)), widths)
    x = np.random.default_rng(seed).random((n, len(columns)))
    found = cells.corrupt(x, share, np.random.default_rng(seed), columns)
    assert found.where.shape == (n, len(widths))
    for column in range(len(widths)):
        places = columns == column
        there = {tuple(row) for row in x[:, places].tolist()}
        assert {tuple(row) for row in found.x[:, places].tolist()} <= there
        assert (found.where[:, column] == (found.x[:, places] != x[:, places]).any(axis=1)).all()


def test_the_share_of_cells_is_the_strength():
    x = np.random.default_rng(0).random((2000, 20))
    # One in two thousand draws is the row itself.
    assert cells.corrupt(x, 0.3, np.random.default_rng(1)).where.mean() == pytest.approx(0.3, abs=0.01)


def test_every_row_is_bad_at_the_least_strength_and_not_where_all_rows_agree():
    x = np.random.default_rng(0).random((50, 6))
    assert cells.corrupt(x, 1e-9, np.random.default_rng(0)).where.sum(axis=1).tolist() == [1] * 50
    assert not cells.corrupt(np.ones((50, 6)), 0.5, np.random.default_rng(0)).bad.any()


def test_a_value_that_most_rows_share_is_called_changed_only_where_it_did():
    x = np.zeros((100, 2))
    x[:3] = 1
    found = cells.corrupt(x, 0.5, np.random.default_rng(0))
    assert (found.where == (found.x != x)).all()
    assert found.bad.sum() < 60
