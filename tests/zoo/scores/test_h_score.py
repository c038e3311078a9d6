"""H-score against covariances written out, and scikit-learn's estimate of the shrinkage."""

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from regraft.zoo.scores import h_score
from tests.zoo.scores.examples import examples


def _by_hand(activations: np.ndarray, labels: np.ndarray) -> float:
    rows = activations.astype(np.float64) - activations.astype(np.float64).mean(axis=0)
    estimate = LedoitWolf(assume_centered=True).fit(rows)
    means = np.stack([rows[labels == label].mean(axis=0) for label in labels])
    between = np.cov(means, rowvar=False, bias=True)
    return float((1 - estimate.shrinkage_) * np.trace(np.linalg.inv(estimate.covariance_) @ between))


@pytest.mark.parametrize(("n", "d", "k"), [(200, 12, 4), (60, 59, 3), (50, 51, 5), (40, 160, 3)])
@pytest.mark.parametrize("noise", [0.5, 3.0])
def test_the_score_is_that_of_plain_matrices(n: int, d: int, k: int, noise: float) -> None:
    activations, labels = examples(n, d, k, noise)
    activations *= np.geomspace(0.1, 10, d).astype(np.float32)
    # Two ways to the same float64 numbers, one by way of an inverse.
    assert h_score.score(activations, labels, k) == pytest.approx(_by_hand(activations, labels), rel=1e-6)


def test_much_more_data_is_the_score_without_shrinkage() -> None:
    activations, labels = examples(20_000, 3, 2, noise=1.0)
    rows = activations.astype(np.float64)
    covariance = np.cov(rows, rowvar=False, bias=True)
    apart = rows[labels == 0].mean(axis=0) - rows[labels == 1].mean(axis=0)
    plain = apart @ np.linalg.solve(covariance, apart) / 4
    assert h_score.score(activations, labels, 2) == pytest.approx(plain, rel=1e-3)


def test_the_same_means_are_zero() -> None:
    activations, _ = examples(30, 8, 3, noise=1.0)
    twice, labels = np.concatenate([activations, activations]), np.repeat([0, 1], 30)
    assert h_score.score(twice, labels, 2) == pytest.approx(0, abs=1e-12)
