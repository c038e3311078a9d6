"""NLEEP: how well the clusters of the activations tell the classes.

Li et al., "Ranking Neural Checkpoints", CVPR 2021. Principal components with 80 % of the variance, a mixture of
Gaussians with five components for each class, and of each example x the probability p(v|x) of every component v. These
stand for the classes of the source in LEEP (Nguyen et al., ICML 2020): with

    p(y|v) = sum_i [y_i = y] p(v|x_i) / sum_i p(v|x_i)

the score is the mean over examples of log sum_v p(y_i|v) p(v|x_i).

The paper leaves the mixture open. Here its covariances are diagonal, because a few hundred examples say nothing of
whole ones, and there is at most one component for five examples, because with as many as examples every source is
perfect.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import special

from regraft.zoo.scores.given import Doubles, Floats, Integers, centred, checked, members, principal

NAME = "nleep"
WHAT = "how well clusters of the activations tell the classes (NLEEP)"

ENERGY = 0.8
PER_CLASS, EXAMPLES = 5, 5
# The mixture: what is added to variances, how many steps, and how little more likelihood an example ends it.
FLOOR, STEPS, CLOSE = 1e-6, 100, 1e-3
_MOVES = 20


def score(activations: Floats, labels: Integers, n_classes: int, seed: int = 0) -> float:
    """The mean log probability of the right class, 0 at most; higher is better.

    Args:
        activations: (n, d).
        labels: (n,), class indices.
        n_classes: how many classes there are; those without examples count for nothing.
        seed: of where the components begin.

    Raises:
        DataError: shapes do not fit, a label is no class, fewer than two classes, or a value is not finite.
    """
    rows, classes, count = checked(activations, labels, n_classes)
    parts = posteriors(components(rows), sizes(len(rows), count), seed)
    told = members(classes, count).T @ parts / np.maximum(parts.sum(axis=0), np.finfo(np.float64).tiny)
    right = (parts * told[classes]).sum(axis=1)
    return float(np.mean(np.log(np.maximum(right, np.finfo(np.float64).tiny))))


def components(rows: Doubles) -> Doubles:
    """The first principal components with `ENERGY` of the variance, of total variance 1: (n, r); may change `rows`."""
    turned, squares = principal(centred(rows))
    if not len(squares):
        return np.zeros((len(rows), 1))
    share = np.cumsum(squares) / squares.sum()
    kept = int(np.searchsorted(share, ENERGY)) + 1
    return turned[:, :kept] / np.sqrt(squares.sum() / len(turned))


def sizes(examples: int, classes: int) -> int:
    """How many components the mixture has."""
    return min(examples, max(classes, min(PER_CLASS * classes, examples // EXAMPLES)))


def posteriors(points: Doubles, count: int, seed: int) -> Doubles:
    """The probability (n, count) of every component for every point, by a mixture that is fitted to the points."""
    mixture = fitted(points, members(grouped(points, count, seed), count))
    belongs, likelihood = expected(points, *mixture)
    for _ in range(STEPS):
        mixture, before = fitted(points, belongs), likelihood
        belongs, likelihood = expected(points, *mixture)
        if abs(likelihood - before) < CLOSE:
            break
    return belongs


def expected(points: Doubles, weights: Doubles, means: Doubles, variances: Doubles) -> tuple[Doubles, float]:
    """The probability (n, k) of every component for every point, and the mean log likelihood of a point."""
    log_joint = np.log(weights) + log_densities(points, means, variances)
    total: Doubles = np.asarray(special.logsumexp(log_joint, axis=1))
    return np.exp(log_joint - total[:, None]), float(total.mean())


def fitted(points: Doubles, belongs: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """Weights (k,), means (k, r) and variances (k, r) of components that points belong to by so much."""
    mass = belongs.sum(axis=0) + 10 * np.finfo(np.float64).eps
    means = belongs.T @ points / mass[:, None]
    variances = np.maximum(belongs.T @ np.square(points) / mass[:, None] - np.square(means), 0.0) + FLOOR
    return mass / mass.sum(), means, variances


def log_densities(points: Doubles, means: Doubles, variances: Doubles) -> Doubles:
    """The log density (n, k) of every point under every component."""
    precise = 1 / variances
    far = np.square(points) @ precise.T - 2 * points @ (means * precise).T + (np.square(means) * precise).sum(axis=1)
    return -(far + (np.log(2 * np.pi * variances)).sum(axis=1)) / 2


def grouped(points: Doubles, count: int, seed: int) -> NDArray[np.int64]:
    """The nearest of so many centres for every point: k-means from centres that are far from each other."""
    centres = points[_spread(points, count, np.random.default_rng(seed))]
    nearest = _nearest(points, centres)
    for _ in range(_MOVES):
        mass = np.bincount(nearest, minlength=count)
        # A centre that has lost its points stays where it is.
        moved = np.where(mass[:, None] > 0, members(nearest, count).T @ points / np.maximum(mass, 1)[:, None], centres)
        before, centres, nearest = nearest, moved, _nearest(points, moved)
        if np.array_equal(before, nearest):
            break
    return nearest


def _spread(points: Doubles, count: int, random: np.random.Generator) -> list[int]:
    """Points to begin at, each drawn with a probability that grows with the square of how far it is from the others."""
    chosen = [int(random.integers(len(points)))]
    far = _squares(points, points[chosen])[:, 0]
    while len(chosen) < count:
        total = far.sum()
        chances = far / total if total > 0 else None
        chosen.append(int(random.choice(len(points), p=chances)))
        far = np.minimum(far, _squares(points, points[chosen[-1:]])[:, 0])
    return chosen


def _nearest(points: Doubles, centres: Doubles) -> NDArray[np.int64]:
    return _squares(points, centres).argmin(axis=1)


def _squares(points: Doubles, centres: Doubles) -> Doubles:
    """Squared distances (n, k)."""
    found = np.square(points).sum(axis=1)[:, None] - 2 * points @ centres.T + np.square(centres).sum(axis=1)
    return np.maximum(found, 0.0)
