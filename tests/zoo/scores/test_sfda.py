"""SFDA against its steps written out with whole covariances, example by example."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from regraft.zoo.scores import sfda
from tests.zoo.scores.examples import examples


def _within(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    shares = np.bincount(labels) / len(labels)
    parts = [np.cov(rows[labels == label], rowvar=False, bias=True) for label in range(len(shares))]
    return sum(share * part for share, part in zip(shares, parts, strict=True))


def _probabilities(rows: np.ndarray, labels: np.ndarray, shrinkage: float) -> np.ndarray:
    within = _within(rows, labels)
    size = len(within)
    shrunk = (1 - shrinkage) * within + shrinkage * np.trace(within) / size * np.eye(size)
    inverse = np.linalg.inv(shrunk)
    means = np.stack([rows[labels == label].mean(axis=0) for label in range(labels.max() + 1)])
    logs = [
        [
            -(row - mean) @ inverse @ (row - mean) / 2 + np.log((labels == label).mean())
            for label, mean in enumerate(means)
        ]
        for row in rows
    ]
    return softmax(np.array(logs), axis=1)


def _by_hand(activations: np.ndarray, labels: np.ndarray) -> float:
    rows = activations.astype(np.float64)
    rows = rows / np.sqrt(np.trace(np.cov(rows, rowvar=False, bias=True)))
    shrinkage = np.exp(-5 * np.linalg.eigvalsh(_within(rows, labels)).max())
    sure = softmax(_probabilities(rows, labels, shrinkage), axis=1)
    mixed = np.stack(
        [
            sure[place, label] * row + (1 - sure[place, label]) * rows[labels != label].mean(axis=0)
            for place, (row, label) in enumerate(zip(rows, labels, strict=True))
        ]
    )
    return float(_probabilities(mixed, labels, shrinkage)[np.arange(len(labels)), labels].mean())


@pytest.mark.parametrize(("n", "d", "k"), [(150, 10, 4), (60, 58, 3), (40, 90, 3)])
@pytest.mark.parametrize("noise", [1.0, 6.0])
def test_the_score_is_that_of_its_steps_written_out(n: int, d: int, k: int, noise: float) -> None:
    activations, labels = examples(n, d, k, noise)
    # The same float64 numbers by way of an inverse of the whole covariance.
    assert sfda.score(activations, labels, k) == pytest.approx(_by_hand(activations, labels), abs=1e-6)


def test_without_shrinkage_the_first_discriminant_is_that_of_scikit_learn() -> None:
    activations, labels = examples(200, 6, 3, noise=2.0)
    rows = activations.astype(np.float64)
    expected = LinearDiscriminantAnalysis(solver="lsqr").fit(rows, labels).predict_proba(rows)
    found = sfda._probabilities(rows, labels, 3, sfda._within(rows, labels, 3), 0.0, 6)
    np.testing.assert_allclose(found, expected, atol=1e-9)
