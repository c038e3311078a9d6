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


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several ways, and what can be said of it and of the others.

    Attributes:
        name: the way to take: the cheapest within one standard error of the best.
        best: the way with the lowest out-of-fold log loss.
        indistinguishable: the others whose log loss cannot be told from that of `name` at 95 %, all pairs of ways and
            their being chosen from among each other accounted for; the best first.
        accuracy: of `name` on new examples, corrected for its having been chosen.
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
        seed: of the resampling.

    Returns:
        The choice, with 95 % intervals.

    Raises:
        DataError: shapes do not fit, a label is no class, there is no example, or a probability is missing or none.
        RequestError: there is no way, or one has no finite cost.
    """
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
        _accuracy(again.right, units),
        _log_loss(again.loss, units, taken),
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


def _accuracy(share: float, units: Answers) -> Metric:
    low, high = metrics.wilson(np.array([share * units.effective]), np.array([units.effective]))
    return Metric(share, (float(low[0]), float(high[0])))


def _log_loss(mean: float, units: Answers, taken: int) -> Metric:
    """The interval is that of the logarithm: log losses are never negative, and a few of them are large."""
    count, losses = len(units.sizes), units.losses[:, taken]
    if count < 2 or not mean:
        return Metric(mean, (0.0, np.inf) if count < 2 else (mean, mean))
    residual = losses - losses.sum() / units.examples * units.sizes
    error = float(np.sqrt(np.square(residual).sum() * count / (count - 1))) / units.examples
    factor = float(np.exp(resampling.students(metrics.Z, count - 1) * error / mean))
    return Metric(mean, (mean / factor, mean * factor))


def _gain(correct: Array, baseline: Array, units: Answers) -> Metric:
    weight = units.effective / units.examples
    better, worse = int(np.sum(correct & ~baseline)), int(np.sum(baseline & ~correct))
    return metrics.gain_of(better * weight, worse * weight, units.effective)
