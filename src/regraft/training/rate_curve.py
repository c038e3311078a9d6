"""Reading a learning-rate range test: when the loss has exploded, and which rate the curve speaks for."""

from collections.abc import Callable
from typing import Any

import numpy as np

from regraft.core.errors import WorkError
from regraft.core.found_rate import FoundRate
from regraft.core.progress import track

Array = np.ndarray[Any, Any]

STEPS = 100
LOWEST, HIGHEST = 1e-7, 10.0
# A curve with fewer points than this has no shape.
FEWEST = 8
# Of a running mean, so that one bad batch is not taken for the end.
_MEMORY = 0.7
_EXPLODED = 4.0
# Steps over which the curve is smoothed afterwards, as the deviation of a normal curve.
_WIDTH = 2.0
# What falls by less than this part of the first loss has not fallen.
_FALL = 0.01
READINGS = ("the steepest descent", "a tenth of the least loss's rate", "the middle of the valley")
# The part of its whole fall after which a valley has begun.
_BEGUN = 0.05


def rising(steps: int, lowest: float, highest: float) -> Array:
    """Rates from the lowest to the highest, each the same multiple of the one before: float64 (steps,)."""
    return np.geomspace(lowest, highest, steps)


def climb(rates: Array, before: Array, step: Callable[[int], float]) -> tuple[list[float], bool]:
    """Take steps at rising rates until the loss explodes.

    Args:
        rates: of each step, `FEWEST` or more.
        before: the loss of each step's batch with the weights of the start.
        step: takes the step of this number and returns its batch's loss before it.

    Returns:
        The finite losses, and whether the loss exploded: it is four times the least so far and above the start's.

    Raises:
        WorkError: the loss is not finite at the start, or explodes at once.
    """
    if not np.all(np.isfinite(before)):
        at = int(np.flatnonzero(~np.isfinite(before))[0])
        raise WorkError(
            f"the loss is {before[at]} before any step was taken (batch {at + 1}); look for NaN or infinite values in "
            "the examples, the labels and the weights"
        )
    first = float(before.mean())
    least, exploded = first, False
    losses: list[float] = []
    mean = start = 0.0
    for index in track(range(len(rates)), "learning-rate range test", total=len(rates)):
        loss = step(index)
        exploded = not np.isfinite(loss)
        if not exploded:
            losses.append(loss)
            mean = _MEMORY * mean + (1 - _MEMORY) * loss
            start = _MEMORY * start + (1 - _MEMORY) * float(before[index])
            seen = 1 - _MEMORY ** (index + 1)
            level = float(_level(mean / seen, start / seen, before))
            least = min(least, level)
            exploded = level > max(_EXPLODED * least, first) and level > first * (1 + _FALL)
        if exploded:
            break
    if len(losses) < FEWEST:
        raise WorkError(
            f"the loss exploded in step {len(losses) + 1} of a learning-rate range test, at rates from {rates[0]:.1g} "
            "on; begin lower, or look for examples and weights out of all proportion"
        )
    return losses, exploded


def read(phase: str, optimizer: str, rates: Array, before: Array, losses: list[float], exploded: bool) -> FoundRate:
    """What the curve says.

    Three readings are in use: the steepest descent, a tenth of the least loss's rate, the middle of the valley. Each is
    too low on some curves: where one direction falls early and steeply, or the floor is wide. So the highest of them is
    taken that is at most a third of the least loss's rate: at three times what is suggested, the test itself still
    learnt. A tenth always is.

    Args:
        phase: for the record.
        optimizer: for the record.
        rates: of each step.
        before: the loss of each step's batch with the weights of the start.
        losses: of the steps that were taken.
        exploded: for the record.
    """
    rates, before = rates[: len(losses)], before[: len(losses)]
    smoothed = smooth(np.asarray(losses), before)
    least = int(np.argmin(smoothed))
    # Where weights hardly move yet, the curve is where it begins.
    start = float(np.median(smoothed[: max(3, len(smoothed) // 10)]))
    found: tuple[float, float, float] | None = None
    if start - smoothed[least] > _FALL * start and least > 1:
        slopes = np.gradient(smoothed[: least + 1])
        # The curve is so smooth that it falls, by nothing to speak of, from the first step on.
        begun = int(np.argmax(smoothed <= start - _BEGUN * (start - smoothed[least])))
        middle = begun + valley(smoothed[begun : least + 1])
        found = (float(rates[int(np.argmin(slopes))]), float(rates[least] / 10), float(rates[middle]))
        suggested = max(reading for reading in found if reading <= rates[least] / 3)
        why = READINGS[found.index(suggested)]
    else:
        harmless = int(np.flatnonzero(smoothed <= start * (1 + _FALL))[-1])
        suggested = float(rates[harmless] / 10)
        why = "the loss falls at no rate: a tenth of the highest that does not raise it"
    steepest, tenth, bottom = found or (None, None, None)
    return FoundRate(
        phase,
        optimizer,
        tuple(map(float, rates)),
        tuple(losses),
        tuple(map(float, smoothed)),
        steepest,
        tenth,
        bottom,
        rounded(suggested),
        exploded,
        why,
    )


def rounded(rate: float) -> float:
    """Two digits, which is more than such a test can know.

    >>> rounded(0.0012345)
    0.0012
    """
    return float(f"{rate:.1e}")


def smooth(losses: Array, before: Array) -> Array:
    """The curve without what is the batches' own, averaged over steps beside each other, which does not shift it.

    Args:
        losses: of each step's batch.
        before: of the same batch with the weights of the start.
    """
    # A loss beyond all bounds at the end would drown the steps beside it.
    bounded = np.minimum(losses, _EXPLODED * np.max(np.abs(before)))
    away = np.subtract.outer(np.arange(len(losses)), np.arange(len(losses)))
    weights = np.exp(-((away / _WIDTH) ** 2) / 2)
    weights /= weights.sum(axis=1, keepdims=True)
    return _level(weights @ bounded, weights @ before, before)


def _level(now: Any, then: Any, before: Array) -> Any:
    """What a loss on some batches would be on all of them, from what the same batches cost at the start.

    In proportion, as a hard batch is hard by a factor: where weights have not moved, that is the loss of the start
    exactly, and where the loss is nearly nothing, so are the batches' differences. A tenth of the mean on both sides
    keeps batches that cost nothing at the start from dividing by it.
    """
    first = before.mean()
    if np.min(before) < 0:
        # A loss that may be below zero knows no proportion.
        return first + now - then
    ground = 0.1 * first + 1e-12
    return (now + ground) / (then + ground) * (first + ground) - ground


def valley(values: Array) -> int:
    """The middle of the longest falling subsequence: an index.

    >>> valley(np.array([6.0, 7.0, 5.0, 4.0, 3.0, 2.0, 9.0]))
    2
    """
    lengths, previous = np.ones(len(values), int), np.full(len(values), -1)
    for index in range(1, len(values)):
        higher = np.flatnonzero(values[:index] > values[index])
        if len(higher):
            before = int(higher[np.argmax(lengths[higher])])
            lengths[index], previous[index] = lengths[before] + 1, before
    chain = [int(np.argmax(lengths))]
    while previous[chain[-1]] >= 0:
        chain.append(int(previous[chain[-1]]))
    return (chain[0] + chain[-1]) // 2
