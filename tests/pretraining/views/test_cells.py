"""Rows with cells of other rows."""

import numpy as np
import pytest

from regraft.pretraining.views import cells


def test_a_share_of_cells_is_from_other_rows_and_noise_is_in_proportion_to_the_column():
    x = np.random.default_rng(0).random((2000, 8), np.float32) * np.arange(1, 9, dtype=np.float32)
    made = cells.view(x, 0.4, 0.0, np.random.default_rng(1))
    assert (made != x).mean() == pytest.approx(0.4, abs=0.02)
    assert all(set(made[:, column].tolist()) <= set(x[:, column].tolist()) for column in range(8))
    noisy = cells.view(x, 0.0, 0.5, np.random.default_rng(1))
    # Of 2,000 draws, 1.6 %.
    assert (noisy - x).std(axis=0) == pytest.approx(0.5 * x.std(axis=0), rel=0.08)
    assert noisy.dtype == np.float32


def test_columns_stay_whole():
    x = np.eye(6, dtype=np.float32)[np.random.default_rng(0).integers(0, 6, 300)]
    made = cells.view(x, 0.5, 0.0, np.random.default_rng(0), np.zeros(6, np.int64))
    assert (made.sum(axis=1) == 1).all()
