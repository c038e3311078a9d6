"""Linear CKA is what the papers say it is, without bias, and blind to what it should be blind to."""

import math

import numpy as np
import pytest

from regraft.core.errors import DataError
from regraft.training.similarity import cka, linear_cka, terms


def drawn(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def hsic_by_the_book(one: np.ndarray, other: np.ndarray) -> float:
    """Song et al. 2012, equation 4: the mean over all ordered quadruples of different examples.

    1/(n)_4 sum over (i, j, q, r), all different, of K_ij (L_ij + L_qr - 2 L_iq).
    """
    k, m = (rows.astype(np.float64) @ rows.astype(np.float64).T for rows in (one, other))
    n, total = len(one), 0.0
    for i in range(n):
        for j in range(n):
            for q in range(n):
                for r in range(n):
                    if len({i, j, q, r}) == 4:
                        total += k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q])
    return total / (n * (n - 1) * (n - 2) * (n - 3))


def biased(one: np.ndarray, other: np.ndarray) -> float:
    """Kornblith et al. 2019, equation 5 in terms of features: the estimate that is not ours."""
    one, other = one - one.mean(axis=0), other - other.mean(axis=0)
    norms = np.linalg.norm(one.T @ one) * np.linalg.norm(other.T @ other)
    return float(np.linalg.norm(other.T @ one) ** 2 / norms)


def test_its_terms_are_those_of_the_definition() -> None:
    one, other = drawn(0, 7, 3), drawn(1, 7, 5)
    other[:, :2] += 2 * one[:, :2]
    found = terms(one, other)
    wanted = [hsic_by_the_book(*pair) for pair in ((one, other), (one, one), (other, other))]
    # Inner products are taken in float32.
    assert found == pytest.approx(wanted, rel=1e-5)
    assert linear_cka(one, other) == pytest.approx(wanted[0] / math.sqrt(wanted[1] * wanted[2]), rel=1e-5)


def test_the_same_is_one_and_a_rotation_and_a_scale_change_nothing() -> None:
    one = drawn(2, 40, 6, 6, 8) + 5
    assert linear_cka(one, one) == 1.0
    turned, _ = np.linalg.qr(drawn(3, 288, 288).astype(np.float64))
    flat = one.reshape(40, -1)
    assert linear_cka(one, (-3e-4 * flat @ turned).astype(np.float32)) == pytest.approx(1.0, abs=1e-5)
    assert linear_cka(one, flat[:, ::-1]) == pytest.approx(1.0, abs=1e-5)
    other = drawn(4, 40, 9)
    assert linear_cka(one, other) == pytest.approx(linear_cka(other, one), rel=1e-9)


def test_few_examples_of_many_unrelated_features_are_not_called_similar() -> None:
    pairs = [(drawn(seed, 32, 512), drawn(1000 + seed, 32, 512)) for seed in range(40)]
    assert min(biased(*pair) for pair in pairs) > 0.93
    found = [linear_cka(*pair) for pair in pairs]
    assert abs(np.mean(found)) < 3 * np.std(found) / math.sqrt(40) + 1e-3
    assert max(map(abs, found)) < 0.2


def test_it_follows_how_much_is_shared() -> None:
    """With a share of the variance in common, CKA of independent features is that share."""
    one, fresh = drawn(5, 400, 60), drawn(6, 400, 60)
    for shared in (0.9, 0.5, 0.2):
        mixed = math.sqrt(shared) * one + math.sqrt(1 - shared) * fresh
        # Standard error over seeds: 0.02.
        assert linear_cka(one, mixed) == pytest.approx(shared, abs=0.06)


def test_batches_say_the_same_as_all_at_once() -> None:
    one = drawn(7, 512, 20)
    other = one @ drawn(8, 20, 20) + drawn(9, 512, 20)
    whole = linear_cka(one, other)
    parts = [terms(one[at], other[at]) for at in np.array_split(np.arange(512), 8)]
    # 0.02 is what batches of 64 scatter by over seeds.
    assert cka(parts) == pytest.approx(whole, abs=0.06)


def test_what_is_the_same_for_all_examples_has_no_similarity() -> None:
    same = np.full((10, 4), 3.7, np.float32)
    assert math.isnan(linear_cka(same, drawn(0, 10, 4)))
    assert math.isnan(linear_cka(drawn(0, 10, 4), same))


def test_large_activations_do_not_overflow() -> None:
    one, other = drawn(10, 20, 30), drawn(11, 20, 30)
    assert linear_cka(1e25 * one, other + one) == pytest.approx(linear_cka(one, other + one), rel=1e-4)


@pytest.mark.parametrize(("one", "other"), [(3, 3), (8, 7)])
def test_too_few_or_different_examples_are_refused(one: int, other: int) -> None:
    with pytest.raises(DataError, match=f"the same examples, 4 or more, found {one} and {other}"):
        linear_cka(drawn(0, one, 2), drawn(1, other, 2))
