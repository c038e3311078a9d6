"""The rows of a table as examples: which of its columns are what, and what their labels and splits are."""

import dataclasses
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core import progress, table_spec
from regraft.core.columns import Columns
from regraft.core.errors import DataError, nearest
from regraft.data import files, groups, table_lines
from regraft.data.cells import Cells, Rows, Shown
from regraft.data.found import Found, one_by_one, split_stated
from regraft.data.labels import Collected, Labels
from regraft.data.names import Names
from regraft.data.split import stated

_LABELS = ("label", "labels", "class", "target", "y")
_TEXTS = ("text", "sentence", "message", "review", "question", "content", "comment")
_SPLIT = "split"
TEXT = "text"
# So many are looked at to tell texts from categories.
_LOOKED_AT = 200
_WORDS = 3.0
# Labels that are hardly ever there twice are amounts, or names.
_FEW, _REPEATED = 20, 0.5


def labelled_rows(path: Path, said: Columns) -> Found:
    """The rows of a table with their labels.

    Raises:
        DataError: it cannot be read, or has no such columns.
    """
    lines, rows, where, left_out = _read(path, said)
    columns = resolved(lines.names, rows, said, f"'{path}'")
    made = _found(path, lines, rows, where, columns, labels_of(lines.names, rows, columns, f"'{path}'"))
    return dataclasses.replace(made, left_out=left_out)


def rows_perhaps_labelled(path: Path, said: Columns) -> Found:
    """The rows of a table, with their labels where it has any.

    Raises:
        DataError: it cannot be read, or has no such columns.
    """
    lines, rows, where, left_out = _read(path, said)
    columns = resolved(lines.names, rows, said, f"'{path}'", labelled=False)
    known = columns.label in lines.names
    labels = labels_of(lines.names, rows, columns, f"'{path}'") if known else Labels.none(len(rows))
    made = _found(path, lines, rows, where, columns, labels)
    return dataclasses.replace(made, left_out=left_out, groups=groups_of(lines.names, rows, columns))


def text_lines(path: Path, columns: Columns) -> Found:
    """The lines of a text file, each a text; empty ones are passed over.

    Raises:
        DataError: it cannot be read, or holds nothing.
    """
    lines = [(number, text) for number, text in enumerate(table_lines.texts(path, columns.encoding), 1) if text.strip()]
    if not lines:
        raise DataError(f"expected texts in '{path}', found none")
    cells = Cells(1, ((text,) for _, text in lines))
    said = Columns(text=columns.text or TEXT, encoding=columns.encoding)
    return rows_found(cells, [number for number, _ in lines], "line", said, Labels.none(len(lines)), f"'{path}'")


_Rows = list[Sequence[str]]


def _read(path: Path, said: Columns) -> tuple[table_lines.Lines, _Rows, Sequence[int], tuple[str, ...]]:
    """The table, its rows, where each stands, and a line for each that cannot be used."""
    lines = table_lines.read(path, said)
    rows, where, left_out = _Rows(), array("Q"), list[str]()
    for number, cells in lines.rows:
        if isinstance(cells, str):
            left_out.append(f"{lines.word} {number} of '{path.name}' {cells}")
        else:
            rows.append(cells)
            where.append(number)
    if not rows:
        first = f": {left_out[0]}" if left_out else ""
        raise DataError(f"expected rows in '{path}', found none that can be read{first}")
    return lines, rows, where, tuple(left_out)


def _found(
    path: Path, lines: table_lines.Lines, rows: _Rows, where: Sequence[int], columns: Columns, labels: Labels
) -> Found:
    places = [lines.names.index(name) for name in columns.read]
    cells = Cells(len(places), ([cells[place] for place in places] for cells in rows))
    made = rows_found(cells, where, lines.word, columns, labels, f"'{path}'")
    return dataclasses.replace(made, stated=_splits(lines, rows, where, columns, path))


def rows_found(cells: Cells, where: Sequence[Any], word: str, columns: Columns, labels: Labels, origin: str) -> Found:
    """Examples of cells.

    Args:
        cells: the rows.
        where: of each row a number, or a name.
        word: what stands before a number.
        columns: what the cells are.
        labels: of each row.
        origin: what was opened.
    """
    rows = Rows(cells, Shown(cells, where, word, columns.of_text), columns)
    return Found(
        names=Names(rows.names),
        labels=labels,
        stated=stated([None] * len(cells)),
        identify=one_by_one(rows.identify()),
        read=rows.read,
        origin=origin,
        shape=(cells.width,),
        columns=columns,
    )


def resolved(
    names: Sequence[str], rows: Sequence[Sequence[str]], said: Columns, origin: str, labelled: bool = True
) -> Columns:
    """What the columns of a table are, all of it stated.

    Where labels must be there a column of groups need not: it is looked at only to leave it aside.

    Raises:
        DataError: a column is not there, or none is called as labels are, or the one of groups is another one too.
    """
    needed = (said.label,) if labelled else (said.group,)
    for name in (*needed, said.text, *said.features, *said.categories):
        if name is not None and name not in names:
            raise DataError(f"expected a column '{name}' in {origin}, found {_listed(names)}{nearest(name, names)}")
    label = said.label or _called(names, _LABELS)
    if not labelled and said.label is None and label is not None and _are_amounts(names, rows, label):
        # Where labels need not be there, a column of amounts is one like others, whatever it is called.
        different = _different(names, rows, label)
        progress.warn(
            f"the column '{label}' of {origin} is not taken for labels: it has {different:,} different values in "
            f"{len(rows):,} rows"
        )
        label = None
    split = next((name for name in names if name.strip().lower() == _SPLIT), None)
    groups.refuse(said.group, {label: "labels", split: "splits"}, origin)
    if labelled and label is None:
        raise DataError(
            f"expected a column of labels in {origin}, found {_listed(names)}; name it with --label-column"
            f"{_no_header(names, said)}"
        )
    if said.text is not None:
        return dataclasses.replace(said, label=label)
    others = said.features or tuple(name for name in names if name not in (label, split, said.group))
    if not others:
        beside = "the labels" if said.group is None else "labels and groups"
        raise DataError(f"expected columns beside {beside} in {origin}, found only {_listed(names)}")
    text = None if said.features or said.categories else _text_among(names, rows, others)
    if text is not None:
        ignored = f"; {len(others) - 1} other columns are not looked at" if len(others) > 1 else ""
        progress.say(f"the column '{text}' of {origin} is read as text{ignored}")
        return dataclasses.replace(said, label=label, text=text)
    return dataclasses.replace(said, label=label, features=others)


def _are_amounts(names: Sequence[str], rows: Sequence[Sequence[str]], label: str) -> bool:
    return len(rows) >= _FEW and _different(names, rows, label) > _REPEATED * len(rows)


def _different(names: Sequence[str], rows: Sequence[Sequence[str]], column: str) -> int:
    place = names.index(column)
    return len({row[place].strip() for row in rows})


def _called(names: Sequence[str], known: Sequence[str]) -> str | None:
    lower = {name.strip().lower(): name for name in reversed(names)}
    return next((lower[name] for name in known if name in lower), None)


def _text_among(names: Sequence[str], rows: Sequence[Sequence[str]], others: Sequence[str]) -> str | None:
    """The column that is called as texts are, or the only one, if it holds words."""
    called = _called(others, _TEXTS)
    only = called or (others[0] if len(others) == 1 else None)
    if only is None:
        return None
    place = names.index(only)
    words = [len(row[place].split()) for row in rows[:_LOOKED_AT]]
    return only if called or float(np.mean(words)) >= _WORDS else None


def labels_of(names: Sequence[str], rows: Sequence[Sequence[str]], columns: Columns, origin: str) -> Labels:
    """The labels of rows.

    Raises:
        DataError: hardly any of them is there twice.
    """
    place = names.index(columns.label or "")
    collected = Collected()
    for row in rows:
        word = row[place].strip()
        collected.add(None if table_spec.missing(word) else files.shown(word))
    made = collected.labels()
    if _are_amounts(names, rows, columns.label or ""):
        raise DataError(
            f"expected classes in the column '{columns.label}' of {origin}, found {len(made.values):,} different "
            f"values in {len(rows):,} rows, such as '{made.values[0]}'; name the column of classes with --label-column"
        )
    return made


def groups_of(names: Sequence[str], rows: Sequence[Sequence[str]], columns: Columns) -> Labels | None:
    """The groups of rows; None where no column of them was said."""
    if columns.group is None:
        return None
    place = names.index(columns.group)
    words = (row[place].strip() for row in rows)
    return Labels.of(None if table_spec.missing(word) else files.shown(word) for word in words)


def _splits(
    lines: table_lines.Lines, rows: Sequence[Sequence[str]], where: Sequence[int], columns: Columns, path: Path
) -> Any:
    name = next((name for name in lines.names if name.strip().lower() == _SPLIT), None)
    if name is None or name in columns.read or name == columns.label:
        return stated([None] * len(rows))
    place = lines.names.index(name)
    return stated(
        split_stated(row[place], f"{lines.word} {number} of '{path}'") if row[place].strip() else None
        for number, row in zip(where, rows, strict=True)
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(name[:40] for name in names[:8])
    return f"{shown}{f' and {len(names) - 8} more' if len(names) > 8 else ''}"


def _no_header(names: Sequence[str], said: Columns) -> str:
    """A hint, where the first line looks like an example."""
    numbers = any(name.strip().replace(".", "", 1).lstrip("-").isdigit() for name in names)
    long = any(len(name.split()) > _WORDS for name in names)
    return (
        "; the first line looks like an example: if it is one, say --no-header"
        if said.header and (numbers or long)
        else ""
    )
