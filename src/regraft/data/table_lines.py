"""Lines of tables as texts: `.csv`, `.tsv`, `.jsonl` and `.parquet` files, whatever their columns."""

import codecs
import csv
import itertools
import json
import string
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

_HEAD = 4096
# What a line of empty cells is made of.
_EMPTY = ',;"' + string.whitespace
# The longer marks come first: that of UTF-32 begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# The share of characters of UTF-16 text whose one byte is 0, from which on it is known as such without a mark.
_ZEROS = 0.3

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
    """What the first line of a table that is not empty holds, whatever cannot be decoded in it; nothing, if none does.

    Raises:
        DataError: the file cannot be read, or is of another encoding.
        RequestError: the encoding is unknown, or a package is missing.
    """
    if path.suffix.lower() == ".parquet":
        return _parquet(path).names
    try:
        _require_encoding(path, encoding)
        with _opened(path, encoding, "replace") as file:
            first = _first(file)
        return tuple(next(csv.reader([first], delimiter=delimiter(path, first)), ()))
    except UnicodeError as error:
        raise DataError(_of_other_encoding(path, encoding, error)) from None
    except OSError as error:
        raise DataError(f"cannot read '{path}': {error}") from None
    except csv.Error as error:
        raise DataError(_unreadable(path, 1, error)) from None


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
    # Empty rows above the names are no names.
    first = next((line for line in lines if not columns.header or _holds_something(line[1])), None)
    if first is None:
        raise DataError(f"expected a table, found an empty file at '{path}'")
    if columns.header:
        names = _distinct([name.strip() for name in first[1]], path)
        second = next(lines, None)
        lines = itertools.chain([second] if second is not None else [], lines)
        _require_separated(path, delimiter, names, second[1] if second is not None else [])
    else:
        names = tuple(str(place) for place in range(1, len(first[1]) + 1))
        lines = itertools.chain([first], lines)
    return Lines(names, _of_width(lines, len(names)), "line")


def _cells(path: Path, encoding: str, delimiter: str, quoted: bool) -> Iterator[tuple[int, list[str]]]:
    """The cells of every line that is not blank; a line of separators alone is a row whose values are all missing."""
    source = _opened_lines(path, encoding)
    if not quoted:
        for number, line in enumerate(source, 1):
            if delimiter in line or line.strip():
                yield number, [_unquoted(cell) for cell in line.rstrip("\r\n").split(delimiter)]
        return
    before, start = csv.field_size_limit(_LONGEST), 1
    try:
        reader = csv.reader(source, delimiter=delimiter)
        for cells in reader:
            if len(cells) > 1 or cells == [""] or _holds_something(cells):
                yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(_unreadable(path, start, error)) from None
    finally:
        csv.field_size_limit(before)


def _holds_something(cells: Iterable[str]) -> bool:
    return any(cell.strip() for cell in cells)


def _unreadable(path: Path, line: int, error: csv.Error) -> str:
    # What Python advises here is for who writes programs.
    returns = "new-line character" in str(error)
    why = "a carriage return stands inside it; save the file with other line ends" if returns else error
    return f"cannot read table '{path}' from line {line}: {why}"


def _require_separated(path: Path, delimiter: str, names: Sequence[str], cells: Sequence[str]) -> None:
    if delimiter != "\t" or len(names) > 1:
        return
    for other, word in ((",", "a comma"), (";", "a semicolon")):
        if other in names[0] and all(cell.count(other) >= names[0].count(other) for cell in cells):
            raise DataError(
                f"expected columns separated by tabs in '{path}', found one column '{names[0][:80]}'; "
                f"the separator seems to be {word}: name the file .csv"
            )


def _of_width(lines: Iterable[tuple[int, list[str]]], width: int) -> Iterator[Line]:
    for number, cells in lines:
        if len(cells) == width:
            yield number, cells
        elif len(cells) < width and not _holds_something(cells[1:]):
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
    return delimiter(path, _first(_opened_lines(path, encoding)))


def _first(lines: Iterable[str]) -> str:
    return next((line for line in lines if line.strip(_EMPTY)), "")


def delimiter(path: Path, first: str) -> str:
    """What separates the cells of a table whose first line this is."""
    return "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=first.count)


def _is_quoted(path: Path, encoding: str, delimiter: str) -> bool:
    """Whether quotation marks hold cells together; in many tables with tabs they are marks like others.

    So it is where every line has as many cells as the first without them.
    """
    if delimiter != "\t":
        return True
    counts = {line.count(delimiter) for line in _opened_lines(path, encoding) if delimiter in line or line.strip()}
    return len(counts) > 1


def _unquoted(cell: str) -> str:
    """A cell without the quotation marks that a program put around it, as told by those that it doubled inside."""
    inner = cell[1:-1]
    if len(cell) > 1 and cell[0] == cell[-1] == '"' and '""' in inner and '"' not in inner.replace('""', ""):
        return inner.replace('""', '"')
    return cell


def _opened_lines(path: Path, encoding: str) -> Iterator[str]:
    try:
        _require_encoding(path, encoding)
        with _opened(path, encoding) as file:
            yield from file
    except UnicodeDecodeError as error:
        raise DataError(_undecodable(path, encoding, error)) from None
    except UnicodeError as error:
        raise DataError(_of_other_encoding(path, encoding, error)) from None
    except OSError as error:
        raise DataError(f"cannot read '{path}': {error}") from None


def _of_other_encoding(path: Path, encoding: str, error: UnicodeError) -> str:
    return f"cannot read '{path}' as {encoding}: {error}; say which encoding it has"


def _opened(path: Path, encoding: str, errors: str = "strict") -> IO[str]:
    # A mark of UTF-8 at the beginning is no part of the first name.
    known = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
    try:
        return path.open(encoding=known, errors=errors, newline="\n")
    except LookupError:
        raise unknown_encoding(encoding) from None


def unknown_encoding(encoding: str) -> RequestError:
    """What to raise where an encoding is said that there is not."""
    return RequestError(f"unknown encoding '{encoding}'; expected a name such as utf-8, latin-1, cp1252 or utf-16")


def _require_encoding(path: Path, encoding: str) -> None:
    """Refuse text of two or four bytes a character where another encoding is said.

    Raises:
        DataError: it is such text.
    """
    if encoding.lower().replace("_", "-").startswith(("utf-16", "utf16", "utf-32", "utf32")):
        return
    with path.open("rb") as file:
        found = _wide(file.read(_HEAD))
    if found is not None:
        raise DataError(f"expected {encoding} text in '{path}', found {found[:6].upper()}; say --encoding {found}")


def _wide(head: bytes) -> str | None:
    r"""Which encoding of two or four bytes a character the beginning of a text is in.

    >>> _wide("a,b".encode("utf-16-le")), _wide("a,b".encode()), _wide(b"one,\x00,two")
    ('utf-16-le', None, None)
    """
    for mark, name in _MARKS.items():
        if head.startswith(mark):
            return name
    zeros = {"utf-16-be": head[0::2].count(0), "utf-16-le": head[1::2].count(0)}
    name = max(zeros, key=zeros.__getitem__)
    # Zeros in both halves are those of other data.
    return name if zeros[name] > _ZEROS * len(head) / 2 and min(zeros.values()) < zeros[name] / 10 else None


def _undecodable(path: Path, encoding: str, error: UnicodeDecodeError) -> str:
    content = path.read_bytes()
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
