"""A `pandas.DataFrame`, its rows as cells like those of a table_rows."""

import dataclasses
from typing import Any

import numpy as np

from regraft.core.columns import Columns
from regraft.core.errors import DataError
from regraft.data import table_rows
from regraft.data.cells import Cells
from regraft.data.described import Described
from regraft.data.found import Found, split_stated
from regraft.data.labels import Labels, flat
from regraft.data.split import stated
from regraft.data.table_lines import as_text
from regraft.data.texts import is_frame

WHAT = "a pandas.DataFrame of texts, or of numbers and categories, with a column of labels"

_ORIGIN = "the data frame"
_SPLIT = "split"


def accepts(data: Any) -> bool:
    """Whether this is a data frame, by the module of its type: nothing is imported."""
    return is_frame(data.data if isinstance(data, Described) else data)


def gather(data: Any, labels: Any = None) -> Found:
    """The rows of a data frame.

    Args:
        data: as `accepts` says.
        labels: the name of the column of labels, or a label for each row; None: as the columns say, or the one that is
            called so.

    Raises:
        DataError: there are no such columns, or not as many labels as rows.
    """
    return _found(data, labels, labelled=True)


def unlabelled(data: Any) -> Found:
    """The rows of a data frame, with their labels where there is a column of them.

    Raises:
        DataError: there is no row, or no column to read.
    """
    return _found(data, None, labelled=False)


def _found(data: Any, labels: Any, labelled: bool) -> Found:
    known = data if isinstance(data, Described) else Described(data, Columns())
    frame, said = known.data, known.columns
    names = [str(name) for name in frame.columns]
    rows = list(zip(*([as_text(value) for value in frame[name].tolist()] for name in frame.columns), strict=True))
    if not rows:
        raise DataError(f"expected rows in {_ORIGIN}, found none")
    given = None if labels is None or isinstance(labels, str) else flat(np.asarray(labels), "labels")
    if isinstance(labels, str):
        said = dataclasses.replace(said, label=labels)
    if given is not None and len(given) != len(rows):
        raise DataError(f"{_ORIGIN} has {len(rows)} rows, labels has {len(given)}; give one label for each")
    columns = table_rows.resolved(names, rows, said, _ORIGIN, labelled=labelled and given is None)
    places = [names.index(name) for name in columns.read]
    cells = Cells(len(places), ([row[place] for place in places] for row in rows))
    own = given
    if own is None:
        here = labelled or columns.label in names
        own = table_rows.labels_of(names, rows, columns, _ORIGIN) if here else Labels.none(len(rows))
    made = table_rows.rows_found(cells, frame.index.tolist(), "row", columns, own, _ORIGIN)
    if not labelled:
        made = dataclasses.replace(made, groups=table_rows.groups_of(names, rows, columns))
    split = next(
        (name for name in names if name.lower() == _SPLIT and name not in (*columns.read, columns.label)), None
    )
    if split is None:
        return made
    place = names.index(split)
    words = [split_stated(row[place], _ORIGIN) if row[place].strip() else None for row in rows]
    return dataclasses.replace(made, stated=stated(words))
