"""The ways to choose among, judged again on other divisions of the examples into folds.

Which examples fall into which fold is chance, and moves the figures of all ways. The mean over several divisions has
less of it. The answers of a way to one example are not independent, so that however many there are they count as one:
intervals that took each of them for an example of its own would be far too narrow (Nadeau and Bengio 2003).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from regraft.core import metrics
from regraft.core.progress import track, warn
from regraft.recipes.depth.halving import LESSONS_OF_A_FIT, Study
from regraft.recipes.depth.recommending import Tried, finalists, right, weighed
from regraft.recipes.depth.timing import Deadline
from regraft.recipes.depth.trying import Interrupted, Trier

Array = np.ndarray[Any, Any]


def repeated(
    made: Study, trier: Trier, found: Sequence[Tried], repeats: int, deadline: Deadline
) -> tuple[list[Tried], bool]:
    """The same, what is chosen among judged on so many divisions; on fewer where time is up, but all on as many.

    Args:
        made: the study.
        trier: of the first division.
        found: everything that was tried.
        repeats: divisions, the first among them.
        deadline: nothing is begun that would not be done by then, the fit included.

    Returns:
        All of them, and whether the user ended it before its time.
    """
    interrupted = False
    best = list(finalists(found).values())
    divisions: list[list[Tried]] = []
    try:
        for number in track(range(1, repeats), "divisions into folds", total=repeats - 1):
            other = trier.divided(number)
            if not deadline.allows(_expected(other, best)):
                break
            folds = other.lessons.judged_by
            divisions.append([weighed(made, other, item.trial.way, item.rung, folds) for item in best])
    except Interrupted:
        interrupted = True
    if len(divisions) + 1 < repeats:
        why = "the search was ended by hand" if interrupted else "one more would have taken longer than there was time"
        warn(f"ways were judged on {len(divisions) + 1} of {repeats} divisions into folds: {why}")
    again = {id(item): [each[place] for each in divisions] for place, item in enumerate(best)}
    return [together(item, again.get(id(item), ()), trier) for item in found], interrupted


def together(item: Tried, again: Sequence[Tried], trier: Trier) -> Tried:
    """A way with its figures over several divisions: the mean of each example's, and as many examples as there are.

    Args:
        item: what it came to on the first division.
        again: on others.
        trier: of the first.
    """
    if not again:
        return item
    every, labels = (item, *again), trier.lessons.labels
    losses, shares = _means([each.losses for each in every]), _means([right(each, labels) for each in every])
    trial = replace(
        item.trial,
        examples=len(losses),
        accuracy=metrics.accuracy(shares),
        log_loss=metrics.log_loss(losses, trier.plan.seed),
        seconds=sum(each.trial.seconds for each in every),
        divisions=len(every),
    )
    return replace(item, trial=trial, again=tuple(again), known=all(each.known for each in every))


def _means(values: Sequence[Array]) -> Array:
    """Of each example that was judged at all, over the divisions that it was judged on."""
    stacked = np.stack(values)
    return np.nanmean(stacked[:, ~np.isnan(stacked).all(axis=0)], axis=0)


def _expected(trier: Trier, best: Sequence[Tried]) -> float:
    """Seconds that a division takes, with the fit of one of the ways."""
    lessons = [trier.expected(item.trial.way, item.rung.steps) for item in best]
    return len(trier.lessons.judged_by) * sum(lessons) + LESSONS_OF_A_FIT * max(lessons)
