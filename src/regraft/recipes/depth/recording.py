"""What a search leaves behind, in its own folder and in that of the run that it led to: a record, and a page."""

from collections.abc import Sequence
from pathlib import Path

from regraft.core import plain, storage
from regraft.core.depth import DepthRecord
from regraft.core.plan import Plan
from regraft.core.records import Baseline, RunRecord
from regraft.data import Examples
from regraft.recipes.clock import Clock
from regraft.recipes.depth.folder import RECORD
from regraft.recipes.depth.searching import Found
from regraft.recipes.reporting import write_report
from regraft.report import depth_page


def record_of(
    folder: Path,
    plan: Plan,
    examples: Examples,
    found: Found,
    run: RunRecord | None,
    budget: float | None,
    clock: Clock,
    warned: Sequence[str],
) -> DepthRecord:
    """All that is known of a search.

    Args:
        folder: where it is put.
        plan: what all ways have in common.
        examples: that were searched with.
        found: what came of it.
        run: the fit of what was found; None: nothing was fitted.
        budget: seconds; None: no bound.
        clock: what they went to.
        warned: what was warned of.
    """
    baselines: dict[str, Baseline] = dict(run.baselines) if run else {}
    verdict = run.verdict if run else "Whether reuse helps was not measured: nothing was fitted."
    return DepthRecord(
        str(folder),
        plan.source,
        found.stretches,
        found.table,
        found.trials,
        found.probes,
        found.recommended,
        baselines,
        verdict,
        found.forecast,
        found.reused_trials,
        clock.seconds(),
        budget,
        examples.summary(),
        found.plan,
        run.run if run else "",
        tuple(warned),
        dict(run.environment) if run else {},
        found.interrupted or (run is not None and run.interrupted),
    )


def write(folder: Path, record: DepthRecord) -> Path:
    """Write both, into the folder of the run as well, whose own page then shows the depth curve.

    A run is the same whatever led to it, and its folder may go elsewhere alone: what tells how it came about goes with
    it. Its page was drawn when the run was finished, whose figures the search's record has in it, and is drawn again.

    Args:
        folder: of the search, which may be that of the run.
        record: of the search.

    Returns:
        The page of the search in its own folder, `depth.html`.

    Raises:
        StorageError: the disk refused.
    """
    run = Path(record.run) if record.run else None
    for place in dict.fromkeys(each for each in (run, folder) if each is not None):
        depth_page.write(place, record)
        storage.write_text(place / RECORD, plain.to_json(record))
    if run is not None:
        write_report([run])
    return folder / depth_page.DEPTH_PAGE
