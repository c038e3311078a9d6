"""`regraft.depth`: how many layers to reuse, how many of them to freeze, and the fit of what was found."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from regraft import data as data_room
from regraft.activations.store import Store
from regraft.core import durations, storage
from regraft.core import plan as plans
from regraft.core.depth import DepthRecord
from regraft.core.errors import RequestError
from regraft.core.plan import Plan
from regraft.core.progress import collecting_warnings, say
from regraft.data import Examples
from regraft.importers import Pretrained
from regraft.recipes import run_folder
from regraft.recipes.clock import Clock
from regraft.recipes.depth import halving, recording, sharing_out
from regraft.recipes.depth.folder import PLAN, RUN, require_free
from regraft.recipes.depth.halving import Study
from regraft.recipes.depth.searching import prepare, search
from regraft.recipes.depth.sharing_out import Task
from regraft.recipes.depth.timing import Deadline
from regraft.recipes.encoding import encoded
from regraft.recipes.keeping import require_engine
from regraft.recipes.running import describe, lasting, open_for, require_phases
from regraft.recipes.transfer import check_inputs, transfer


def depth(
    data: Any,
    source: str | os.PathLike[str] | keras.Model | Pretrained | None = None,
    *,
    plan: Plan | None = None,
    out: str | os.PathLike[str] | None = None,
    labels: Any = None,
    time_budget: str | float | None = None,
    hidden: Sequence[Sequence[int]] = (),
    taps: bool = False,
    repeats: int = 1,
    jobs: int = 1,
    fit: bool = True,
    forecast: bool = True,
    cache: str | os.PathLike[str] | None = None,
    cache_limit: int | None = None,
) -> DepthRecord:
    """Find how many layers of a pretrained network to reuse, and how many of them to freeze, and fit what was found.

    Args:
        data: see `regraft.fit`.
        source: likewise.
        plan: what all ways have in common, and the source where that is not given.
        out: a new folder for all of it; by default one below `regraft-runs`.
        labels: for data that does not hold them.
        time_budget: seconds, or a text such as `10m`; None: no bound.
        hidden: widths of new layers on top of the reused ones that are to be tried, such as `[(128,)]`.
        taps: whether heads that read a lower cut point as well are to be tried.
        repeats: on how many divisions of the examples into folds the ways are judged that are chosen among.
        jobs: how many processes search; more than one needs data and source that are files.
        fit: whether to fit what is recommended, on all labelled examples.
        forecast: whether to say what more labels would bring.
        cache: folder of the activations and of what ways answered.
        cache_limit: see `regraft.fit`.

    Returns:
        The record; `plan.toml` in its folder is the recommended plan.

    Raises:
        RequestError: the request was wrong.
        WorkError: the work failed.
    """
    widths = sharing_out.widths(hidden)
    if repeats < 1:
        raise RequestError(f"expected one division into folds or more (repeats), found {repeats}")
    if jobs < 1 or (jobs > 1 and not _in_files(data, source, labels)):
        raise RequestError(
            f"expected one job or more, and for more than one examples and a source that are files, found {jobs}"
        )
    seconds = None if time_budget is None else durations.parse(time_budget, "a time budget")
    clock, deadline = Clock(), Deadline(seconds)
    asked = plan if plan is not None else Plan(source=describe(source))
    if plan is not None and source is not None:
        asked = plans.with_source(plan, describe(source))
    require_phases(asked)
    require_engine(asked)
    if out is not None:
        require_free(Path(out))
    with collecting_warnings() as warned:
        with clock.stage("open"):
            examples = data_room.open(
                data,
                labels=labels,
                split=asked.split,
                strict=asked.strict,
                lenient=asked.lenient,
                columns=asked.columns,
            )
            pretrained = encoded(open_for(asked, source), examples, asked)
        named = storage.absolute(data) if isinstance(data, (str, os.PathLike)) else examples.origin
        asked = replace(asked, source=lasting(asked.source, pretrained), data=named, data_digest=examples.digest())
        if examples.columns is not None:
            asked = replace(asked, columns=examples.columns, input=pretrained.inputs)
        folder = Path(out) if out is not None else default_folder(named, asked.source)
        store = Store(Path(cache) if cache else None, cache_limit)
        with run_folder.held(folder):
            with clock.stage("activations"):
                check_inputs(pretrained, examples)
                prepared = prepare(pretrained, examples, asked, store, widths, taps)
            if fit:
                # Only now: how long it took so far tells how long the report will take.
                deadline.reserve(compared=asked.baselines != "no")

            def work(study: Study) -> None:
                if jobs == 1:
                    halving.work(study, prepared.trier, deadline)
                else:
                    until = None if seconds is None else time.time() + deadline.left
                    written = plans.to_toml(asked)
                    task = Task(written, store.folder.parent, prepared.study, widths, taps, study.ladder, until)
                    sharing_out.work(task, jobs)

            with clock.stage("search"):
                found = search(prepared, deadline, work, forecasts=forecast, repeats=repeats)
            say(found.recommended.sentence)
            plans.write(folder / PLAN, found.plan)
            record = recording.record_of(folder, asked, examples, found, seconds, clock, warned)
            if fit:
                record = _fitted(pretrained, examples, record, store, clock, deadline)
            recording.write(folder, record)
    return record


def _in_files(data: Any, source: Any, labels: Any) -> bool:
    return (
        labels is None and isinstance(data, (str, os.PathLike)) and isinstance(source, (str, os.PathLike, type(None)))
    )


def default_folder(data: str, source: str) -> Path:
    """A new folder below `regraft-runs` for a search."""
    made = run_folder.default_folder(data, source)
    return made.with_name(f"depth-{made.name}")


def _fitted(
    pretrained: Pretrained, examples: Examples, record: DepthRecord, store: Store, clock: Clock, deadline: Deadline
) -> DepthRecord:
    """The record of a search with the fit of what it found."""
    folder = Path(record.folder) / RUN
    _, run = transfer(pretrained, examples, record.plan, folder, store, clock, record.warnings, deadline, search=record)
    return recording.fitted(record, run)
