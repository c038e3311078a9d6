"""SFDA: how surely a discriminant knows the classes, when those that it knows already are made harder.

Shao et al., "Not All Models Are Equal: Predicting Model Transferability in a Self-challenging Fisher Space", ECCV 2022.
A Fisher discriminant with the within-class scatter W shrunk, (1 - l) W + l tr(W)/d I with l = exp(-5 s), s the largest
eigenvalue of W, gives a probability p of every class (the classes are Gaussian with this covariance). Then each example
is mixed with the mean of all examples of other classes, x <- q x + (1 - q) m, where q is the softmax over classes of p
at its own class; a second discriminant with the same l is fitted to what that makes, and the score is the mean
probability that it gives to the right class.

As published the shrinkage depends on the unit of the activations. Here their total variance is brought to 1 first, so
that s is a part of all variance and sources with loud and faint activations are treated alike.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, special

from regraft.zoo.scores.given import Doubles, Floats, Integers, centred, checked, members, principal

NAME = "sfda"
WHAT = "probability of the right class by a discriminant that is challenged (SFDA)"

_STRENGTH = 5.0
_LEAST = 1e-10


def score(activations: Floats, labels: Integers, n_classes: int, seed: int = 0) -> float:
    """The mean probability of the right class, from 0 to 1; higher is better.

    Args:
        activations: (n, d).
        labels: (n,), class indices.
        n_classes: how many classes there are; those without examples count for nothing.
        seed: of nothing: there is no choice in it.

    Raises:
        DataError: shapes do not fit, a label is no class, fewer than two classes, or a value is not finite.
    """
    rows, classes, count = checked(activations, labels, n_classes)
    width = rows.shape[1]
    # All happens in the space of the examples, which may have far fewer dimensions than they have features.
    turned, squares = principal(centred(rows))
    if not len(squares):
        return float(np.mean((np.bincount(classes) / len(classes))[classes]))
    turned = turned / np.sqrt(squares.sum() / len(turned))
    within = _within(turned, classes, count)
    largest = linalg.eigvalsh(within, subset_by_index=(len(within) - 1, len(within) - 1), check_finite=False)[0]
    shrinkage = max(float(np.exp(-_STRENGTH * largest)), _LEAST)
    first = _probabilities(turned, classes, count, within, shrinkage, width)
    harder = _challenged(turned, classes, count, special.softmax(first, axis=1))
    within = _within(harder, classes, count)
    second = _probabilities(harder, classes, count, within, shrinkage, width)
    return float(np.mean(second[np.arange(len(classes)), classes]))


def _means(rows: Doubles, classes: NDArray[np.int64], count: int) -> Doubles:
    return members(classes, count).T @ rows / np.bincount(classes)[:, None]


def _within(rows: Doubles, classes: NDArray[np.int64], count: int) -> Doubles:
    apart = rows - _means(rows, classes, count)[classes]
    return apart.T @ apart / len(rows)


def _probabilities(
    rows: Doubles, classes: NDArray[np.int64], count: int, within: Doubles, shrinkage: float, width: int
) -> Doubles:
    """Of every class for every example (n, classes)."""
    means = _means(rows, classes, count)
    shrunk = (1 - shrinkage) * within
    # Of no scatter at all, the smallest that still can be divided by.
    shrunk.flat[:: len(shrunk) + 1] += shrinkage * max(float(np.trace(within)) / width, _LEAST)
    slopes = linalg.solve(shrunk, means.T, assume_a="sym", check_finite=False)
    offsets = np.log(np.bincount(classes) / len(classes)) - (means.T * slopes).sum(axis=0) / 2
    return special.softmax(rows @ slopes + offsets, axis=1)


def _challenged(rows: Doubles, classes: NDArray[np.int64], count: int, sure: Doubles) -> Doubles:
    """Every example mixed with the mean of all other classes, by as much as one is not sure of it."""
    sizes = np.bincount(classes)[:, None]
    others = (rows.sum(axis=0) - sizes * _means(rows, classes, count)) / (len(rows) - sizes)
    own = sure[np.arange(len(rows)), classes][:, None]
    return own * rows + (1 - own) * others[classes]
