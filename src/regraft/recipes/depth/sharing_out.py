"""Several processes that try ways of one search, each with its part of the machine."""

import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from regraft.core import interruption
from regraft.core import plan as plans
from regraft.core.errors import WorkError
from regraft.recipes.depth import halving
from regraft.recipes.depth.halving import Ladder
from regraft.recipes.depth.timing import Deadline
from regraft.recipes.depth.trying import Interrupted

# Read by the frameworks where they are loaded: processes that each want the whole machine would wait for each other.
_THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")


@dataclass(frozen=True, slots=True)
class Task:
    """What another process needs to take part.

    Attributes:
        plan: of the search, as TOML; its data and source are files.
        cache: the folder of activations and answers.
        study: the folder of the search's state.
        hidden: widths of new upper layers that are tried.
        taps: whether heads that read a lower cut point as well are tried.
        ladder: steps and rates.
        until: the moment, by the clock of the machine, at which to be done; None: no bound.
    """

    plan: str
    cache: Path
    study: Path
    hidden: tuple[tuple[int, ...], ...]
    taps: bool
    ladder: Ladder
    until: float | None


def work(task: Task, jobs: int) -> None:
    """Let so many processes try ways until none is waiting or time is up.

    Raises:
        Interrupted: the user wants an answer now: Ctrl-C on a terminal is for all of them, which end what they are at.
        WorkError: all of them failed.
    """
    context = multiprocessing.get_context("spawn")
    before = {name: os.environ.get(name) for name in _THREADS}
    share = str(max(1, (os.cpu_count() or 1) // jobs))
    os.environ.update(dict.fromkeys(_THREADS, share))
    try:
        processes = [context.Process(target=take_part, args=(task,)) for _ in range(jobs)]
        for process in processes:
            process.start()
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    with interruption.noted(halving.STOPPING) as stopping:
        for process in processes:
            process.join()
        if stopping():
            raise Interrupted
    failed = [process.exitcode for process in processes if process.exitcode]
    if len(failed) == jobs:
        raise WorkError(f"all {jobs} processes of the search failed; run it with one job to see why")


def take_part(task: Task) -> None:
    """Try ways of a search that another process began."""
    # Here, so that a new process knows how many threads it has before it loads a framework.
    from regraft import data as data_room
    from regraft.activations.store import Store
    from regraft.recipes.depth.searching import prepare
    from regraft.recipes.running import open_for

    plan = plans.from_toml(task.plan)
    try:
        examples = data_room.open(
            plan.data, split=plan.split, strict=plan.strict, lenient=plan.lenient, columns=plan.columns
        )
        prepared = prepare(open_for(plan, None), examples, plan, Store(task.cache), task.hidden, task.taps)
        deadline = Deadline(None if task.until is None else max(0.0, task.until - time.time()))
        halving.work(halving.attach(task.study, prepared.ways, task.ladder), prepared.trier, deadline)
    except (Interrupted, KeyboardInterrupt):
        # Whoever waits for this process was told as well.
        return


def widths(given: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    """New upper layers, as plain tuples."""
    return tuple(tuple(int(width) for width in each) for each in given)
