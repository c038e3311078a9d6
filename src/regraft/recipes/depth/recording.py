"""What a search leaves behind, in its own folder or in that of the run that began with it: a record, and a page."""

from collections.abc import Sequence
from pathlib import Path

from regraft.core import plain, storage
from regraft.core.depth import DepthRecord
from regraft.core.plan import Plan
from regraft.core.records import Baseline, RunRecord
from regraft.data import Examples
from regraft.formats.folders import SEARCH
from regraft.recipes.clock import Clock
from regraft.recipes.depth.searching import Found
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
    """Write both; the page's file, `depth.html`."""
    page = depth_page.write(folder, record)
    storage.write_text(folder / SEARCH, plain.to_json(record))
    return page
