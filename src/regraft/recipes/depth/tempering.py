"""How good answers are once they are as sure of themselves as they should be."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp

Array = np.ndarray[Any, Any]

# Exponents on probabilities: below 1 they become less sure.
_EXPONENTS = tuple(float(value) for value in np.geomspace(0.25, 2.0, 13))
_LEAST = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Tempered:
    """The best of several answers to the same questions.

    Attributes:
        place: which of them.
        answers: its probabilities (n, classes), float32, after the exponent.
        losses: log loss of each of the n.
    """

    place: int
    answers: Array
    losses: Array


def tempered(probabilities: Array, labels: Array) -> Tempered:
    """The best of several answers, by log loss after one exponent on all of its probabilities.

    Networks that have learnt for longer are right more often, and too sure of it: their plain log loss rises while
    they get better. One number for all examples puts that right (Guo et al. 2017, temperature scaling) and changes no
    answer, so that ways are compared by what they know.

    Args:
        probabilities: (several, n, classes).
        labels: (n,) class indices.
    """
    logs = np.log(np.maximum(probabilities.astype(np.float64), _LEAST))
    rows = np.arange(len(labels))
    best: Tempered | None = None
    for place, given in enumerate(logs):
        for exponent in _EXPONENTS:
            made = exponent * given
            made = made - logsumexp(made, axis=1, keepdims=True)
            losses = -made[rows, labels]
            if best is None or losses.mean() < best.losses.mean():
                best = Tempered(place, np.exp(made).astype(np.float32), losses)
    assert best is not None, "expected at least one answer"
    return best
