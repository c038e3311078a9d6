"""A folder with one sub-folder of `.txt` files per class, optionally under `train/`, `validation/` and `test/`."""

import dataclasses
from pathlib import Path
from typing import Any

from regraft.data import arranged, folder, table_rows
from regraft.data.described import Described
from regraft.data.found import Found, one_by_one
from regraft.data.names import Texts
from regraft.data.text_files import Written

WHAT = "a folder with one sub-folder of .txt files per class, optionally under train/, validation/, test/"


def accepts(data: Any) -> bool:
    """Whether this is a folder that was found to be one of texts."""
    return isinstance(data, Described) and isinstance(data.data, Path) and data.data.is_dir()


def gather(data: Described, labels: Any = None) -> Found:
    """The text files in a folder, labelled by the names of their sub-folders.

    Raises:
        DataError: the folder is not arranged so.
        RequestError: labels are given.
    """
    return _texts(folder.gather(data.data, labels), data)


def unlabelled(data: Described) -> Found:
    """All text files in a folder, however it is arranged; one that lies in no class has no label.

    Raises:
        DataError: there is none.
    """
    # What is called otherwise is a text where it lies among those of a class, and a note where it lies in none.
    found = arranged.all_in(data.data, lambda path: "/" in path or arranged.is_text(path), "texts")
    return _texts(found, data)


def _texts(found: Found, data: Described) -> Found:
    written = Written(data.data, Texts(found.names), data.columns.encoding)
    return dataclasses.replace(
        found,
        identify=one_by_one(written.identify),
        read=written.read,
        shape=(1,),
        columns=dataclasses.replace(data.columns, text=data.columns.text or table_rows.TEXT),
    )
