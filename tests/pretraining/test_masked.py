"""What is taken away, and what the loss makes of it."""

import numpy as np
import pytest

from regraft.core.errors import RequestError
from regraft.pretraining import masked, trunks
from regraft.pretraining.learner import Sample
from regraft.pretraining.masked import Settings, masks


class _Rows:
    labels = groups = None

    def __init__(self, x):
        self._x = x

    def __len__(self):
        return len(self._x)

    def take(self, indices):
        return self._x[indices]


def _sample(shape: tuple[int, ...], kind: str = "numbers", cells: tuple[tuple[int, int], ...] = ()) -> Sample:
    x = np.random.default_rng(0).random((50, *shape)).astype(np.float32)
    return Sample(kind=kind, x=x, count=50, cells=cells)


def test_squares_are_whole_and_as_many_of_each_picture() -> None:
    mask = masks(20, _sample((8, 8, 3), "pictures"), Settings(hidden=0.25, patch=2), np.random.default_rng(0))
    assert mask.shape == (20, 8, 8, 1)
    assert (mask.sum(axis=(1, 2, 3)) == 4 * 4).all()
    squares = mask.reshape(20, 4, 2, 4, 2).transpose(0, 1, 3, 2, 4).reshape(-1, 4)
    assert set(squares.sum(axis=1).tolist()) == {0, 4}


def test_the_cells_of_a_table_go_as_a_whole() -> None:
    mask = masks(30, _sample((6,), "table", ((0, 3), (3, 4), (4, 6))), Settings(hidden=0.4), np.random.default_rng(0))
    assert mask.shape == (30, 6)
    assert (mask[:, 0] == mask[:, 1]).all()
    assert (mask[:, 4] == mask[:, 5]).all()
    assert (mask[:, [0, 3, 4]].sum(axis=1) == 1).all()


def test_numbers_are_replaced_by_those_of_other_examples() -> None:
    sample = _sample((10,))
    made = masked.learner(trunks.build("mlp?units=4", (10,), "numbers", 0), sample, Settings(hidden=0.3), 0)
    x, shown, mask = made.draw(_Rows(sample.x), np.arange(20), np.random.default_rng(0), 0.0)
    assert (shown[mask == 0] == x[mask == 0]).all()
    for column in range(10):
        assert set(shown[mask[:, column] == 1, column]) <= set(x[:, column])
    assert (shown[mask == 1] != x[mask == 1]).all()


def test_what_was_visible_counts_less() -> None:
    sample = _sample((4,))
    trunk = trunks.build("mlp?units=3", (4,), "numbers", 0)
    x = np.full((1, 4), 0.5, np.float32)
    mask = np.float32([[1, 0, 0, 0]])
    only, all_ = (
        masked.learner(trunk, sample, Settings(visible=visible, error="squared"), 0) for visible in (0.0, 1.0)
    )
    given = np.asarray(only.model.predict_on_batch(x))
    errors = np.square(given - x)[0]
    assert float(only.loss(only.model, (x, x, mask), False)) == pytest.approx(errors[0], rel=1e-5)
    given = np.square(np.asarray(all_.model.predict_on_batch(x)) - x)[0]
    assert float(all_.loss(all_.model, (x, x, mask), False)) == pytest.approx(given.mean(), rel=1e-5)


def test_squares_as_large_as_the_picture_are_refused() -> None:
    with pytest.raises(RequestError, match="expected squares smaller than the pictures, found 9 x 9 for 8 x 8"):
        masks(2, _sample((8, 8, 1), "pictures"), Settings(patch=9), np.random.default_rng(0))
    with pytest.raises(RequestError, match=r"expected 'hidden' from 0 .* to below 1, found 1"):
        Settings(hidden=1.0)
