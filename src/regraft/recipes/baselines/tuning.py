"""The learning rate and the epochs of a network from scratch, chosen by examples that it does not learn from.

The step is compiled once for all rates.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from regraft.core import memory
from regraft.core.errors import WorkError
from regraft.core.phase import Phase, Rate, latest_good
from regraft.core.records import Epoch
from regraft.graph import names
from regraft.surgery.copy import copy_model
from regraft.training import loop
from regraft.training.again import Again, Ended
from regraft.training.checkpoint import assign
from regraft.training.feeds import Feed

Array = np.ndarray[Any, Any]

STEPS = 600
"""What each rate is given, where that costs nearly nothing."""
_MOST_EPOCHS = 100
# Steps from random weights may be very long ones.
_CLIP = 1.0
# Adam's; the search begins at the third, and goes on in the direction in which things improve.
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
BEGIN = 2
# How many are tried where the one that it begins with is the best.
TRIED = 3


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """What a rate led to on what was not learnt from, and at which epoch; the values of the network where it is one."""

    accuracy: float
    loss: float
    epoch: int
    values: Mapping[str, Array] | None = None
    interrupted: bool = False

    @property
    def rank(self) -> tuple[float, float]:
        """The more, the better: right answers, then less log loss."""
        return self.accuracy, -self.loss


@dataclass(frozen=True, slots=True, eq=False)
class Tuned:
    """The best rate, what it led to, how many were tried, and whether time was up for one that may be better."""

    rate: float
    best: Tried
    count: int
    cut_short: bool = False


@dataclass(frozen=True, slots=True)
class Trial:
    """How many seconds training will take, and whether the user ended what was to tell.

    Attributes:
        first: at the first rate, with what comes before its first step.
        each: at any other.
        interrupted: whether the user ended it.
    """

    first: float
    each: float
    interrupted: bool = False


def epochs_for(examples: int, batch_size: int) -> int:
    """How many epochs make `STEPS` steps; a hundred at the most."""
    return min(_MOST_EPOCHS, -(-STEPS * batch_size // max(examples, 1)))


def phase_of(name: str, epochs: int, batch_size: int) -> Phase:
    """What all rates have in common."""
    return Phase(
        name=name,
        epochs=epochs,
        batch_size=batch_size,
        batch_norm="adapt",
        clip_norm=_CLIP,
        patience=max(10, epochs // 3),
        monitor="accuracy",
    )


def trial(fresh: keras.Model, phase: Phase, learning: Feed, judging: Feed, seed: int) -> Trial:
    """What a rate will take, by two epochs of the one that the search begins with.

    It is given what `by_validation` is.
    """
    begun = time.perf_counter()
    made = Attempts(fresh, replace(phase, epochs=2), seed).at(RATES[BEGIN], learning, judging)
    took = time.perf_counter() - begun
    if made is None:
        # Where no number came of it, the first epochs were all.
        return Trial(took, took)
    epochs, each = phase.epochs or 2, made.history[-1].seconds
    return Trial(took + (epochs - 2) * each, epochs * each, made.interrupted)


def by_validation(
    fresh: keras.Model, phase: Phase, learning: Feed, judging: Feed, seed: int, left: Callable[[], float] | None = None
) -> Tuned:
    """Each rate is judged on the same examples; the best network is kept.

    Args:
        fresh: not changed.
        phase: all but the rates.
        learning: what is learnt from.
        judging: what chooses.
        seed: of the order of examples, and of dropout.
        left: see `climbed`.
    """
    attempts = Attempts(fresh, phase, seed)

    def attempt(rate: float) -> Tried:
        made = attempts.at(rate, learning, judging)
        if made is None:
            return Tried(-1.0, np.inf, 1, attempts.start)
        row = made.history[made.best]
        return Tried(row.validation_accuracy, row.validation_loss, made.best, made.values, made.interrupted)

    return climbed(attempt, left)


def by_parts(
    fresh: keras.Model,
    phase: Phase,
    feed: Callable[[Array], Feed],
    everyone: Array,
    parts: Sequence[Array],
    seed: int,
    left: Callable[[], float] | None = None,
) -> Tuned:
    """Each rate is judged on parts that are left out in turn; no network is kept.

    The epoch is chosen once for all parts, by their mean: one part alone has few examples to choose by.

    Args:
        fresh: not changed.
        phase: all but the rates.
        feed: from indices to examples.
        everyone: indices of all that may be learnt from (n,).
        parts: masks (n,).
        seed: of the order of examples, and of dropout.
        left: see `climbed`.
    """
    attempts = Attempts(fresh, phase, seed)

    def attempt(rate: float) -> Tried:
        histories: list[Sequence[Epoch]] = []
        interrupted = False
        for part in parts:
            made = attempts.at(rate, feed(everyone[~part]), feed(everyone[part]))
            if made is None:
                return Tried(-1.0, np.inf, 1)
            histories.append(made.history)
            if interrupted := made.interrupted:
                break
        judged = [int(part.sum()) for part in parts[: len(histories)]]
        curve = mean_curve(histories, judged)
        epoch = latest_good(curve[:, 0].tolist(), sum(judged))
        accuracy, loss = curve[epoch].tolist()
        return Tried(accuracy, loss, max(1, epoch), interrupted=interrupted)

    return climbed(attempt, left)


def mean_curve(histories: Sequence[Sequence[Epoch]], weights: Sequence[float]) -> Array:
    """Accuracy and log loss on what was not learnt from, (epochs, 2), weighted means over several trainings.

    One that ended sooner than another, since nothing improved, counts with what it had last.
    """
    longest = max(map(len, histories))
    padded = [[*history, *[history[-1]] * (longest - len(history))] for history in histories]
    values = [[(row.validation_accuracy, row.validation_loss) for row in history] for history in padded]
    return np.average(np.array(values, np.float64), axis=0, weights=weights)


def finished(fresh: keras.Model, phase: Phase, tuned: Tuned, everyone: Feed, nothing: Feed, seed: int) -> keras.Model:
    """The network that learnt from all examples, at the rate and for the epochs that parts of them chose.

    Args:
        fresh: as `by_parts` was given it.
        phase: likewise.
        tuned: what that came to.
        everyone: all that may be learnt from.
        nothing: no examples.
        seed: of the order of examples, and of dropout.
    """
    last = replace(at(phase, tuned.rate), keep="last")
    return loop.train(fresh, last, everyone, nothing, seed=seed, stop_after=tuned.best.epoch).model


def climbed(attempt: Callable[[float], Tried], left: Callable[[], float] | None = None) -> Tuned:
    """Try rates from the first one on upwards as long as that is better; where it never was, downwards.

    Args:
        attempt: what a rate comes to.
        left: seconds that there still are, where there is a limit. What is tried beyond `TRIED` rates must be done in
            that time, as far as the slowest before it tells.
    """
    begun = time.perf_counter()
    made = {BEGIN: attempt(RATES[BEGIN])}
    best, slowest = BEGIN, time.perf_counter() - begun
    for step in (1, -1):
        while 0 <= best + step < len(RATES) and best + step not in made:
            if any(tried.interrupted for tried in made.values()):
                return Tuned(RATES[best], made[best], len(made))
            if left is not None and len(made) >= TRIED and slowest > left():
                return Tuned(RATES[best], made[best], len(made), cut_short=True)
            begun = time.perf_counter()
            made[best + step] = attempt(RATES[best + step])
            slowest = max(slowest, time.perf_counter() - begun)
            if made[best + step].rank <= made[best].rank:
                break
            best += step
    return Tuned(RATES[best], made[best], len(made))


def at(phase: Phase, rate: float) -> Phase:
    """The phase with this rate for all."""
    return replace(phase, name=f"{phase.name}, rate {rate:g}", rates=(Rate(".*", rate),))


def with_values(fresh: keras.Model, values: Mapping[str, Array]) -> keras.Model:
    """A copy of a network that has these values."""
    made = copy_model(fresh)
    assign(names.variables(made), values)
    return made


class Attempts:
    """Training of one network again and again, from its own weights, compiled once.

    Attributes:
        start: the values that it begins with.
    """

    def __init__(self, fresh: keras.Model, phase: Phase, seed: int) -> None:
        # At a rate of 1, which the factor of a lesson turns into its own, bit for bit.
        self._again, self._phase, self._seed = Again(fresh, at(phase, 1.0)), phase, seed
        self.start = names.values(fresh)

    def at(self, rate: float, learning: Feed, judging: Feed) -> Ended | None:
        """What a rate led to; None where no number came of it even at a quarter of the rate."""
        name = at(self._phase, rate).name
        try:
            return self._again.train(self.start, learning, self._seed, validation=judging, factor=rate, name=name)
        except WorkError:
            return None
        finally:
            memory.release()
