"""Whether the time that a search keeps for the network from scratch is of any use to it."""

from dataclasses import replace

from regraft.recipes import baselines
from regraft.recipes.baselines import Task, scratch
from regraft.recipes.depth.halving import Study, fitting
from regraft.recipes.depth.recommending import plan_of, tried
from regraft.recipes.depth.timing import Deadline
from regraft.recipes.depth.trying import Trier

# Seconds below which it is not worth measuring: compiling a network and a batch of it take some themselves.
_WORTHWHILE = 10.0


def kept_in_vain(made: Study, trier: Trier, deadline: Deadline) -> bool:
    """Whether that network would be left out even if the search ended now, by what a batch of it takes.

    Args:
        made: the study.
        trier: of its ways.
        deadline: when to be done.

    Returns:
        False also where too little is kept to measure it, where the plan wants it however long it takes, or where
        nothing is known yet that it would be beside.
    """
    if deadline.comparing < _WORTHWHILE or trier.plan.baselines != "auto":
        return False
    ready = [item for item in tried(made, trier) if item.complete]
    if not ready:
        return False
    best = min(ready, key=lambda item: item.trial.log_loss.value).trial
    plan = plan_of(best, trier.plan, len(trier.found.examples.indices("train")))
    fit = fitting(trier, best.way, best.steps)
    task = Task.of(trier.pretrained, trier.found, plan)
    lesson = baselines.lesson_of(trier.found, plan, "test")
    return (
        scratch.left_out(replace(task, left=lambda: deadline.for_comparing - fit), lesson, lesson.training) is not None
    )
