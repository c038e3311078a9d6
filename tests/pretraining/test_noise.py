"""Noise of autoencoders, by numbers: of values, of each number's own scale, of whole cells of tables."""

import numpy as np
import pytest

from regraft.core.errors import RequestError
from regraft.pretraining.learner import Sample
from regraft.pretraining.noise import Disturbed

# A number with a place for what is missing, a category of three values, a number.
CELLS = ((0, 2), (2, 5), (5, 6))


def _sample(x: np.ndarray) -> Sample:
    return Sample(kind="numbers", x=x.astype(np.float32), count=len(x))


def _table(count: int = 3000) -> Sample:
    random = np.random.default_rng(0)
    x = np.zeros((count, 6), np.float32)
    x[:, 0], x[:, 5] = random.normal(0, 3, count), random.uniform(10, 20, count)
    x[np.arange(count), 2 + random.integers(0, 3, count)] = 1
    return Sample(kind="table", x=x, count=count, cells=CELLS, categories=(1,))


@pytest.mark.parametrize(("kind", "part"), [("masking", 0.3), ("salt-and-pepper", 0.4)])
def test_so_many_values_are_set(kind: str, part: float) -> None:
    x = np.random.default_rng(0).uniform(0.1, 0.9, (400, 100)).astype(np.float32)
    made = Disturbed.of(kind, part, _sample(x)).put_on(x, np.random.default_rng(1))
    changed = made != x
    # 40,000 draws: three standard errors are 0.007.
    assert changed.mean() == pytest.approx(part, abs=0.008)
    assert set(np.unique(made[changed])) == ({0.0} if kind == "masking" else {x.min(), x.max()})


def test_gaussian_noise_is_in_units_of_the_data() -> None:
    x = np.random.default_rng(0).normal(0, 5, (400, 100)).astype(np.float32)
    made = Disturbed.of("gaussian", 0.5, _sample(x)).put_on(x, np.random.default_rng(1))
    assert (made - x).std() == pytest.approx(2.5, rel=0.02)


def test_noise_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(RequestError, match=r"expected noise from 0 .* to below 1, found 1"):
        Disturbed.of("masking", 1.0, _sample(np.zeros((2, 2))))


def test_each_number_has_noise_of_its_own_scale() -> None:
    scales = np.array([0.01, 1, 100])
    x = (np.random.default_rng(0).normal(0, 1, (4000, 3)) * scales).astype(np.float32)
    made = Disturbed.of("gaussian", 0.5, _sample(x)).put_on(x, np.random.default_rng(1))
    assert (made - x).std(axis=0) / scales == pytest.approx(0.5, rel=0.05)
    salted = Disturbed.of("salt-and-pepper", 0.5, _sample(x)).put_on(x, np.random.default_rng(1))
    for column in range(3):
        changed = salted[:, column][salted[:, column] != x[:, column]]
        assert set(changed) == {x[:, column].min(), x[:, column].max()}


def test_pictures_have_one_scale_for_all_pixels() -> None:
    x = np.random.default_rng(0).normal(0, 1, (500, 2, 2, 1)).astype(np.float32) * np.float32([[[1], [3]]])
    made = Disturbed.of("gaussian", 1.0, _sample(x)).put_on(x, np.random.default_rng(1)) - x
    assert made[:, :, 0].std() == pytest.approx(made[:, :, 1].std(), rel=0.1)


@pytest.mark.parametrize("kind", ["masking", "salt-and-pepper"])
def test_cells_of_a_table_are_set_whole(kind: str) -> None:
    table = _table()
    made = Disturbed.of(kind, 0.4, table).put_on(table.x, np.random.default_rng(1))
    category = made[:, 2:5]
    if kind == "masking":
        gone = ~category.any(axis=1)
        # 3,000 draws: three standard errors are 0.027.
        assert gone.mean() == pytest.approx(0.4, abs=0.03)
        assert ((made[:, 0] == 0).mean(), (made[:, 5] == 0).mean()) == pytest.approx((0.4, 0.4), abs=0.03)
        np.testing.assert_array_equal(category[~gone], table.x[~gone, 2:5])
    else:
        np.testing.assert_array_equal(category.sum(axis=1), 1)
        # Of those that are set, one in three is what it was.
        assert (category != table.x[:, 2:5]).any(axis=1).mean() == pytest.approx(0.4 * 2 / 3, abs=0.03)
        ends = made[:, 5][made[:, 5] != table.x[:, 5]]
        assert set(ends) == {table.x[:, 5].min(), table.x[:, 5].max()}


def test_columns_of_a_table_have_gaussian_noise_of_their_own_scale() -> None:
    table = _table()
    noise = Disturbed.of("gaussian", 0.5, table).put_on(table.x, np.random.default_rng(1)) - table.x
    assert noise[:, 0].std() == pytest.approx(1.5, rel=0.1)
    assert noise[:, 5].std() == pytest.approx(0.5 * table.x[:, 5].std(), rel=0.1)
    # Nothing was ever missing: there is nothing to disturb.
    assert not noise[:, 1].any()
