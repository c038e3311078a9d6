"""What more labels would bring: the same ways with fewer of them, and the curve through it."""

import numpy as np

from regraft.core import learning_curve, metrics
from regraft.core.depth import Forecast, Trial, Way
from regraft.recipes.depth.recommending import Tried
from regraft.recipes.depth.timing import Deadline
from regraft.recipes.depth.trying import LEAST, Trier

# Parts of the labels that are learnt from, besides all of them.
_PARTS = (LEAST, 0.5)
_FOLDS = 2


def forecast(item: Tried, deeper: Tried | None, trier: Trier, deadline: Deadline) -> Forecast | None:
    """Learn again from a quarter and a half of the labels, and say what twice as many would bring.

    Args:
        item: the recommended way.
        deeper: the best of those that train more layers, if there is one: with more labels it may overtake.
        trier: of both.
        deadline: nothing is begun that would not be done by then.

    Returns:
        None where there is no time for it.
    """
    curve = _curve(item, trier, deadline)
    if curve is None:
        return None
    now = curve.sizes[-1]
    text = f"{curve.text[0].upper()}{curve.text[1:]}."
    if deeper is not None and (other := _curve(deeper, trier, deadline)) is not None:
        text = f"{text} {_overtaking(item.trial.way, deeper.trial.way, curve, other)}"
    measured = tuple(
        metrics.accuracy(np.arange(judged) < round(value * judged))
        for value, judged in zip(curve.accuracies, curve.judged, strict=True)
    )
    return Forecast(curve.sizes, measured, {round(now * times): curve.at(now * times) for times in (1, 2, 4)}, text)


def _curve(item: Tried, trier: Trier, deadline: Deadline) -> learning_curve.LearningCurve | None:
    folds = trier.lessons.judged_by[:_FOLDS]
    way, trial = item.trial.way, item.trial
    if not deadline.allows(len(folds) * len(_PARTS) * trier.expected(way, trial.steps)):
        return None
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


def _overtaking(way: Way, deeper: Way, curve: learning_curve.LearningCurve, other: learning_curve.LearningCurve) -> str:
    for times in (1, 2, 4, 8):
        if other.at(times * other.sizes[-1]).value > curve.at(times * curve.sizes[-1]).value:
            more = deeper.trained - way.trained
            when = "With the labels there are" if times == 1 else f"With {times} times the labels"
            return f"{when}, {more} more layer{'' if more == 1 else 's'} could be expected to pay for learning."
    return "More labels of this kind give no reason to let more layers learn."
