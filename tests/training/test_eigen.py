"""LAPACK by its address: SciPy's numbers, on several threads."""

import ctypes
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import linalg

from regraft.training import eigen


def symmetric(size: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(size, size + 3)).astype(np.float32)
    return rows @ rows.T


@pytest.mark.parametrize("size", [1, 2, 30, 200])
def test_the_numbers_are_those_of_scipy(size: int) -> None:
    matrix = symmetric(size)
    before = matrix.copy()
    values, vectors = eigen.eigh(matrix)
    wanted, directions = linalg.eigh(matrix, driver="evd")
    np.testing.assert_array_equal(matrix, before)
    np.testing.assert_array_equal(values, wanted)
    np.testing.assert_array_equal(vectors, directions)


def test_it_is_called_by_its_address_here() -> None:
    assert eigen._routine() is not None


def test_threads_do_not_disturb_each_other() -> None:
    matrices = [symmetric(60, seed) for seed in range(16)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(eigen.eigh, matrices))
    for matrix, (values, vectors) in zip(matrices, found, strict=True):
        np.testing.assert_allclose(vectors @ np.diag(values) @ vectors.T, matrix, atol=1e-4 * np.abs(matrix).max())


def test_without_an_address_scipy_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = symmetric(20)
    wanted = eigen.eigh(matrix)
    monkeypatch.setattr(eigen, "_routine", lambda: None)
    for found, value in zip(eigen.eigh(matrix), wanted, strict=True):
        np.testing.assert_array_equal(found, value)


def test_a_failure_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*addresses: int) -> None:
        ctypes.c_int.from_address(addresses[-1]).value = 7

    monkeypatch.setattr(eigen, "_routine", lambda: fails)
    with pytest.raises(np.linalg.LinAlgError, match="order 10, LAPACK says 7"):
        eigen.eigh(symmetric(10))
