"""A table of pictures: `.csv`, `.tsv` or `.parquet` with columns `path`, `label` and optionally `split`."""

import csv
from pathlib import Path
from typing import Any

from regraft.core.errors import DataError, RequestError, nearest
from regraft.data import files
from regraft.data.found import Found, Label, split_stated

WHAT = "a .csv, .tsv or .parquet table with columns path, label and optionally split"

_ENDINGS = (".csv", ".tsv", ".parquet")
_NEEDED = ("path", "label")

# Of each row: where it stands, for messages, and its values by column.
_Row = tuple[str, dict[str, Any]]


def accepts(data: Any) -> bool:
    """Whether this is a file with one of the endings."""
    return isinstance(data, Path) and data.is_file() and data.suffix.lower() in _ENDINGS


def gather(data: Path, labels: Any = None) -> Found:
    """The pictures that a table lists; relative paths start at the table's folder.

    Args:
        data: the table.
        labels: must be None; the table says them.

    Raises:
        DataError: it cannot be read, or lacks a column.
        RequestError: labels are given.
    """
    if labels is not None:
        raise RequestError(f"labels= is for arrays; the column 'label' of '{data}' says the labels")
    columns, rows = _parquet(data) if data.suffix.lower() == ".parquet" else _text(data)
    for column in _NEEDED:
        if column not in columns:
            raise DataError(
                f"expected columns path and label in '{data}', found no '{column}' but {', '.join(columns) or 'none'}"
                f"{nearest(column, columns)}"
            )
    if not rows:
        raise DataError(f"expected one row per picture in '{data}', found none")
    left_out = tuple(f"{where} of '{data.name}' has no path" for where, row in rows if not _filled(row["path"]))
    rows = [(where, row) for where, row in rows if _filled(row["path"])]
    names = [files.shown(str(row["path"]).strip()) for _, row in rows]
    paths = [data.parent / str(row["path"]).strip() for _, row in rows]
    return Found(
        names=names,
        labels=[_label(row["label"]) for _, row in rows],
        stated=[_split(row.get("split"), f"{where} of '{data}'") for where, row in rows],
        identify=lambda index: files.identify(paths[index], names[index]),
        read=files.reader(paths, names),
        origin=f"'{data}'",
        left_out=left_out,
    )


def _text(path: Path) -> tuple[list[str], list[_Row]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=_delimiter(path, first))
            columns = [column.strip().lower() for column in next(reader, [])]
            rows = [
                (f"line {reader.line_num}", dict(zip(columns, cells + [""] * len(columns), strict=False)))
                for cells in reader
                if any(cell.strip() for cell in cells)
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read table '{path}': {error}; expected UTF-8 text") from None
    return columns, rows


def _delimiter(path: Path, first: str) -> str:
    if path.suffix.lower() == ".tsv":
        return "\t"
    return max(",;\t", key=first.count)


def _parquet(path: Path) -> tuple[list[str], list[_Row]]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise RequestError(f"reading '{path}' needs pyarrow; install it with: pip install 'regraft[parquet]'") from None
    try:
        names: list[str] = parquet.read_schema(path).names
        wanted = [name for name in names if name.strip().lower() in (*_NEEDED, "split")]
        table = parquet.read_table(path, columns=wanted)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"cannot read table '{path}': {str(error).splitlines()[0]}") from None
    rows: list[dict[str, Any]] = table.to_pylist()
    named = [
        (f"row {index}", {column.strip().lower(): value for column, value in row.items()})
        for index, row in enumerate(rows)
    ]
    return [name.strip().lower() for name in names], named


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
