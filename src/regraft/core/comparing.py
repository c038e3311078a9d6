"""Which of several ways to take, how sure that is, and how good the one taken will be on examples nobody has seen.

All of it from out-of-fold answers on the same labelled examples. The best of many looks better than it is, because it
was the luckiest too; what is said here of the chosen way is corrected for that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from regraft.core import metrics, resampling
from regraft.core.errors import DataError, RequestError, nearest
from regraft.core.records import Metric
from regraft.core.resampling import Answers

Array = np.ndarray[Any, Any]

# Cross-validation judges the models of its folds, and the finished model is another one; which examples are learnt from
# moves all of them, so that the gap to the truth varies by more than the answers do (Bates, Hastie, Tibshirani 2021).
# How much more was measured (docs/depth-statistics.md): twice the error as a part of the variance of a share, and as
# much again as the variance of a mean log loss.
_MORE_OF_WRONG, _MORE_OF_LOSS = 2.0, 1.0
# The finished model learns from all examples: of the error so much is expected to stay whatever is learnt from, and the
# rest falls by this power of their number, as `learning_curve` believes before anything is measured.
_FLOOR, _EXPONENT = 0.6, 0.6


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several ways, and what can be said of it and of the others.

    Attributes:
        name: the way to take: the cheapest within one standard error of the best.
        best: the way with the lowest out-of-fold log loss.
        indistinguishable: the others whose log loss cannot be told from that of `name` at 95 %, all pairs of ways and
            their being chosen from among each other accounted for; the best first.
        accuracy: of `name`, learnt from all examples, on new ones; corrected for its having been chosen.
        log_loss: likewise.
        gains: how much more accurate each other way is than `name` on the same examples, uncorrected, each with an
            interval of its own; negative where it is less so.
    """

    name: str
    best: str
    indistinguishable: tuple[str, ...]
    accuracy: Metric
    log_loss: Metric
    gains: Mapping[str, Metric]


def chosen(
    answers: Mapping[str, Array],
    labels: Array,
    costs: Mapping[str, float],
    *,
    groups: Array | None = None,
    learnt: float = 0.8,
    seed: int = 0,
) -> Choice:
    """Choose among ways by their out-of-fold answers.

    The order of the ways and of the examples does not matter. The correction is the bootstrap bias-corrected
    cross-validation of Tsamardinos, Greasidou and Borboudakis (2018): the choice is made again on resampled examples,
    and what was chosen is judged on those that were not drawn.

    Args:
        answers: by name of the way, (n, k) probabilities, each row from a model that has not seen the example.
        labels: (n,), indices of the right classes.
        costs: by name, what to have less of where it costs no accuracy: how many layers learn.
        groups: (n,), examples with equal numbers hold the same and tell no more than one; None: all are different.
        learnt: the part of the examples that each model had learnt from: 1 - 1 / k for k folds.
        seed: of the resampling.

    Returns:
        The choice, with 95 % intervals.

    Raises:
        DataError: shapes do not fit, a label is no class, there is no example, or a probability is missing or none.
        RequestError: there is no way, one has no finite cost, or `learnt` is no part.
    """
    if not 0 < learnt <= 1:
        raise RequestError(
            f"expected the part of the examples that was learnt from, above 0 and up to 1, found {learnt}"
        )
    order = _by_cost(answers, costs)
    losses, right = _judged(answers, labels, order, groups)
    levels = np.unique([costs[name] for name in order], return_inverse=True)[1]
    units = resampling.gathered(levels, losses, right, groups)
    best, taken = (int(found[0]) for found in resampling.rule(units, np.ones((1, len(units.sizes))))[:2])
    again = _again(units, taken, seed)
    apart = resampling.told_apart(units, again.means, taken)
    others = [column for column in np.argsort(units.losses.sum(axis=0), kind="stable") if column != taken]
    return Choice(
        order[taken],
        order[best],
        tuple(order[column] for column in others if not apart[column]),
        _accuracy(again.right, units, learnt),
        _log_loss(again.loss, units, taken, learnt),
        {order[column]: _gain(right[:, column], right[:, taken], units) for column in others},
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Again:
    """What choosing again on resampled examples came to.

    Attributes:
        right: share of right answers that what was chosen has among the examples left out.
        loss: its mean log loss there.
        means: (b, m), mean log loss of every way in every sample.
    """

    right: float
    loss: float
    means: Array


def _by_cost(answers: Mapping[str, Array], costs: Mapping[str, float]) -> list[str]:
    """Names of the ways, the cheapest first."""
    if not answers:
        raise RequestError("expected the answers of at least one way to choose from, found none")
    for name in answers:
        if name not in costs:
            raise RequestError(f"expected a cost of every way, found none of '{name}'{nearest(name, costs)}")
        if not np.isfinite(costs[name]):
            raise RequestError(f"expected finite costs, found {costs[name]} of '{name}'")
    return sorted(answers, key=lambda name: (costs[name], name))


def _judged(answers: Mapping[str, Array], labels: Array, order: list[str], groups: Array | None) -> tuple[Array, Array]:
    """Log loss (n, m) of every answer, and whether it is right."""
    if labels.ndim != 1 or (groups is not None and groups.shape != labels.shape):
        found = "none" if groups is None else groups.shape
        raise DataError(f"expected labels (n,) and groups (n,) or none, found {labels.shape} and {found}")
    losses = np.empty((len(labels), len(order)))
    right = np.empty((len(labels), len(order)), np.bool_)
    for column, name in enumerate(order):
        try:
            losses[:, column] = metrics.losses(answers[name], labels)
        except DataError as error:
            raise DataError(f"the answers of '{name}' cannot be compared: {error}") from None
        right[:, column] = answers[name].argmax(axis=1) == labels
    return losses, right


def _again(units: Answers, taken: int, seed: int) -> _Again:
    ways, count = len(units.levels), len(units.sizes)
    # How often each way was taken while a unit was left out.
    times, means = np.zeros((ways, count)), list[Array]()
    for counts in resampling.resamples(count, seed):
        _, found, mean = resampling.rule(units, counts)
        times += (found == np.arange(ways)[:, None]).astype(np.float64) @ (counts == 0)
        means.append(mean)
    # A unit that is in every sample is judged by what is taken of all: there is one unit only, or hardly more.
    times[taken, times.sum(axis=0) == 0] = 1
    share = (times / times.sum(axis=0)).T
    right, loss = (float((share * sums).sum()) / units.examples for sums in (units.right, units.losses))
    return _Again(right, loss, np.concatenate(means))


def _fall(learnt: float) -> float:
    """The part of an error that is left when all is learnt from instead of a part."""
    return _FLOOR + (1 - _FLOOR) * learnt**_EXPONENT


def _accuracy(share: float, units: Answers, learnt: float) -> Metric:
    """Wilson's interval, of as many answers as tell as little; and that the error falls at all, or twice as much."""
    fall = _fall(learnt)
    value = 1 - fall * (1 - share)
    count = units.effective / (1 + _MORE_OF_WRONG * (1 - value))
    low, high = (float(end[0]) for end in metrics.wilson(np.array([value * count]), np.array([count])))
    doubt = (1 - fall) * (1 - share)
    below, above = np.hypot(value - low, doubt), np.hypot(high - value, doubt)
    return Metric(value, (max(0.0, value - float(below)), min(1.0, value + float(above))))


def _log_loss(found: float, units: Answers, taken: int, learnt: float) -> Metric:
    """The interval is that of the logarithm: log losses are never negative, and a few of them are large."""
    fall = _fall(learnt)
    mean, count, losses = fall * found, len(units.sizes), units.losses[:, taken]
    if count < 2:
        return Metric(mean, (0.0, np.inf))
    if not mean:
        return Metric(mean, (mean, mean))
    residual = losses - losses.sum() / units.examples * units.sizes
    variance = float(np.square(residual).sum()) * count / (count - 1) / (units.examples * found) ** 2
    doubt = (1 - fall) / metrics.Z
    error = np.sqrt((1 + _MORE_OF_LOSS) * variance + doubt**2)
    factor = float(np.exp(resampling.students(metrics.Z, count - 1) * error))
    return Metric(mean, (mean / factor, mean * factor))


def _gain(correct: Array, baseline: Array, units: Answers) -> Metric:
    weight = units.effective / units.examples
    better, worse = int(np.sum(correct & ~baseline)), int(np.sum(baseline & ~correct))
    return metrics.gain_of(better * weight, worse * weight, units.effective)
