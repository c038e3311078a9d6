"""A depth search, told on a terminal."""

import math

from regraft.cli.text import counted, facts, paragraph, seconds, share, share_interval, table
from regraft.core.depth import DepthRecord, Trial
from regraft.core.errors import legible
from regraft.core.records import Metric
from regraft.report.depth_reading import Standing, sentence, standing
from regraft.report.naming import shortened

WIDTH = 100
MOST_ROWS = 20
_STANDINGS: dict[Standing, str] = {
    "recommended": "recommended",
    "alike": "as good",
    "worse": "",
    "unfinished": "left early",
}
_HEADS = ("way", "accuracy", "95 % interval", "frozen", "learn", "time", "")


def lines(record: DepthRecord) -> list[str]:
    """What a search found: the ways, the simpler ones beside them, what it took, and the answer last.

    Args:
        record: of the search.

    Returns:
        Lines of at most `WIDTH` columns; no mark in them but words and figures.
    """
    blocks = [
        _ways(record),
        _simpler(record),
        facts(_facts(record)),
        *([paragraph(record.verdict)] if record.verdict else []),
        paragraph(record.recommended.sentence),
    ]
    return "\n\n".join(block for block in blocks if block).splitlines()


def _ways(record: DepthRecord) -> str:
    shown = record.table[:MOST_ROWS]
    figures = [_HEADS[1:], *(_row(record, trial) for trial in shown)]
    # What names may take is what the figures leave.
    room = WIDTH - 2 - sum(max(map(len, column)) + 2 for column in zip(*figures, strict=True))
    names = [_HEADS[0], *(shortened(legible(trial.way.name), room) for trial in shown)]
    rows = [(name, *row) for name, row in zip(names, figures, strict=True)]
    heading = f"ways of reusing {record.source}, judged on examples that were left out"
    left_out = len(record.table) - len(shown)
    more = f"\n  and {counted(left_out, 'more way', 'more ways')} on the page" if left_out else ""
    return f"{paragraph(heading)}\n{table(rows, right=range(1, len(_HEADS) - 1))}{more}"


def _row(record: DepthRecord, trial: Trial) -> tuple[str, ...]:
    return (
        share(trial.accuracy.value),
        share_interval(trial.accuracy),
        str(trial.way.frozen),
        str(trial.way.tuned),
        seconds(trial.seconds) if math.isfinite(trial.seconds) else "-",
        _STANDINGS[standing(record, trial)],
    )


def _simpler(record: DepthRecord) -> str:
    if not record.baselines:
        return ""
    ordered = sorted(record.baselines.values(), key=lambda each: -each.accuracy.value)
    rows = [
        [each.name.replace("_", " "), share(each.accuracy.value), share_interval(each.accuracy)] for each in ordered
    ]
    return f"simpler ways\n{table(rows, right=[1, 2])}"


def _facts(record: DepthRecord) -> list[tuple[str, str]]:
    best = record.recommended
    found = [
        (
            "expected",
            f"{share(best.accuracy)} of new examples right ({share_interval(Metric(best.accuracy, best.interval))})",
        )
    ]
    if record.forecast is not None:
        found.append(("labels", sentence(record.forecast.text)))
    found.append(("search", _search(record)))
    if record.warnings:
        found.append(("warnings", f"{len(record.warnings)}, all of them on the page"))
    return found


def _search(record: DepthRecord) -> str:
    said = f"{counted(len(record.table), 'way')} in {counted(len(record.trials), 'trial')}"
    if record.reused_trials:
        said += f", {record.reused_trials:,} of them known from before"
    if (divisions := record.table[0].divisions if record.table else 1) > 1:
        said += f", on {divisions} divisions into folds"
    total = record.seconds.get("total", math.nan)
    if math.isfinite(total):
        said += f"; {seconds(total)}"
        said += f" of {seconds(record.budget)} allowed" if record.budget is not None else ""
    return said
