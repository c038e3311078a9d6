"""Several ways' answers on the same examples, resampled: which of them a rule takes, and which cannot be told apart."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

RESAMPLES = 1000
"""Enough for a 95 % bound that moves by a hundredth of the interval from seed to seed."""
SAME = 1e-6
"""Mean log losses that differ by less are equal: answers of float32 that should be identical differ by rounding."""
_BLOCK = 2_000_000
_NORMAL = 1.959963984540054
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """How every way did, as sums over what is resampled together.

    A unit is an example, or a group of examples that hold the same: those stand or fall together, and are drawn
    together. Columns are ways, the cheapest first, and among equally cheap ones by name: the first of several equals is
    the one to take. Rows stand in an order that depends on their content alone.

    Attributes:
        levels: (m,), the rank of each way's cost.
        sizes: (u,), examples in each unit.
        losses: (u, m), summed log losses.
        right: (u, m), how many answers are right.
    """

    levels: Array
    sizes: Array
    losses: Array
    right: Array

    @property
    def examples(self) -> float:
        """How many there are in all units."""
        return float(self.sizes.sum())

    @property
    def grouped(self) -> bool:
        """Whether a unit has more than one example."""
        return len(self.sizes) < self.examples

    @property
    def effective(self) -> float:
        """How many examples that stand each for itself would tell as much: Kish's count (1965)."""
        return self.examples**2 / float(np.square(self.sizes).sum())


def gathered(levels: Array, losses: Array, right: Array, groups: Array | None) -> Answers:
    """The answers by unit.

    Args:
        levels: (m,), the rank of each way's cost, rising.
        losses: (n, m), log loss of every answer.
        right: (n, m), whether it is right.
        groups: (n,), examples with equal numbers are one unit; None: each is one.
    """
    if groups is None:
        sizes = np.ones(len(losses))
    else:
        # By content first, so that the sums over a group are the same to the last bit in any order of the examples.
        order = _by_content(losses, right)
        _, member, counts = np.unique(groups[order], return_inverse=True, return_counts=True)
        sizes = counts.astype(np.float64)
        losses, right = _summed(losses[order], member, len(counts)), _summed(right[order], member, len(counts))
    order = _by_content(losses, right, sizes)
    return Answers(levels, sizes[order], losses[order], right[order].astype(np.float64))


def _by_content(losses: Array, right: Array, *further: Array) -> Array:
    return np.lexsort([*further, *right.T, *losses.T])


def _summed(values: Array, member: Array, units: int) -> Array:
    sums = np.zeros((units, values.shape[1]))
    np.add.at(sums, member, values)
    return sums


def resamples(units: int, seed: int) -> Iterator[Array]:
    """How often each unit is drawn in each of `RESAMPLES` bootstrap samples: float64 (some, u), block by block."""
    random = np.random.default_rng(seed)
    each = max(1, min(RESAMPLES, _BLOCK // units))
    for start in range(0, RESAMPLES, each):
        rows = min(each, RESAMPLES - start)
        drawn = random.integers(0, units, (rows, units))
        drawn += np.arange(rows)[:, None] * units
        yield np.bincount(drawn.ravel(), minlength=rows * units).reshape(rows, units).astype(np.float64)


def rule(answers: Answers, counts: Array) -> tuple[Array, Array, Array]:
    """The best way in each sample, the one to take, and the mean log losses (b, m).

    The best has the lowest mean log loss. Taken is the cheapest whose mean is at most one standard error of the paired
    difference above it (Breiman et al. 1984, with the pairing that the same examples allow); of equally cheap ones the
    best.

    Args:
        answers: of all ways.
        counts: (b, u), how often each unit is in each sample.
    """
    examples = counts @ answers.sizes
    means = counts @ answers.losses / examples[:, None]
    best = _lowest(means)
    taken = np.empty_like(best)
    for way in np.unique(best):
        own = best == way
        above = means[own] - means[own][:, [way]]
        within = above <= _standard_errors(answers, counts[own], above, int(way)) + SAME
        level = np.where(within, answers.levels, np.inf).min(axis=1)
        taken[own] = _lowest(np.where(within & (answers.levels == level[:, None]), means[own], np.inf))
    return best, taken, means


def _lowest(means: Array) -> Array:
    return (means <= means.min(axis=1, keepdims=True) + SAME).argmax(axis=1)


def _standard_errors(answers: Answers, counts: Array, above: Array, way: int) -> Array:
    """Standard errors (b, m) of the differences `above` of mean log losses to those of a way: ratios of sums."""
    apart = answers.losses - answers.losses[:, [way]]
    examples = (counts @ answers.sizes)[:, None]
    if answers.grouped:
        crossed = 2 * above * (counts @ (apart * answers.sizes[:, None]))
        squares = crossed - np.square(above) * (counts @ np.square(answers.sizes))[:, None]
    else:
        squares = np.square(above) * examples
    squares = counts @ np.square(apart) - squares
    return np.sqrt(np.maximum(squares, 0.0) * _unbiased(len(answers.sizes))) / examples


def _unbiased(units: int) -> float:
    return units / (units - 1) if units > 1 else 0.0


def told_apart(answers: Answers, means: Array, way: int) -> Array:
    """Whether the mean log loss of each way differs from that of one of them, at 95 % over all pairs together: (m,).

    The largest of all pairs' absolute t values is what resampling says may happen without any difference (White 2000,
    Romano and Wolf 2005). All pairs count, not only those with the way: it was itself chosen among all. Few
    units widen the bound as Student's distribution widens the normal one.

    Args:
        answers: of all ways.
        means: (b, m), mean log losses in each of the bootstrap samples.
        way: the column that the others are compared with.
    """
    units = len(answers.sizes)
    if units < 2:
        return np.zeros(len(answers.levels), np.bool_)
    observed = answers.losses.sum(axis=0) / answers.examples
    residual = answers.losses - observed * answers.sizes[:, None]
    covariance = residual.T @ residual * _unbiased(units) / answers.examples**2
    variance = np.diag(covariance)
    squares = variance[:, None] + variance - 2 * covariance
    # What is left of two nearly equal variances is rounding.
    certain = squares <= _ROUNDING * (variance[:, None] + variance)
    errors = np.sqrt(np.where(certain, np.inf, squares))
    moved = means - observed
    largest = np.zeros(len(means))
    for one in range(len(observed)):
        np.maximum(largest, np.abs((moved - moved[:, [one]]) / errors[one]).max(axis=1), out=largest)
    bound = students(max(float(np.quantile(largest, 0.95)), _NORMAL), units - 1)
    apart = np.abs(observed - observed[way])
    return (apart > SAME) & (certain[way] | (apart > bound * errors[way]))


def students(normal: float, freedom: float) -> float:
    """The quantile of Student's distribution for one of the normal: Fisher and Cornish's expansion (1960).

    >>> round(students(1.959964, 9), 2)
    2.26

    Args:
        normal: the quantile of the normal distribution.
        freedom: degrees of freedom, at least 1.
    """
    z, powers = normal, [1 / freedom**order for order in range(1, 4)]
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + math.fsum(term * power for term, power in zip(terms, powers, strict=True))
