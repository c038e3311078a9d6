"""What a search leaves behind, in its own folder and in that of the run that it led to: a record, and a page.

The run's folder has the record from the moment when the run begins, so that whoever goes on with a run that was killed
knows what led to it.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from regraft.core import plain, storage
from regraft.core.depth import DepthRecord
from regraft.core.plan import Plan
from regraft.core.records import RunRecord
from regraft.data import Examples
from regraft.recipes.clock import Clock
from regraft.recipes.depth.folder import RECORD, begun_with
from regraft.recipes.depth.recommending import plan_of
from regraft.recipes.depth.searching import Found
from regraft.report import depth_page


def record_of(
    folder: Path,
    plan: Plan,
    examples: Examples,
    found: Found,
    budget: float | None,
    clock: Clock,
    warned: Sequence[str],
) -> DepthRecord:
    """All that is known of a search, before anything is fitted.

    Args:
        folder: where it is put.
        plan: what all ways have in common.
        examples: that were searched with.
        found: what came of it.
        budget: seconds; None: no bound.
        clock: what they went to.
        warned: what was warned of.
    """
    return DepthRecord(
        str(folder),
        plan.source,
        found.stretches,
        found.table,
        found.trials,
        found.probes,
        found.recommended,
        {},
        "Whether reuse helps was not measured: nothing was fitted.",
        found.forecast,
        found.reused_trials,
        clock.seconds(),
        budget,
        examples.summary(),
        found.plan,
        warnings=tuple(warned),
        interrupted=found.interrupted,
    )


def fitted(search: DepthRecord, run: RunRecord) -> DepthRecord:
    """The same with the fit of what was found, which has warned of all that the search had, and counted its time."""
    total = run.seconds["total"]
    return replace(
        search,
        baselines=dict(run.baselines),
        verdict=run.verdict,
        seconds={**search.seconds, "fit": total - search.seconds["total"], "total": total},
        run=run.run,
        warnings=run.warnings,
        environment=dict(run.environment),
        interrupted=search.interrupted or run.interrupted,
        fitted=run.metrics[run.evaluated_on].accuracy,
    )


def gone_on_from(folder: Path, asked: Plan, budget: float | None, training: int) -> DepthRecord | None:
    """The search that a run which was begun in a folder goes by, if it is what is asked for again.

    Args:
        folder: of the run, perhaps not there yet.
        asked: the plan that the search ended with, or with a budget the one that it began with.
        budget: seconds for the search and the fit; None: no search is asked for.
        training: how many training examples there are.

    Returns:
        The record, with the examples where they lie now; None: there was no search, or it was of something else.

    Raises:
        CorruptFileError: the record is damaged.
    """
    kept = begun_with(folder)
    if kept is None or budget not in (None, kept.budget):
        return None
    plan = asked if budget is None else plan_of(kept.table[0], asked, training)
    return replace(kept, plan=plan) if replace(kept.plan, data=plan.data) == plan else None


def write(folder: Path, record: DepthRecord) -> Path:
    """Write both.

    Args:
        folder: of the search, or of the run that it led to: what tells how a run came about goes wherever it goes.
        record: of the search.

    Returns:
        The page of the search, `depth.html`.

    Raises:
        StorageError: the disk refused.
    """
    page = depth_page.write(folder, record)
    storage.write_text(folder / RECORD, plain.to_json(record))
    return page
