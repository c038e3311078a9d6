"""Lines of tables as texts: `.csv`, `.tsv`, `.jsonl` and `.parquet` files, whatever their columns."""

import csv
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from regraft.core.columns import Columns
from regraft.core.errors import DataError, RequestError
from regraft.data import parquet

ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_JSON_LINES = (".jsonl", ".ndjson")
# A longer cell is a quotation mark that was never closed.
_LONGEST = 10_000_000

# Where a row stands, its cells in the order of the columns; or why it cannot be used.
Line = tuple[int, "Sequence[str] | str"]


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """A table that is read once.

    Attributes:
        names: of the columns.
        rows: what each holds; see `Line`.
        word: what the numbers count: `line` or `row`.
    """

    names: tuple[str, ...]
    rows: Iterator[Line]
    word: str


def is_table(path: Path) -> bool:
    """Whether the file is called as tables are."""
    return path.suffix.lower() in ENDINGS and path.is_file()


def read(path: Path, columns: Columns) -> Lines:
    """The columns and the lines of a table.

    Raises:
        DataError: it cannot be read, is empty, or its columns have no names of their own. While lines are read, the
            same.
        RequestError: the encoding is unknown, or a package is missing.
    """
    ending = path.suffix.lower()
    if ending == ".parquet":
        return _parquet(path)
    if ending in _JSON_LINES:
        return _json_lines(path, columns.encoding)
    return _separated(path, columns)


def header(path: Path, encoding: str) -> tuple[str, ...]:
    """What the first line of a table holds, whatever cannot be decoded in it; nothing, where nothing is there.

    Raises:
        DataError: the file cannot be read.
        RequestError: the encoding is unknown, or a package is missing.
    """
    if path.suffix.lower() == ".parquet":
        return _parquet(path).names
    try:
        with _opened(path, encoding, "replace") as file:
            first = file.readline()
    except OSError as error:
        raise DataError(f"cannot read '{path}': {error}") from None
    return tuple(next(csv.reader([first], delimiter=delimiter(path, first)), ()))


def texts(path: Path, encoding: str) -> Iterator[str]:
    """The lines of a text file, without their ends.

    Raises:
        DataError: it cannot be read, or is not of that encoding.
    """
    # Only line feeds end a line: texts of the eighties hold separators that Python would split at.
    for line in _opened_lines(path, encoding):
        yield line.rstrip("\r\n")


def _separated(path: Path, columns: Columns) -> Lines:
    delimiter = _delimiter(path, columns.encoding)
    quoted = _is_quoted(path, columns.encoding, delimiter)
    lines = _cells(path, columns.encoding, delimiter, quoted)
    first = next(lines, None)
    if first is None:
        raise DataError(f"expected a table, found an empty file at '{path}'")
    if columns.header:
        names = _distinct([name.strip() for name in first[1]], path)
    else:
        names = tuple(str(place) for place in range(1, len(first[1]) + 1))
        lines = itertools.chain([first], lines)
    return Lines(names, _of_width(lines, len(names)), "line")


def _cells(path: Path, encoding: str, delimiter: str, quoted: bool) -> Iterator[tuple[int, list[str]]]:
    """The cells of every line that is not empty."""
    source = _opened_lines(path, encoding)
    if not quoted:
        for number, line in enumerate(source, 1):
            if line.strip():
                yield number, [_unquoted(cell) for cell in line.rstrip("\r\n").split(delimiter)]
        return
    before, start = csv.field_size_limit(_LONGEST), 1
    try:
        reader = csv.reader(source, delimiter=delimiter)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"cannot read table '{path}' from line {start}: {error}") from None
    finally:
        csv.field_size_limit(before)


def _of_width(lines: Iterable[tuple[int, list[str]]], width: int) -> Iterator[Line]:
    for number, cells in lines:
        if len(cells) == width:
            yield number, cells
        elif len(cells) < width and not any(cell.strip() for cell in cells[1:]):
            yield number, f"has {len(cells)} cells, expected {width}"
        else:
            hint = "; a cell that holds the separator must stand in quotation marks" if len(cells) > width else ""
            yield number, f"has {len(cells)} cells, expected {width}{hint}"


def _distinct(names: list[str], path: Path) -> tuple[str, ...]:
    # Where row names were written, their column has none.
    named = [name or f"column {place}" for place, name in enumerate(names, 1)]
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise DataError(
            f"expected columns of different names in '{path}', found '{twice}' twice; "
            "if the first line is an example already, say --no-header"
        )
    return tuple(named)


def _delimiter(path: Path, encoding: str) -> str:
    return delimiter(path, next(_opened_lines(path, encoding), ""))


def delimiter(path: Path, first: str) -> str:
    """What separates the cells of a table whose first line this is."""
    return "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=first.count)


def _is_quoted(path: Path, encoding: str, delimiter: str) -> bool:
    """Whether quotation marks hold cells together; in many tables with tabs they are marks like others.

    So it is where every line has as many cells as the first without them.
    """
    if delimiter != "\t":
        return True
    counts = {line.count(delimiter) for line in _opened_lines(path, encoding) if line.strip()}
    return len(counts) > 1


def _unquoted(cell: str) -> str:
    """A cell without the quotation marks that a program put around it, as told by those that it doubled inside."""
    inner = cell[1:-1]
    if len(cell) > 1 and cell[0] == cell[-1] == '"' and '""' in inner and '"' not in inner.replace('""', ""):
        return inner.replace('""', '"')
    return cell


def _opened_lines(path: Path, encoding: str) -> Iterator[str]:
    try:
        with _opened(path, encoding) as file:
            yield from file
    except UnicodeDecodeError as error:
        raise DataError(_undecodable(path, encoding, error)) from None
    except (OSError, UnicodeError) as error:
        raise DataError(f"cannot read '{path}': {error}") from None


def _opened(path: Path, encoding: str, errors: str = "strict") -> IO[str]:
    # A mark of UTF-8 at the beginning is no part of the first name.
    known = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
    try:
        return path.open(encoding=known, errors=errors, newline="\n")
    except LookupError:
        raise RequestError(
            f"unknown encoding '{encoding}'; expected a name such as utf-8, latin-1, cp1252 or utf-16"
        ) from None


def _undecodable(path: Path, encoding: str, error: UnicodeDecodeError) -> str:
    content = path.read_bytes()
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return f"expected {encoding} text in '{path}', found UTF-16; say --encoding utf-16"
    # The error tells of a part of the file only.
    place = content.find(error.object[error.start : error.start + 16])
    line = content[: max(place, 0)].count(b"\n") + 1
    hint = "; say which it is, such as --encoding latin-1 or cp1252" if encoding.lower().startswith("utf") else ""
    return (
        f"expected {encoding} text in '{path}', found the byte 0x{error.object[error.start]:02x} in line {line}{hint}"
    )


def _json_lines(path: Path, encoding: str) -> Lines:
    """All lines are read, because each may have columns of its own."""
    names: dict[str, None] = {}
    found: list[tuple[int, dict[str, str] | str]] = []
    for number, line in enumerate(_opened_lines(path, encoding), 1):
        if line.strip():
            made = _object(line)
            if not isinstance(made, str):
                names |= dict.fromkeys(made)
            found.append((number, made))
    if not names:
        first = f": line {found[0][0]} {found[0][1]}" if found else ""
        raise DataError(f"expected one JSON object a line in '{path}', found none{first}")
    rows = (
        (number, made if isinstance(made, str) else [made.get(name, "") for name in names]) for number, made in found
    )
    return Lines(tuple(names), iter(rows), "line")


def _object(line: str) -> dict[str, str] | str:
    try:
        found: Any = json.loads(line)
    except ValueError as error:
        return f"is not JSON: {error}"
    if not isinstance(found, dict):
        return f"is no JSON object but {type(found).__name__}"
    table = cast(dict[str, Any], found)
    nested = next((name for name, value in table.items() if isinstance(value, (dict, list))), None)
    if nested is not None:
        kind = "an object" if isinstance(table[nested], dict) else "a list"
        return f"has {kind} as '{nested}', expected a text or a number"
    return {name: as_text(value) for name, value in table.items()}


def as_text(value: Any) -> str:
    """A value of JSON or of a column as the text of a cell; nothing, where there is none.

    >>> as_text(None), as_text(True), as_text(2.0), as_text(" a ")
    ('', 'true', '2.0', ' a ')
    """
    if value is None or value != value:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parquet(path: Path) -> Lines:
    def rows() -> Iterator[Line]:
        number = 0
        with parquet.opened(path) as file:
            for batch in file.iter_batches(parquet.BLOCK):
                values = [batch[name].to_pylist() for name in batch.schema.names]
                for cells in zip(*values, strict=True):
                    yield number, [as_text(cell) for cell in cells]
                    number += 1

    with parquet.opened(path) as file:
        names = tuple(file.schema_arrow.names)
    return Lines(names, rows(), "row")
