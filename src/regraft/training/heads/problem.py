"""Several regressions over the same rows, each leaving some rows out: one per fold, or one over all."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regraft.training.heads.softmax import (
    Doubles,
    Floats,
    Integers,
    data_term,
    loss_and_residual,
    minimise,
)
from regraft.training.threads import threads_for


@dataclass(frozen=True, slots=True)
class Problem:
    """Rows, labels, and which rows each regression learns from.

    Attributes:
        features: (n, r + 1), the last column ones.
        labels: (n,), 0 to classes - 1.
        learns: (n, problems), whether a regression learns from a row.
        classes: how many there are.
    """

    features: Floats
    labels: Integers
    learns: NDArray[np.bool_]
    classes: int

    @property
    def shares(self) -> Floats:
        """The weight of each row in each regression's mean."""
        return (self.learns / self.learns.sum(axis=0)).astype(self.features.dtype)


def problem_of(
    features: Floats, labels: Integers, learns: NDArray[np.bool_], classes: int, dtype: type[np.floating]
) -> Problem:
    """The problem over rotated features (n, r), computed in `dtype`."""
    ones = np.ones((len(features), 1), dtype)
    return Problem(np.concatenate([features.astype(dtype, copy=False), ones], axis=1), labels, learns, classes)


def uninformed(problem: Problem) -> Doubles:
    """Parameters that answer with the frequencies of the classes, whatever the features: where every path starts."""
    one_hot = problem.labels[:, None] == np.arange(problem.classes)
    frequency = (problem.learns.T.astype(np.float64) @ one_hot + 0.5) / (problem.learns.sum(axis=0)[:, None] + 0.5)
    start = np.zeros((problem.features.shape[1], problem.learns.shape[1], problem.classes))
    start[-1] = np.log(frequency)
    return start


def solve(
    problem: Problem, inverse_penalty: float, start: Doubles, tolerance: float, limit: int
) -> tuple[Doubles, int]:
    """The minimum for one value of scikit-learn's `C`, and how many evaluations it took.

    Args:
        problem: the rows.
        inverse_penalty: scikit-learn's `C` over these rows.
        start: parameters (r + 1, problems, classes), best those of a stronger penalty.
        tolerance: see `minimise`.
        limit: the most evaluations.
    """
    shares, rows = problem.shares, problem.learns.sum(axis=0)
    penalty = np.zeros((len(start), len(rows), 1))
    penalty[:-1] = penalty_of(inverse_penalty, problem.classes) / rows[:, None]
    with threads_for(problem.features.shape[0] * start.size):
        curvature = penalty + curvature_of(problem, start)
        return minimise(
            lambda parameters: data_term(problem.features, problem.labels, shares, parameters),
            start,
            penalty,
            curvature,
            tolerance,
            limit,
        )


def penalty_of(inverse_penalty: float, classes: int) -> float:
    """What half the squared kernel is multiplied by for the minimum of scikit-learn's `LogisticRegression(C)`.

    For two classes scikit-learn keeps one column, the difference of our two opposite ones, and half its square is twice
    half the squares of ours.
    """
    return (2.0 if classes == 2 else 1.0) / inverse_penalty


def logits_of(problem: Problem, parameters: Doubles) -> Floats:
    """Logits (n, problems, classes) of all rows in all regressions."""
    flat = parameters.reshape(len(parameters), -1).astype(problem.features.dtype)
    with threads_for(problem.features.shape[0] * parameters.size):
        return (problem.features @ flat).reshape(len(problem.features), *parameters.shape[1:])


def curvature_of(problem: Problem, parameters: Doubles) -> Doubles:
    """An estimate (r + 1, 1, 1) of the second derivative of the mean loss by each parameter, at these parameters.

    The mean square of the feature times the mean of p (1 - p), which is how much a logit still moves the loss.
    """
    squares = np.einsum("nd,nd->d", problem.features, problem.features).astype(np.float64) / len(problem.features)
    _, residual = loss_and_residual(logits_of(problem, parameters), problem.labels)
    size = np.abs(residual)
    spread = max(float(np.mean(size * (1 - size))), 1e-6)
    return (spread * (squares + 1e-12 * squares.max()))[:, None, None]
