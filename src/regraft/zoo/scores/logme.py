"""LogME: how probable the labels are under a Bayesian linear model of the activations, its parameters averaged out.

You, Liu, Wang and Long, "LogME: Practical Assessment of Pre-trained Models for Transfer Learning", ICML 2021. Each
class is a column y of zeros and ones; y = F w + noise, the weights w of variance 1/alpha, the noise of variance 1/beta.
The evidence of y, its logarithm

    n/2 log beta + d/2 log alpha - n/2 log 2 pi - beta/2 |F m - y|^2 - alpha/2 |m|^2 - 1/2 log |A|

with A = alpha I + beta F'F and m = beta A^-1 F'y, is largest where alpha |m|^2 = g and beta |F m - y|^2 = n - g, g
being the effective number of weights. The score is the mean of it over classes, divided by n.

With the singular values of F all of this is sums. What is iterated is lambda = alpha / beta alone, to convergence: for
a lambda the best beta is n / E, with E = |F m - y|^2 + lambda |m|^2, and the evidence is

    -n/2 (log(2 pi E / n) + 1) + 1/2 sum_i log(lambda / (lambda + s_i^2))
"""

import numpy as np

from regraft.zoo.scores.given import Doubles, Floats, Integers, along, checked, members

NAME = "logme"
WHAT = "evidence of the labels under a Bayesian linear model of the activations (LogME)"

# lambda as a part of the mean square of a singular value. A class that is predicted without an error would have it
# fall, and the evidence rise, for ever.
_LEAST, _MOST = 1e-8, 1e12
_STEPS = 1000
# The evidence is flat at its top: what is left of lambda's way changes it by the square of this.
_CLOSE = 1e-6


def score(activations: Floats, labels: Integers, n_classes: int, seed: int = 0) -> float:
    """The mean log evidence of a class per example; higher is better.

    Args:
        activations: (n, d), not centred: the published score has no intercept.
        labels: (n,), class indices.
        n_classes: how many classes there are; those without examples count for nothing.
        seed: of nothing: there is no choice in it.

    Raises:
        DataError: shapes do not fit, a label is no class, fewer than two classes, or a value is not finite.
    """
    rows, classes, count = checked(activations, labels, n_classes)
    targets = members(classes, count)
    squares, parts = along(rows, targets)
    # Of as many axes as examples nothing is left; what the difference would say is rounding.
    rest = np.maximum(targets.sum(axis=0) - parts.sum(axis=0), 0.0) * (len(squares) < len(rows))
    return float(np.mean(_evidence(squares, parts, rest, len(rows), _found(squares, parts, rest, len(rows)))))


def _found(squares: Doubles, parts: Doubles, rest: Doubles, count: int) -> Doubles:
    """The best lambda of every class, by going back and forth between it and the weights."""
    scale = squares.mean() if len(squares) else 1.0
    ratio = np.full(parts.shape[1], scale)
    for _ in range(_STEPS):
        shrunk = ratio / (ratio + squares[:, None])
        weights = (np.square(shrunk / ratio) * squares[:, None] * parts).sum(axis=0)
        errors = (np.square(shrunk) * parts).sum(axis=0) + rest
        effective = len(squares) - shrunk.sum(axis=0)
        # Not n - g, which would be what two large numbers leave of each other.
        free = count - len(squares) + shrunk.sum(axis=0)
        made = effective * errors / np.maximum(weights * free, np.finfo(np.float64).tiny)
        made = np.clip(made, _LEAST * scale, _MOST * scale)
        done = np.abs(np.log(made / ratio)).max() < _CLOSE
        ratio = made
        if done:
            break
    return ratio


def _evidence(squares: Doubles, parts: Doubles, rest: Doubles, count: int, ratio: Doubles) -> Doubles:
    """The log evidence of every class per example, under the best noise for each lambda."""
    shrunk = ratio / (ratio + squares[:, None])
    errors = np.maximum((shrunk * parts).sum(axis=0) + rest, np.finfo(np.float64).tiny)
    return -(np.log(2 * np.pi * errors / count) + 1) / 2 + np.log(shrunk).sum(axis=0) / (2 * count)
