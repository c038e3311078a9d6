"""A finished run for TensorBoard: an event file, written without TensorBoard and without TensorFlow."""

import itertools
import shutil
from pathlib import Path

from regraft.core import plan, storage
from regraft.core.depth import DepthRecord
from regraft.core.errors import RequestError
from regraft.core.progress import say
from regraft.core.records import RunRecord
from regraft.formats import events
from regraft.formats.events import Event
from regraft.recipes import run_folder
from regraft.recipes.depth import folder as searches
from regraft.recipes.tracking import figures, tables
from regraft.report.confusion_png import confusion_png

# A table of more classes is not read by anybody; the picture shows where they stand.
_MOST_IN_TABLE = 40


def write(folder: Path, record: RunRecord, out: Path | None = None) -> Path:
    """Write the events of a run, and its report beside them, with the page of the search that led to it, if one did.

    Args:
        folder: of the run.
        record: of the run.
        out: the folder to write to; an event file of before is replaced, so that no figure is there twice. None: a
            place below the run folder.

    Returns:
        The folder.

    Raises:
        RequestError: `out` is a file.
        CorruptFileError: the record of the search that led to the run is damaged.
        StorageError: it cannot be written.
    """
    out = out or folder / run_folder.EXPORTED / "tensorboard"
    if out.exists() and not out.is_dir():
        raise RequestError(f"expected a folder for TensorBoard's events, found the file '{out}'; name a folder")
    begun, ended = figures.times(folder, record)
    events.write(out / events.FILE, _events(folder, record, searches.read(folder), begun, ended))
    for page in (run_folder.REPORT, searches.PAGE):
        if (folder / page).exists():
            storage.write_with(out / page, lambda partial, page=page: shutil.copyfile(folder / page, partial))
    say(f"TensorBoard draws it: tensorboard --logdir {out}")
    return out


def _events(folder: Path, record: RunRecord, search: DepthRecord | None, begun: float, ended: float) -> list[Event]:
    points = sorted(figures.curves(record, begun, search), key=lambda point: point.seconds)
    curves = [events.scalar(point.name, point.value, point.step, point.seconds) for point in points]
    finals = [events.scalar(name, value, 0, ended) for name, value in figures.figures(record, search).items()]
    texts = {"verdict": record.verdict, "plan": _code(plan.to_toml(record.plan)), "phases": _phases(record)}
    if record.confusion and len(record.classes) <= _MOST_IN_TABLE:
        texts["confusion"] = _table(tables.confusion(record, "actual, then answers"))
    texts |= {name: _table(rows) for name, rows in tables.tables(record, search).items()}
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


def _table(rows: list[list[str]]) -> str:
    written = [f"| {' | '.join(map(_line, row))} |" for row in rows]
    rule = f"|{' --- |' * len(rows[0])}"
    return "\n".join(itertools.chain(written[:1], [rule], written[1:]))


def _line(content: str) -> str:
    """One cell, or one line, of Markdown."""
    return " ".join(content.replace("|", r"\|").split())


def _code(content: str) -> str:
    return "\n".join(f"    {line}" for line in content.splitlines())
