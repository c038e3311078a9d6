"""The learning rate and the epochs of a network from scratch, chosen by examples that it does not learn from."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from regraft.core import memory
from regraft.core.errors import WorkError
from regraft.core.phase import Phase, Rate, latest_good
from regraft.core.records import Epoch
from regraft.training import loop
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
    """What a rate led to on what was not learnt from, and at which epoch; the network where it is one."""

    accuracy: float
    loss: float
    epoch: int
    model: keras.Model | None = None
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
    """How many seconds training at one rate will take, and whether the user ended what was to tell."""

    seconds: float
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
    """What a rate will take, by its first two epochs: what comes before them is compiled for each rate anew.

    It is given what `by_validation` is.
    """
    begun = time.perf_counter()
    made = _trained(fresh, at(replace(phase, epochs=2), RATES[BEGIN]), learning, judging, seed)
    took = time.perf_counter() - begun
    # Where no number came of it, the first epochs were all.
    return Trial(took + ((phase.epochs or 2) - 2) * made.history[-1].seconds, made.interrupted) if made else Trial(took)


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
    return climbed(lambda rate: _attempt(fresh, at(phase, rate), learning, judging, seed), left)


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

    def attempt(rate: float) -> Tried:
        histories: list[Sequence[Epoch]] = []
        interrupted = False
        for part in parts:
            made = _trained(fresh, at(phase, rate), feed(everyone[~part]), feed(everyone[part]), seed)
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


def _attempt(fresh: keras.Model, phase: Phase, learning: Feed, judging: Feed, seed: int) -> Tried:
    trained = _trained(fresh, phase, learning, judging, seed)
    if trained is None:
        return Tried(-1.0, np.inf, 1, fresh)
    row = trained.history[trained.best]
    return Tried(row.validation_accuracy, row.validation_loss, trained.best, trained.model, trained.interrupted)


def _trained(fresh: keras.Model, phase: Phase, learning: Feed, judging: Feed, seed: int) -> loop.Trained | None:
    """None where no number came of it even at a quarter of the rate."""
    try:
        return loop.train(fresh, phase, learning, judging, seed=seed)
    except WorkError:
        return None
    finally:
        memory.release()
