"""How good predictions are, every figure with its 95 % interval. NumPy only; one seed, one result."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DataError
from regraft.core.records import CalibrationBin, Metric, Metrics

Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""
BINS = 15
RESAMPLES = 1000
SMALLEST_PROBABILITY = 1e-7
"""What the log loss takes for less: float32's spacing below 1, so that a rounded 0 is not an infinite mistake."""

# The bootstrap resamples cells of nearly equal examples instead of examples, so that its cost does not grow with them.
LOSS_CELLS = 1000
CONFIDENCE_CELLS = 20


def measure(probabilities: NDArray[np.floating], labels: NDArray[np.integer], seed: int = 0) -> Metrics:
    """Accuracy, balanced accuracy, log loss and calibration error of predicted probabilities.

    Args:
        probabilities: (n, k), rows summing to 1.
        labels: (n,), indices of the right classes.
        seed: of the bootstrap behind the intervals of log loss and calibration error.

    Raises:
        DataError: shapes do not fit, a label is no class, there is no example, or a value is not finite.
    """
    _check(probabilities, labels)
    confidence, correct = probabilities.max(axis=1).astype(np.float64), probabilities.argmax(axis=1) == labels
    return Metrics(
        examples=len(labels),
        accuracy=accuracy(correct),
        balanced_accuracy=balanced_accuracy(correct, labels),
        log_loss=log_loss(losses(probabilities, labels), seed),
        calibration_error=_calibration_error(confidence, correct, seed),
    )


def losses(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Log loss of every answer, in nats: (n,).

    Args:
        probabilities: (n, k).
        labels: (n,).

    Raises:
        DataError: as of `measure`.
    """
    _check(probabilities, labels)
    right = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return -np.log(np.clip(right, SMALLEST_PROBABILITY, 1.0))


def log_loss(losses: NDArray[np.float64], seed: int = 0) -> Metric:
    """Mean log loss with its bootstrap interval.

    Args:
        losses: (n,), of every answer.
        seed: of the bootstrap.
    """
    low, high = losses.min(), losses.max()
    if len(losses) <= LOSS_CELLS:
        cells = np.arange(len(losses))
    else:
        cells = np.minimum((losses - low) / max(high - low, 1e-300) * LOSS_CELLS, LOSS_CELLS - 1).astype(np.int64)
    sizes, (sums,) = _cells(cells, losses)
    mean = sums / sizes
    return _bootstrap(float(losses.mean()), sizes, lambda counts: counts @ mean / len(losses), seed)


def accuracy(correct: NDArray[np.bool_ | np.floating]) -> Metric:
    """Share of right answers with Wilson's score interval (Wilson 1927), which holds for few examples and near 0 and 1.

    Args:
        correct: (n,), whether each answer is right; or the share of right ones among several answers to one example.

    Raises:
        DataError: there is no example.
    """
    if not len(correct):
        raise DataError("expected at least one example to measure on, found none")
    value = float(np.mean(correct))
    low, high = wilson(np.array([correct.sum()]), np.array([len(correct)]))
    return Metric(value, (float(low[0]), float(high[0])))


def balanced_accuracy(correct: NDArray[np.bool_], labels: NDArray[np.integer]) -> Metric:
    """Mean over the classes that occur of the share of right answers in the class.

    The interval combines the classes' Wilson intervals by squaring and adding (Newcombe 1998, as generalised by Zou and
    Donner 2008). A bootstrap would call 30 of 30 in every class certain.

    Args:
        correct: (n,), whether each answer is right.
        labels: (n,), indices of the right classes.
    """
    counts = np.bincount(labels)
    hits = np.bincount(labels, weights=correct)[counts > 0]
    counts = counts[counts > 0]
    recalls = hits / counts
    low, high = wilson(hits, counts)
    value = float(recalls.mean())
    below, above = (float(np.sqrt(np.square(gap).sum())) / len(counts) for gap in (recalls - low, high - recalls))
    return Metric(value, (max(0.0, value - below), min(1.0, value + above)))


def paired_gain(correct: NDArray[np.bool_], baseline: NDArray[np.bool_]) -> Metric:
    """How much more accurate one way is than another on the same examples: positive where the first is better.

    The interval is Bonett and Price's adjusted Wald interval for paired proportions (2012): half a discordant pair is
    added to each side, which keeps its coverage with few examples and with no disagreement at all.

    Args:
        correct: (n,), whether the first way is right.
        baseline: (n,), whether the second is, on the same examples.

    Raises:
        DataError: the lengths differ, or there is no example.
    """
    if correct.shape != baseline.shape or not len(correct):
        raise DataError(
            f"expected two equally long, non-empty lists of answers, found {len(correct)} and {len(baseline)}"
        )
    return gain_of(int(np.sum(correct & ~baseline)), int(np.sum(baseline & ~correct)), len(correct))


def gain_of(better: float, worse: float, n: float) -> Metric:
    """A paired gain from how many examples only the first way has right, how many only the second, and of how many.

    The numbers need not be whole: examples that come in groups count for less than they are.
    """
    up, down = (better + 1) / (n + 2), (worse + 1) / (n + 2)
    spread = Z * float(np.sqrt((up + down - (up - down) ** 2) / (n + 2)))
    return Metric((better - worse) / n, (max(-1.0, up - down - spread), min(1.0, up - down + spread)))


def confusion(labels: NDArray[np.integer], predictions: NDArray[np.integer], k: int) -> tuple[tuple[int, ...], ...]:
    """Counts: rows are the actual classes, columns the predicted ones.

    Args:
        labels: (n,), indices of the right classes.
        predictions: (n,), indices of the answers.
        k: how many classes there are.
    """
    counts = np.bincount(labels.astype(np.int64) * k + predictions, minlength=k * k).reshape(k, k)
    return tuple(tuple(int(count) for count in row) for row in counts)


def calibration_bins(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> tuple[CalibrationBin, ...]:
    """Confidence and accuracy in `BINS` bins of equal width; bins without examples are left out.

    Args:
        probabilities: (n, k).
        labels: (n,).
    """
    _check(probabilities, labels)
    confidence, correct = probabilities.max(axis=1).astype(np.float64), probabilities.argmax(axis=1) == labels
    place = _bin_of(confidence)
    counts = np.bincount(place, minlength=BINS)
    confidences = np.bincount(place, weights=confidence, minlength=BINS)
    hits = np.bincount(place, weights=correct, minlength=BINS)
    return tuple(
        CalibrationBin(i / BINS, (i + 1) / BINS, int(n), float(confidences[i] / n), float(hits[i] / n))
        for i, n in enumerate(counts)
        if n
    )


def _check(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> None:
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or not len(labels):
        raise DataError(
            "expected probabilities (n, classes) and labels (n,) of at least one example,"
            f" found {probabilities.shape} and {labels.shape}"
        )
    if labels.min() < 0 or labels.max() >= probabilities.shape[1]:
        raise DataError(
            f"expected labels from 0 to {probabilities.shape[1] - 1}, found {labels.min()} to {labels.max()}"
        )
    if not np.isfinite(probabilities).all():
        bad = np.flatnonzero(~np.isfinite(probabilities).all(axis=1))
        raise DataError(
            f"expected finite probabilities, found NaN or infinity for {len(bad)} examples (first: {bad[0]})"
        )


def wilson(
    hits: NDArray[np.floating | np.integer], counts: NDArray[np.floating | np.integer]
) -> tuple[NDArray[np.float64], ...]:
    """Low and high ends of Wilson's score intervals of shares; neither number need be whole.

    Args:
        hits: how many are right.
        counts: of how many.
    """
    share, extra = hits / counts, Z * Z / counts
    centre = (share + extra / 2) / (1 + extra)
    spread = np.sqrt(share * (1 - share) * extra + np.square(extra) / 4) / (1 + extra)
    # Exactly 0 and 1 at the ends, where rounding would leave the interval a hair short of the value.
    low, high = np.clip(centre - spread, 0.0, 1.0), np.clip(centre + spread, 0.0, 1.0)
    return np.where(hits == 0, 0.0, low), np.where(hits == counts, 1.0, high)


def _calibration_error(confidence: NDArray[np.float64], correct: NDArray[np.bool_], seed: int) -> Metric:
    """Mean gap between confidence and accuracy, bins weighted by their examples (Naeini et al. 2015)."""
    place = _bin_of(confidence)
    fine = np.minimum((confidence * BINS - place) * CONFIDENCE_CELLS, CONFIDENCE_CELLS - 1).astype(np.int64)
    cells = (place * CONFIDENCE_CELLS + fine) * 2 + correct
    sizes, (gaps, places) = _cells(cells, correct - confidence, place)
    into_bins = (gaps / sizes)[:, None] * ((places / sizes).astype(np.int64)[:, None] == np.arange(BINS))

    def error(counts: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.abs(counts @ into_bins).sum(axis=1) / len(confidence)

    return _bootstrap(float(error(sizes[None].astype(np.float64))[0]), sizes, error, seed)


def _bin_of(confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.clip((confidence * BINS).astype(np.int64), 0, BINS - 1)


def _cells(
    cells: NDArray[np.int64], *values: NDArray[np.floating | np.integer]
) -> tuple[NDArray[np.int64], tuple[NDArray[np.float64], ...]]:
    """Sizes of the cells that hold an example, and the sums of the values in them."""
    _, member, sizes = np.unique(cells, return_inverse=True, return_counts=True)
    return sizes, tuple(np.bincount(member, weights=value).astype(np.float64) for value in values)


def _bootstrap(
    value: float,
    sizes: NDArray[np.int64],
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    seed: int,
) -> Metric:
    """The value with its percentile interval (Efron 1979) over resampled counts of the cells.

    It is widened to hold the value itself: resampling adds noise to absolute gaps, so that a small calibration error
    can lie under all its resamples.
    """
    n = int(sizes.sum())
    counts = np.random.default_rng(seed).multinomial(n, sizes / n, size=RESAMPLES).astype(np.float64)
    low, high = np.quantile(statistic(counts), [0.025, 0.975])
    return Metric(value, (min(float(low), value), max(float(high), value)))
