"""Texts and rows that answers are wanted for: the lines of tables, and text files."""

import bisect
import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path

from regraft.core.columns import Columns
from regraft.core.errors import DataError
from regraft.core.progress import warn
from regraft.data import doubts, files, table_lines, table_rows, text_files
from regraft.data.examples import Array
from regraft.data.found import Found
from regraft.data.labels import Labels
from regraft.data.names import Names, Texts
from regraft.data.split import stated


def rows_in(paths: Sequence[Path], columns: Columns) -> Found:
    """The rows of all tables, one after the other, and all text files, each one text; none has a label.

    Args:
        paths: tables, text files, and folders in which every `.txt` file is found, at any depth.
        columns: what is read of a table.

    Raises:
        DataError: a path does not exist, a table lacks a column, or there is nothing at all.
    """
    given = [files.existing(path.expanduser()) for path in paths]
    tables = [path for path in given if table_lines.is_table(path)]
    texts = [file for path in given for file in _texts(path) if path not in tables]
    found = [table_rows.rows_perhaps_labelled(path, dataclasses.replace(columns, label=None)) for path in tables]
    if texts:
        if not columns.of_text and columns.read:
            raise DataError(f"expected tables with the columns {', '.join(columns.read[:4])}, found '{texts[0]}'")
        found.append(_written(texts, columns))
    if not found:
        where = ", ".join(str(path) for path in given[:3]) or "nothing"
        raise DataError(f"expected tables ({', '.join(table_lines.ENDINGS)}) or text files, found {where}")
    left_out = [line for each in found for line in each.left_out]
    if left_out:
        warn(f"left out{doubts.because(left_out)}")
    return found[0] if len(found) == 1 else _joined(found)


def _texts(path: Path) -> list[Path]:
    return list(text_files.text_files(path)) if path.is_dir() else [path]


def _written(texts: Sequence[Path], columns: Columns) -> Found:
    written = text_files.Written(Path(), Texts(str(path) for path in texts), columns.encoding)
    return Found(
        names=Names.of(written.paths),
        labels=Labels.none(len(texts)),
        stated=stated([None] * len(texts)),
        identify=lambda start, stop: [],
        read=written.read,
        origin="text files",
        shape=(1,),
        columns=dataclasses.replace(columns, text=columns.text or table_rows.TEXT),
    )


def _joined(parts: Sequence[Found]) -> Found:
    starts = list(itertools.accumulate((len(part.names) for part in parts), initial=0))
    count = starts.pop()

    def read(index: int, channels: int | None) -> Array:
        place = bisect.bisect_right(starts, index) - 1
        return parts[place].read(index - starts[place], channels)

    names = [f"{part.origin} {name}" for part in parts for name in part.names]
    first = parts[0]
    if any(part.columns is None or part.columns.read != (first.columns or Columns()).read for part in parts):
        raise DataError(
            f"expected the same columns in all of them, found others in {parts[0].origin} and its neighbours"
        )
    return dataclasses.replace(
        first,
        names=Names.of(names),
        labels=Labels.none(count),
        stated=stated([None] * count),
        identify=lambda start, stop: [],
        read=read,
        origin="what is to be predicted",
    )
