"""H-score with shrinkage: how much of the activations' variance lies between the classes, in units of all of it.

Bao et al., "An Information-Theoretic Approach to Transferability in Task Transfer Learning", ICIP 2019: with S the
covariance of the activations and B that of the means of their classes, tr(S^-1 B). Of a few examples the inverse of a
covariance is mostly noise; Ibrahim, Ponomareva and Mazumder, "Newer is not always better: Rethinking transferability
metrics", 2021, shrink it as Ledoit and Wolf do (2004): (1 - a) tr(((1 - a) S + a tr(S)/d I)^-1 B).
"""

import numpy as np
from scipy import linalg

from regraft.zoo.scores.given import Doubles, Floats, Integers, centred, checked, members

NAME = "h_score"
WHAT = "variance between the classes in units of all variance, shrunk (H-score)"


def score(activations: Floats, labels: Integers, n_classes: int, seed: int = 0) -> float:
    """The shrunk H-score; higher is better, 0 where the classes have the same means.

    Covariances are divided by n, as Ledoit and Wolf's estimator of the shrinkage is.

    Args:
        activations: (n, d).
        labels: (n,), class indices.
        n_classes: how many classes there are; those without examples count for nothing.
        seed: of nothing: there is no choice in it.

    Raises:
        DataError: shapes do not fit, a label is no class, fewer than two classes, or a value is not finite.
    """
    rows, classes, count = checked(activations, labels, n_classes)
    rows = centred(rows)
    examples, width = rows.shape
    # The smaller Gram matrix: X'X where examples are more, XX' where features are.
    wide = width > examples
    gram = (rows @ rows.T if wide else rows.T @ rows) / examples
    mean = float(np.trace(gram)) / width
    if mean == 0:
        return 0.0
    shrinkage = _shrinkage(rows, gram, mean)
    shares = np.bincount(classes) / examples
    picked = members(classes, count) / np.bincount(classes)
    means = gram @ picked * examples if wide else rows.T @ picked
    shrunk = (1 - shrinkage) * gram
    shrunk.flat[:: len(shrunk) + 1] += shrinkage * mean
    solved = _solved(shrunk, means)
    # Where features are more, X (aX'X + b)^-1 X' = (aXX' + b)^-1 XX'.
    between = (picked * solved).sum(axis=0) if wide else (means * solved).sum(axis=0)
    return float((1 - shrinkage) * (shares @ between))


def _shrinkage(rows: Doubles, gram: Doubles, mean: float) -> float:
    """The part that Ledoit and Wolf replace by a multiple of the identity, from 0 to 1."""
    examples, width = rows.shape
    square = float(np.square(gram).sum())
    lengths = np.einsum("nd,nd->n", rows, rows)
    noise = (float(np.square(lengths).sum()) / examples - square) / (examples * width)
    spread = (square - width * mean**2) / width
    return min(max(noise, 0.0), spread) / spread if spread > 0 else 1.0


def _solved(matrix: Doubles, right: Doubles) -> Doubles:
    """The solution for a positive definite matrix, or the smallest where one is not quite that."""
    try:
        return linalg.cho_solve(linalg.cho_factor(matrix, check_finite=False), right, check_finite=False)
    except linalg.LinAlgError:
        return linalg.pinvh(matrix, check_finite=False) @ right
