"""What more labels would bring: the same ways with fewer of them, and the curve through it."""

from collections.abc import Sequence

import numpy as np

from regraft.core import learning_curve, metrics
from regraft.core.depth import Forecast, Trial, Way
from regraft.core.learning_curve import LearningCurve
from regraft.recipes.depth.halving import Study
from regraft.recipes.depth.recommending import Tried, weighed
from regraft.recipes.depth.timing import Deadline
from regraft.recipes.depth.trying import LEAST, Trier

# Parts of the labels that are learnt from, besides all of them.
_PARTS = (LEAST, 0.5)
_FOLDS = 2


def forecast(item: Tried, found: Sequence[Tried], made: Study, trier: Trier, deadline: Deadline) -> Forecast:
    """Learn again from a quarter and a half of the labels, and say what twice as many would bring.

    With more labels a way that trains more layers may overtake. The best of those that were tried is asked about, and
    is judged on all folds for it where it was not.

    Args:
        item: the recommended way.
        found: everything that was tried, with figures that compare.
        made: the study.
        trier: of all of them.
        deadline: nothing is begun that would not be done by then.

    Returns:
        What was found out; where there is no time for it, without figures.

    Raises:
        Interrupted: the user wants an answer now.
    """
    if not deadline.allows(_lessons(trier) * _expected(item, trier)):
        return Forecast((), (), {}, "There was no time to ask what more labels would bring.")
    curve = _curve(item, trier)
    # What is recommended learns from all of them, those that were left out in turn among them.
    now = len(trier.lessons.indices)
    said = curve.said(now)
    text = f"{said[0].upper()}{said[1:]}. {_of_more_layers(item, found, made, trier, deadline, curve)}"
    measured = tuple(
        metrics.accuracy(np.arange(judged) < round(value * judged))
        for value, judged in zip(curve.accuracies, curve.judged, strict=True)
    )
    return Forecast(curve.sizes, measured, {round(now * times): curve.at(now * times) for times in (1, 2, 4)}, text)


def _of_more_layers(
    item: Tried, found: Sequence[Tried], made: Study, trier: Trier, deadline: Deadline, curve: LearningCurve
) -> str:
    """Whether it would pay, with more labels, to let more layers learn than in the recommended way."""
    way = item.trial.way
    more = [each for each in found if each.trial.way.trained > way.trained]
    said = "" if way.frozen else "Every layer that is reused learns already"
    if not more:
        return f"{said or 'No way in which more layers learn was tried'}."
    said = f"{said}. " if said else ""
    other = deeper(more, made, trier, deadline)
    if other is None or not deadline.allows(_lessons(trier) * _expected(other, trier)):
        return f"{said}There was no time to ask whether it would then pay to let more layers learn."
    return f"{said}{_overtaking(way, other.trial.way, curve, _curve(other, trier), len(trier.lessons.indices))}"


def deeper(more: Sequence[Tried], made: Study, trier: Trier, deadline: Deadline) -> Tried | None:
    """The best of some ways, judged on all folds; None where none is and there is no time for it.

    What was judged on some folds only, and is ahead, is judged on the others, if its curve can be drawn as well then.
    It may have been ahead by luck: the best of those that are judged on all is taken.
    """
    everyone = trier.lessons.judged_by
    best, ready = min(more, key=_loss), [each for each in more if each.complete]
    lacking = len(everyone) - best.trial.folds
    if not best.complete and deadline.allows((lacking + _lessons(trier)) * _expected(best, trier)):
        ready.append(weighed(made, trier, best.trial.way, best.rung, everyone))
    return min(ready, key=_loss, default=None)


def _loss(item: Tried) -> float:
    return item.trial.log_loss.value


def _expected(item: Tried, trier: Trier) -> float:
    """Seconds that a lesson of a way will take, with however few labels: it has as many steps."""
    return trier.expected(item.trial.way, item.trial.steps)


def _lessons(trier: Trier) -> int:
    """How many lessons a curve takes; what comes of all the labels is known."""
    return len(trier.lessons.judged_by[:_FOLDS]) * len(_PARTS)


def _curve(item: Tried, trier: Trier) -> LearningCurve:
    folds, trial = trier.lessons.judged_by[:_FOLDS], item.trial
    sizes: list[int] = []
    accuracies: list[float] = []
    judged: list[int] = []
    for part in (*_PARTS, 1.0):
        right = [_right(trier, trial, fold, part) for fold in (folds if part < 1 else trier.lessons.judged_by)]
        sizes.append(round(float(np.mean([len(trier.lessons.learnt(fold, part)) for fold in folds]))))
        accuracies.append(float(np.concatenate(right).mean()))
        judged.append(sum(map(len, right)))
    return learning_curve.curve(sizes, accuracies, judged)


def _right(trier: Trier, trial: Trial, fold: int, part: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    made = trier.answers(trial.way, fold, steps=trial.steps, rate=trial.rate, part=part)
    place = made.averages.index(trial.average) if trial.average is not None else 0
    labels = trier.lessons.labels[trier.lessons.left_out(fold)]
    return made.probabilities[place].argmax(axis=1) == labels


def _overtaking(way: Way, other: Way, curve: LearningCurve, its: LearningCurve, now: int) -> str:
    more = other.trained - way.trained
    layers = f"{more} more layer{'' if more == 1 else 's'}"
    for times in (1, 2, 4, 8):
        if its.at(times * now).value > curve.at(times * now).value:
            when = "With the labels there are" if times == 1 else f"With {times} times the labels"
            return f"{when}, {layers} could be expected to pay for learning, as in '{other.name}'."
    return (
        "More labels of this kind give no reason to let more layers learn: the best way in which more do, "
        f"'{other.name}' with {layers}, is not expected to overtake."
    )
