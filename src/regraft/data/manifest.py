"""A table of pictures: `.csv`, `.tsv` or `.parquet` with columns `path`, `label` and optionally `split`."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core.errors import DataError, RequestError, nearest
from regraft.data import files, groups, parquet, table_lines
from regraft.data.described import Pictures
from regraft.data.found import Found, one_by_one, split_stated
from regraft.data.labels import Collected, Label
from regraft.data.names import Texts
from regraft.data.split import stated

WHAT = "a .csv, .tsv or .parquet table with columns path, label and optionally split"

_ENDINGS = (".csv", ".tsv", ".parquet")
_NEEDED = ("path", "label")
_KNOWN = (*_NEEDED, "split")

# Of each row: where it stands, for messages, and what it says as path, label, split and group.
_Row = tuple[str, Any, Any, Any, Any]


def accepts(data: Any) -> bool:
    """Whether this is a file with one of the endings, or one of whose groups something is said."""
    if isinstance(data, Pictures):
        return accepts(data.data)
    return isinstance(data, Path) and data.is_file() and data.suffix.lower() in _ENDINGS


def gather(data: Path | Pictures, labels: Any = None) -> Found:
    """The pictures that a table lists; relative paths start at the table's folder.

    Args:
        data: the table; a column of groups is not looked at.
        labels: must be None; the table says them.

    Raises:
        DataError: it cannot be read, or lacks a column.
        RequestError: labels are given.
    """
    path = data.data if isinstance(data, Pictures) else data
    if labels is not None:
        raise RequestError(f"labels= is for arrays; the column 'label' of '{path}' says the labels")
    return _gathered(path, _NEEDED)


def _gathered(data: Path, needed: Sequence[str], group: str | None = None) -> Found:
    paths, collected, together, splits = Texts(), Collected(), Collected(), bytearray()
    left_out: list[str] = []
    rows = (_parquet if data.suffix.lower() == ".parquet" else _text)(data, needed, group)
    for where, path, label, split, of_group in rows:
        if not _filled(path):
            left_out.append(f"{where} of '{data.name}' has no path")
            continue
        paths.append(str(path).strip())
        collected.add(_label(label))
        together.add(_label(of_group))
        splits += stated([_split(split, f"{where} of '{data}'")]).tobytes()
    if not len(paths) and not left_out:
        raise DataError(f"expected one row per picture in '{data}', found none")
    listed = files.Listed(data.parent, paths)
    return Found(
        names=listed.names(),
        labels=collected.labels(),
        stated=np.frombuffer(splits, np.uint8),
        identify=one_by_one(listed.identify),
        read=listed.read,
        origin=f"'{data}'",
        left_out=tuple(left_out),
        groups=None if group is None else together.labels(),
    )


def unlabelled(data: Path | Pictures) -> Found:
    """The pictures that a table lists; the column `label` may be absent, and any of its cells empty.

    Raises:
        DataError: it cannot be read, or has no column `path`, or none of groups where one was named.
    """
    if isinstance(data, Pictures):
        return _gathered(data.data, ("path",), data.group)
    return _gathered(data, ("path",))


def _places(columns: Sequence[str], path: Path, needed: Sequence[str], group: str | None) -> list[int | None]:
    """Where path, label, split and group are; of columns with the same name the last one counts."""
    places = {name.strip().lower(): place for place, name in enumerate(columns)}
    for column in needed:
        if column not in places:
            named = f"columns {' and '.join(needed)}" if len(needed) > 1 else f"a column {needed[0]}"
            raise DataError(
                f"expected {named} in '{path}', found no '{column}' but {', '.join(places) or 'none'}"
                f"{nearest(column, places)}"
            )
    found = [places.get(column) for column in _KNOWN]
    if group is None:
        return [*found, None]
    return [*found, _place_of_groups([name.strip() for name in columns], path, group, found)]


def _place_of_groups(columns: Sequence[str], path: Path, group: str, found: Sequence[int | None]) -> int:
    """Where the groups are, beside path, label and split that were found."""
    if group not in columns:
        others = [name for name in columns if name.lower() not in _KNOWN]
        raise DataError(f"expected a column '{group}' in '{path}', found {', '.join(columns)}{nearest(group, others)}")
    places = zip(found, ("paths", "labels", "splits"), strict=True)
    groups.refuse(group, {columns[place]: word for place, word in places if place is not None}, f"'{path}'")
    return columns.index(group)


def _text(path: Path, needed: Sequence[str], group: str | None) -> Iterator[_Row]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=table_lines.delimiter(path, first))
            columns = next((cells for cells in reader if cells), None)
            if columns is None:
                raise DataError(f"expected a table, found an empty file at '{path}'")
            places = _places(columns, path, needed, group)
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    path_, label, split, of_group = (
                        cells[place] if place is not None and place < len(cells) else "" for place in places
                    )
                    yield f"line {reader.line_num}", path_, label, split, of_group
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read table '{path}': {error}; expected UTF-8 text") from None


def _parquet(path: Path, needed: Sequence[str], group: str | None) -> Iterator[_Row]:
    with parquet.opened(path) as file:
        names: list[str] = file.schema_arrow.names
        places = _places(names, path, needed, group)
        row = 0
        wanted = [names[place] for place in places if place is not None]
        for batch in file.iter_batches(parquet.BLOCK, columns=wanted):
            values = [[None] * len(batch) if place is None else batch[names[place]].to_pylist() for place in places]
            for cells in zip(*values, strict=True):
                yield f"row {row}", *cells
                row += 1


def _filled(value: Any) -> bool:
    return value is not None and value == value and bool(str(value).strip())


def _label(value: Any) -> Label | None:
    if not _filled(value):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return files.shown(str(value).strip())


def _split(value: Any, where: str) -> str | None:
    return split_stated(str(value), where) if _filled(value) else None
