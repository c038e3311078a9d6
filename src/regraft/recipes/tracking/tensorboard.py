"""A finished run for TensorBoard: an event file, written without TensorBoard and without TensorFlow."""

import itertools
import shutil
from pathlib import Path

from regraft.core import plan, storage
from regraft.core.errors import RequestError
from regraft.core.progress import say
from regraft.core.records import RunRecord
from regraft.formats import events
from regraft.formats.events import Event
from regraft.recipes import run_folder
from regraft.recipes.tracking import figures
from regraft.report.confusion_png import confusion_png

# A table of more classes is not read by anybody; the picture shows where they stand.
_MOST_IN_TABLE = 40


def write(folder: Path, record: RunRecord, out: Path | None = None) -> Path:
    """Write the events of a run, and its report beside them.

    Args:
        folder: of the run.
        record: of the run.
        out: the folder to write to; an event file of before is replaced, so that no figure is there twice. None: a
            place below the run folder.

    Returns:
        The folder.

    Raises:
        RequestError: `out` is a file.
        StorageError: it cannot be written.
    """
    out = out or folder / run_folder.EXPORTED / "tensorboard"
    if out.exists() and not out.is_dir():
        raise RequestError(f"expected a folder for TensorBoard's events, found the file '{out}'; name a folder")
    begun, ended = figures.times(folder, record)
    events.write(out / events.FILE, _events(folder, record, begun, ended))
    report = folder / run_folder.REPORT
    if report.exists():
        storage.write_with(out / run_folder.REPORT, lambda partial: shutil.copyfile(report, partial))
    say(f"TensorBoard draws it: tensorboard --logdir {out}")
    return out


def _events(folder: Path, record: RunRecord, begun: float, ended: float) -> list[Event]:
    points = sorted(figures.curves(record, begun), key=lambda point: point.seconds)
    curves = [events.scalar(point.name, point.value, point.step, point.seconds) for point in points]
    finals = [events.scalar(name, value, 0, ended) for name, value in figures.figures(record).items()]
    texts = {"verdict": record.verdict, "plan": _code(plan.to_toml(record.plan)), "phases": _phases(record)}
    if record.confusion and len(record.classes) <= _MOST_IN_TABLE:
        texts["confusion"] = _table([["actual, then answers", *record.classes], *_rows(record)])
    if record.warnings:
        texts["warnings"] = "\n".join(f"- {_line(warning)}" for warning in record.warnings)
    start, end = events.parameters(figures.parameters(record), str(folder), begun, ended)
    written = [events.text(name, content, ended) for name, content in texts.items() if content]
    return [start, *curves, *finals, *written, *_picture(record, ended), end]


def _picture(record: RunRecord, ended: float) -> list[Event]:
    drawn = confusion_png(record)
    return [] if drawn is None else [events.picture("confusion", drawn.png, drawn.size, ended)]


def _phases(record: RunRecord) -> str:
    """Which steps of the learning curves belong to which phase."""
    rows = [[name, str(first), str(last)] for name, first, last in figures.phases(record)]
    return _table([["phase", "first step", "last step"], *rows]) if rows else ""


def _rows(record: RunRecord) -> list[list[str]]:
    return [[name, *map(str, row)] for name, row in zip(record.classes, record.confusion, strict=False)]


def _table(rows: list[list[str]]) -> str:
    written = [f"| {' | '.join(map(_line, row))} |" for row in rows]
    rule = f"|{' --- |' * len(rows[0])}"
    return "\n".join(itertools.chain(written[:1], [rule], written[1:]))


def _line(content: str) -> str:
    """One cell, or one line, of Markdown."""
    return " ".join(content.replace("|", r"\|").split())


def _code(content: str) -> str:
    return "\n".join(f"    {line}" for line in content.splitlines())
