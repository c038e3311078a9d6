"""The penalty, chosen by stratified cross-validation on log loss along a path from strong to weak."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regraft.training.heads.problem import Problem, logits_of, problem_of, solve, uninformed
from regraft.training.heads.softmax import Doubles, Floats, Integers, loss_and_residual

# Where no class has two examples there is nothing to validate on; on standardised features this is seldom far off.
DEFAULT_INVERSE_PENALTY = 0.1
# C multiplies the sum of the losses: it is the variance of a prior on the kernel, a property of the features and not of
# the number of rows, and goes from a sample to all rows as it is. From 75 to 700 flowers the best value moved less
# than a power of ten, upwards at one cut and downwards at another; with C * n fixed it would have moved a whole one.
SELECTION_EXAMPLES = 5000
# Folds times classes: beyond it some folds go unused, so that many classes stay affordable.
COLUMNS = 200
WHOLE_STEPS = tuple(float(step) for step in range(-4, 4))
# Beyond C = 1 each power of ten must lower the log loss by a hundredth: separable classes would go on for ever.
WEAK_FROM, EARNED = 1.0, 0.99
TOLERANCE, LIMIT = 3e-4, 100


@dataclass(frozen=True, slots=True)
class Trial:
    """One penalty's cross-validated result.

    Attributes:
        inverse_penalty: scikit-learn's `C` on the standardised features.
        log_loss: mean over the held-out examples, in nats.
        accuracy: share of the held-out examples that are right.
    """

    inverse_penalty: float
    log_loss: float
    accuracy: float


def choose(
    features: Doubles, labels: Integers, classes: int, folds: int, seed: int, groups: Integers | None = None
) -> tuple[float, tuple[Trial, ...]]:
    """The inverse penalty with the lowest cross-validated log loss, and all that were tried, in rising order.

    Log loss, not accuracy: accuracy moves in steps of one example and chose worse on new examples. Whole powers of ten
    come first, until the loss rises; then the half powers beside the best.

    Args:
        features: (n, r) rotated, standardised.
        labels: (n,).
        classes: how many there are; each has an example.
        folds: at least 2.
        seed: of the division into folds.
        groups: (n,), examples with equal numbers (views of one picture) share a fold.
    """
    fold = folds_of(labels, folds, seed, groups)
    used = [number for number in range(max(1, min(folds, COLUMNS // classes))) if np.any(fold == number)]
    if not used:
        return DEFAULT_INVERSE_PENALTY, ()
    problem = problem_of(features, labels, fold[:, None] != np.array(used), classes, np.float32)
    trials: dict[float, tuple[Trial, Doubles]] = {}
    parameters = uninformed(problem)
    lowest = np.inf
    for step in WHOLE_STEPS:
        trials[step] = _try(problem, step, parameters)
        loss, parameters = trials[step][0].log_loss, trials[step][1]
        if loss > lowest * (EARNED if step >= WEAK_FROM else 1):
            break
        lowest = loss
    best = _best(trials)
    for step, start in ((best - 0.5, best - 1), (best + 0.5, best)):
        trials[step] = _try(problem, step, trials[max(start, WHOLE_STEPS[0])][1])
    return 10.0 ** _best(trials), tuple(trials[step][0] for step in sorted(trials))


def folds_of(labels: Integers, folds: int, seed: int, groups: Integers | None = None) -> NDArray[np.int64]:
    """A fold for every example, classes spread evenly; -1 (always learnt from) where a class has a single group.

    Args:
        labels: (n,).
        folds: how many.
        seed: of the order in which examples are dealt out.
        groups: (n,), examples with equal numbers share a fold.
    """
    numbers = np.arange(len(labels)) if groups is None else groups
    _, first, member = np.unique(numbers, return_index=True, return_inverse=True)
    label = labels[first]
    shuffled = np.random.default_rng(seed).permutation(len(first))
    dealt = shuffled[np.argsort(label[shuffled], kind="stable")]
    fold = np.empty(len(first), np.int64)
    fold[dealt] = np.arange(len(first)) % folds
    fold[np.bincount(label)[label] < 2] = -1
    return fold[member]


def _try(problem: Problem, step: float, start: Doubles) -> tuple[Trial, Doubles]:
    parameters, _ = solve(problem, 10.0**step, start, TOLERANCE, LIMIT)
    rows, held_by = np.nonzero(~problem.learns)
    logits: Floats = logits_of(problem, parameters)[rows, held_by]
    accuracy = float(np.mean(logits.argmax(axis=1) == problem.labels[rows]))
    loss, _ = loss_and_residual(logits[:, None].astype(np.float64), problem.labels[rows])
    return Trial(10.0**step, float(loss.mean()), accuracy), parameters


def _best(trials: dict[float, tuple[Trial, Doubles]]) -> float:
    """The strongest of the penalties with the lowest log loss."""
    return min(sorted(trials), key=lambda step: trials[step][0].log_loss)
