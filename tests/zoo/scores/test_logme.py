"""LogME against the evidence computed with whole matrices and maximised by SciPy."""

import numpy as np
import pytest
from scipy import optimize, stats

from regraft.zoo.scores import logme
from tests.zoo.scores.examples import examples


def _evidence(rows: np.ndarray, target: np.ndarray, alpha: float, beta: float) -> float:
    """The density of a column of labels: a normal one, its covariance that of the noise and of the weights' part."""
    covariance = np.eye(len(rows)) / beta + rows @ rows.T / alpha
    return float(stats.multivariate_normal(np.zeros(len(rows)), covariance).logpdf(target))


def _by_hand(rows: np.ndarray, target: np.ndarray) -> float:
    """The same as the paper writes it, with A and m."""

    def negative(logs: np.ndarray) -> float:
        alpha, beta = np.exp(logs)
        (n, d) = rows.shape
        a = alpha * np.eye(d) + beta * rows.T @ rows
        m = beta * np.linalg.solve(a, rows.T @ target)
        errors = np.square(rows @ m - target).sum()
        parts = n * np.log(beta) + d * np.log(alpha) - n * np.log(2 * np.pi) - beta * errors - alpha * m @ m
        return -float(parts - np.linalg.slogdet(a)[1]) / 2

    starts = [np.array(start) for start in ((0.0, 0.0), (4.0, 2.0), (-2.0, 2.0))]
    settings = {"xatol": 1e-9, "fatol": 1e-11, "maxiter": 5000, "maxfev": 5000}
    found = [optimize.minimize(negative, start, method="Nelder-Mead", options=settings) for start in starts]
    best = min(found, key=lambda item: item.fun)
    assert -best.fun == pytest.approx(_evidence(rows, target, *np.exp(best.x)), abs=1e-6)
    return -float(best.fun)


@pytest.mark.parametrize(("n", "d", "noise"), [(60, 8, 1.5), (60, 8, 6.0), (40, 30, 3.0), (25, 60, 6.0)])
def test_the_score_is_the_largest_evidence(n: int, d: int, noise: float) -> None:
    # With more features than examples and less noise the labels are fitted to the last digit: the evidence is largest
    # for a noise of nothing then, where a density in whole matrices is rounding.
    activations, labels = examples(n, d, 3, noise)
    rows = activations.astype(np.float64)
    expected = np.mean([_by_hand(rows, (labels == label).astype(np.float64)) / n for label in range(3)])
    # SciPy's maximum and ours differ by what is left of the way to it, squared.
    assert logme.score(activations, labels, 3) == pytest.approx(expected, abs=1e-6)


def test_activations_that_say_nothing_leave_the_evidence_of_noise_alone() -> None:
    labels = np.arange(40) % 2
    found = logme.score(np.zeros((40, 5)), labels, 2)
    # A column of 20 ones in 40 under noise of its own mean square, 1/2.
    assert found == pytest.approx(stats.norm(0, np.sqrt(0.5)).logpdf([0.0] * 20 + [1.0] * 20).mean(), abs=1e-12)
