"""What more labels would bring: a power law through accuracies at several numbers of labels, and how sure it is.

Errors fall with the number of labels as `a + b * n ** -c` (Hestness et al. 2017; Viering and Loog 2022): a floor that
more labels of the same kind never take away, and a part that falls. A few measured points hardly tell a high floor from
a slow fall, and the two promise very different things of twice the labels. So no one curve is fitted: every floor and
exponent is weighed by how well it agrees with what was measured (Bayes), and what is said is said over all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from regraft.core import metrics
from regraft.core.errors import DataError
from regraft.core.records import Metric

Array = np.ndarray[Any, Any]

# Before anything is measured: an exponent is 0.15 to 1.6 in 95 of 100 cases (learning curves of classifiers that are
# published lie within), and the floor is any part of today's error, in one case of five all of it.
_EXPONENT, _SPREAD = 0.5, 0.6
_EXPONENTS = np.exp(np.linspace(np.log(0.05), np.log(3.0), 31))
_FLOORS = np.append((np.arange(24) + 0.5) / 24, 1.0)
_AT_THE_FLOOR = 0.2
_ERRORS = 61
# Which examples are learnt from moves the error too, by about this part of it, however many answers are judged.
_LUCK = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class LearningCurve:
    """Accuracy as a function of the number of labels.

    Attributes:
        sizes: numbers of labels that were learnt from, rising.
        accuracies: with each.
        judged: how many answers each accuracy is of.
        exponent: `c`, how fast the part of the error that falls does so.
        ceiling: accuracy with no end of labels of the same kind, 1 - `a`.
        weights: (p,), of the curves that are weighed, summing to 1.
        curves: (3, p): error at the largest size, the part of it that is floor, exponent.
    """

    sizes: tuple[int, ...]
    accuracies: tuple[float, ...]
    judged: tuple[int, ...]
    exponent: Metric
    ceiling: Metric
    weights: Array = field(repr=False)
    curves: Array = field(repr=False)

    def at(self, n: float) -> Metric:
        """Accuracy to expect with so many labels; further from what was measured the interval is wider.

        Raises:
            DataError: `n` is less than 1.
        """
        return _weighed(1 - self._errors(n), self.weights)

    def gain(self, n: float, since: float | None = None) -> Metric:
        """How much more accurate that is than with fewer labels; surer than the difference of both.

        Args:
            n: how many there would be.
            since: how many fewer there are; None: the largest number measured.

        Raises:
            DataError: one of them is less than 1.
        """
        before = self.curves[0] if since is None else self._errors(since)
        return _weighed(before - self._errors(n), self.weights)

    @property
    def falls(self) -> bool:
        """Whether accuracy fell from the fewest labels to the most, by more than chance explains at 95 %."""
        (first, last), (few, many) = (self.accuracies[:: len(self.sizes) - 1], self.judged[:: len(self.sizes) - 1])
        spread = metrics.Z * np.sqrt(_variance(1 - first, few) + _variance(1 - last, many))
        return bool(last < first - spread)

    def said(self, now: int) -> str:
        """What twice the labels would bring, in words, where there are more than were learnt from.

        Args:
            now: how many there are.
        """
        gain = self.gain(2 * now, now)
        low, value, high = (f"{100 * figure:.1f}" for figure in (gain.interval[0], gain.value, gain.interval[1]))
        begin = f"twice the labels ({2 * now:,} instead of {now:,}) would bring"
        if self.falls:
            return (
                f"accuracy fell from {100 * self.accuracies[0]:.1f} to {100 * self.accuracies[-1]:.1f} % as labels were"
                f" added ({self.sizes[0]:,} to {self.sizes[-1]:,}): look at the labels; more of them promise nothing"
            )
        if high == "0.0":
            return f"{begin} nothing that could be measured"
        if low == "0.0":
            return f"{begin} about {value} points, perhaps none (0.0 to {high})"
        return f"{begin} about {value} points ({low} to {high})"

    def _errors(self, n: float) -> Array:
        if not n >= 1:
            raise DataError(f"expected at least 1 label, found {n}")
        return _model(self.curves, n / self.sizes[-1])


def curve(sizes: Sequence[int], accuracies: Sequence[float], ns: Sequence[int]) -> LearningCurve:
    """A power law through accuracies at several numbers of labels.

    The answers at different sizes are taken for independent. Where they are of the same examples they are not, and the
    differences are surer than is said here.

    Args:
        sizes: how many labels were learnt from, each at least 1; at least two different ones.
        accuracies: with each, of examples that were not learnt from.
        ns: how many such examples.

    Raises:
        DataError: lengths differ, fewer than two different sizes, or a figure that cannot be.
    """
    _check(sizes, accuracies, ns)
    order = sorted(range(len(sizes)), key=lambda place: (sizes[place], accuracies[place], ns[place]))
    n, right, judged = (np.array([given[place] for place in order], float) for given in (sizes, accuracies, ns))
    grid = np.meshgrid(_likely(right[-1], judged[-1]), _FLOORS, _EXPONENTS, indexing="ij")
    curves = np.stack([axis.ravel() for axis in grid])
    agreement = np.zeros(curves.shape[1])
    for size, share, count in zip(n / n[-1], right, judged, strict=True):
        agreement += _agreement(_model(curves, size), 1 - share, count)
    # Where no curve of the kind goes through what was measured, all that was measured is believed less.
    misfit = -2 * float(agreement.max()) / (len(n) - 1)
    plausible = _before(curves) + agreement / max(1.0, misfit)
    weights = np.exp(plausible - plausible.max())
    weights /= weights.sum()
    return LearningCurve(
        tuple(int(size) for size in n),
        tuple(float(share) for share in right),
        tuple(int(count) for count in judged),
        _weighed(curves[2], weights),
        _weighed(1 - curves[0] * curves[1], weights),
        weights,
        curves,
    )


def _check(sizes: Sequence[int], accuracies: Sequence[float], ns: Sequence[int]) -> None:
    if not len(sizes) == len(accuracies) == len(ns):
        raise DataError(
            "expected as many accuracies and numbers of answers as sizes,"
            f" found {len(sizes)} sizes, {len(accuracies)} and {len(ns)}"
        )
    if len(set(sizes)) < 2:
        raise DataError(f"expected accuracies at two or more numbers of labels, found {len(set(sizes))}")
    if min(sizes) < 1 or min(ns) < 1:
        raise DataError(f"expected sizes and numbers of answers from 1 on, found {min(sizes)} and {min(ns)}")
    wrong = [share for share in accuracies if not 0 <= share <= 1]
    if wrong:
        raise DataError(f"expected accuracies from 0 to 1, found {wrong[0]}")


def _model(curves: Array, size: float) -> Array:
    """Errors of the curves at a size, as a multiple of the largest measured one."""
    error, floor, exponent = curves
    return np.minimum(error * (floor + (1 - floor) * size**-exponent), 1 - 1e-9)


def _likely(share: float, count: float) -> Array:
    """Errors at the largest size that are worth weighing, evenly spaced in their logit: five standard errors around."""
    fewer = count * (metrics.Z / 5) ** 2 / (1 + _LUCK**2 * count)
    low, high = (float(end[0]) for end in metrics.wilson(np.array([(1 - share) * fewer]), np.array([fewer])))
    ends = np.clip([low, high], 1e-3 / count, 1 - 1e-3 / count)
    first, last = np.log(ends / (1 - ends))
    return 1 / (1 + np.exp(-np.linspace(first, last, _ERRORS)))


def _before(curves: Array) -> Array:
    """Logarithm of how plausible each curve is before anything is measured; Jeffreys' prior for the error itself."""
    error, floor, exponent = curves
    spike = np.log(_AT_THE_FLOOR / (1 - _AT_THE_FLOOR) * (len(_FLOORS) - 1)) * (floor == 1)
    return spike + 0.5 * np.log(error * (1 - error)) - np.square(np.log(exponent / _EXPONENT) / _SPREAD) / 2


def _agreement(error: Array, found: float, count: float) -> Array:
    """Logarithm of how likely the error that was found is under each, beside an error that is the same as found.

    It is that of so many answers as the variance of what was found allows.
    """
    smooth = (found * count + 1) / (count + 2)
    effective = smooth * (1 - smooth) / _variance(smooth, count)
    agreement = np.zeros_like(error)
    if found > 0:
        agreement += found * np.log(error / found)
    if found < 1:
        agreement += (1 - found) * np.log((1 - error) / (1 - found))
    return effective * agreement


def _variance(error: float, count: float) -> float:
    """Of an error that was found: by the answers that were judged, and by the examples that were learnt from."""
    return error * (1 - error) / count + (_LUCK * error) ** 2


def _weighed(values: Array, weights: Array) -> Metric:
    order = np.argsort(values)
    below = np.cumsum(weights[order]) - weights[order] / 2
    low, high = (float(values[order][min(np.searchsorted(below, tail), len(order) - 1)]) for tail in (0.025, 0.975))
    mean = float(values @ weights)
    return Metric(mean, (min(low, mean), max(high, mean)))
