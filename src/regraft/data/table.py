"""Texts, or rows of numbers and categories: `.csv`, `.tsv`, `.jsonl` or `.parquet`, each with a column of labels."""

import dataclasses
from pathlib import Path
from typing import Any

from regraft.core.errors import RequestError
from regraft.data import table_rows
from regraft.data.described import Described, is_text
from regraft.data.found import Found

WHAT = "a .csv, .tsv, .jsonl or .parquet table of texts, or of numbers and categories, with a column of labels"


def accepts(data: Any) -> bool:
    """Whether this is a table with what is said of its columns."""
    return isinstance(data, Described) and isinstance(data.data, Path) and data.data.is_file()


def gather(data: Described, labels: Any = None) -> Found:
    """The rows of a table.

    Args:
        data: the table.
        labels: the name of the column of labels; None: as the columns say, or the one that is called so.

    Raises:
        DataError: it cannot be read, or has no such columns.
        RequestError: labels are no name.
    """
    said = data.columns
    if labels is not None:
        if not isinstance(labels, str):
            raise RequestError(f"labels= names the column of labels of '{data.data}', or is for arrays")
        said = dataclasses.replace(said, label=labels)
    return table_rows.labelled_rows(data.data, said)


def unlabelled(data: Described) -> Found:
    """The rows of a table, or the lines of a text file; labels may be absent.

    Raises:
        DataError: it cannot be read, or has no such columns.
    """
    if is_text(data.data):
        return table_rows.text_lines(data.data, data.columns)
    return table_rows.rows_perhaps_labelled(data.data, data.columns)
