"""Data of texts or rows together with what is said of its columns, told apart from lists and folders of pictures."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regraft.core.columns import Columns
from regraft.core.errors import RequestError
from regraft.data import files, table_lines

TEXT_ENDING = ".txt"

_PATH = "path"
_JSON_LINES = (".jsonl", ".ndjson")
# So many files of a folder are looked at to tell texts from pictures.
_LOOKED_AT = 200


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """Data, and what its columns are as far as that was said.

    Attributes:
        data: the path of a table or of a folder of texts, or a data frame.
        columns: what was said.
    """

    data: Any
    columns: Columns


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """A table of pictures, and which of its columns says what belongs together.

    Attributes:
        data: the path of the table.
        group: the name of the column.
    """

    data: Path
    group: str


def described(path: Path, columns: Columns | None, lines: bool = False) -> Path | Described | Pictures:
    """A path that holds texts or rows, with what is said of its columns; any other path as it is.

    Args:
        path: which exists.
        columns: what was said.
        lines: whether a text file counts, as one text a line, and a folder of texts that are in no classes.

    Raises:
        RequestError: columns are said of what has none.
    """
    group = columns.group if columns is not None else None
    if _is_table(path, columns):
        return Described(path, columns or Columns())
    if group is None and (_holds_texts(path, lines) or (lines and is_text(path))):
        return Described(path, columns or Columns())
    if group is not None and table_lines.is_table(path):
        if columns != Columns(group=group):
            raise RequestError(
                f"of the table of pictures '{path}' only the column of groups can be named: the others are called "
                "path, label and split; leave out what else is said of columns"
            )
        return Pictures(path, group)
    if group is not None:
        arrays = "; an .npz file has its groups as an array groups beside x, groups_train beside x_train"
        raise RequestError(
            f"expected a table ({', '.join(table_lines.ENDINGS)}) with a column of groups '{group}', found '{path}'"
            f"{arrays if path.suffix.lower() == '.npz' else ''}"
        )
    if columns is not None:
        raise RequestError(
            f"expected a table ({', '.join(table_lines.ENDINGS)}) or texts, which columns are said of, found '{path}'"
        )
    return path


def is_text(path: Path) -> bool:
    """Whether a file is called as texts are."""
    return path.suffix.lower() == TEXT_ENDING and path.is_file()


def _is_table(path: Path, columns: Columns | None) -> bool:
    """Whether a file is a table of texts or rows: a list of pictures has a column `path`, and nothing is said of it."""
    if not table_lines.is_table(path):
        return False
    said = columns or Columns()
    if said.read or not said.header or path.suffix.lower() in _JSON_LINES:
        return True
    names = [name.strip().lower() for name in table_lines.header(path, said.encoding)]
    # Of an empty file nothing can be told; who reads it says what it expects.
    if _PATH in names or not (names or columns):
        return False
    described_ = columns is not None and (columns.group is None or columns != Columns(group=columns.group))
    return described_ or not _names_pictures(path)


def _names_pictures(path: Path) -> bool:
    """Whether the first line of a table names a picture that is there: its column is only called otherwise."""
    _, first = next(iter(table_lines.read(path, Columns()).rows), (0, ""))
    cells = [] if isinstance(first, str) else [str(cell).strip() for cell in first]
    return any(
        cell and files.looks_like_picture(path.parent / cell) for cell in cells if (path.parent / cell).is_file()
    )


def _holds_texts(path: Path, loose: bool) -> bool:
    """Whether a folder holds text files in its sub-folders, and among the first of them nothing else.

    Args:
        path: perhaps a folder.
        loose: whether such a folder may also hold them itself.
    """
    if not path.is_dir():
        return False
    inner = (file for folder in files.entries(path)[0] for file in files.below(folder))
    return _are_texts(inner) or (loose and _are_texts(files.below(path)))


def _are_texts(found: Iterator[Path]) -> bool:
    some = list(itertools.islice(found, _LOOKED_AT))
    texts = sum(file.suffix.lower() == TEXT_ENDING for file in some)
    # A note among photographs is no text to learn from.
    return texts > 1 and texts == len(some)
