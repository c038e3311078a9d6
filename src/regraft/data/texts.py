"""Texts in memory, and data frames told from them: lists of strings, arrays of them."""

import dataclasses
from collections.abc import Sequence
from typing import Any, cast

from regraft.core.columns import Columns
from regraft.core.errors import DataError, RequestError
from regraft.data import labels as labels_
from regraft.data import table_rows
from regraft.data.cells import Cells
from regraft.data.described import Described
from regraft.data.found import Found
from regraft.data.split import stated


def is_frame(data: Any) -> bool:
    """Whether this is a `pandas.DataFrame`, by the module of its type: nothing is imported."""
    kind = type(data)
    return kind.__module__.split(".")[0] == "pandas" and kind.__name__ == "DataFrame"


def with_columns(data: Any, columns: Columns) -> Any:
    """Data in memory together with what is said of its columns.

    Raises:
        RequestError: it has none.
    """
    if is_frame(data):
        return Described(data, columns)
    x = cast(Any, data)[0] if isinstance(data, tuple) and len(cast(Any, data)) == 2 else data
    if columns.group is None and (is_texts(x) or columns == Columns(text=table_rows.TEXT)):
        return data
    kind = type(data)
    raise RequestError(f"columns are of a table, and a {kind.__module__}.{kind.__qualname__} is none; leave them out")


def is_texts(values: Any) -> bool:
    """Whether these are texts: a list of strings, or an array of them.

    >>> is_texts(["a", "b"]), is_texts([1, 2]), is_texts("a")
    (True, False, False)
    """
    if isinstance(values, (str, bytes)):
        return False
    if isinstance(values, (list, tuple)):
        items = cast(Sequence[Any], values)
        return bool(items) and all(isinstance(item, str) for item in items)
    if hasattr(values, "dtype") and getattr(values, "ndim", 0) == 1 and hasattr(values, "tolist"):
        kind = getattr(values.dtype, "kind", "O")
        return kind == "U" or (kind in "OT" and len(values) > 0 and all(isinstance(item, str) for item in values))
    return False


def texts_found(
    parts: Sequence[tuple[str | None, Any, Any]], class_names: tuple[str, ...] | None, origin: str
) -> Found:
    """The examples of texts in memory.

    Args:
        parts: the stated split, the texts, and the labels of each.
        class_names: as in `Found`.
        origin: for messages.

    Raises:
        DataError: a part has not as many labels as texts.
    """
    texts, words, labels, where = list[str](), list[str | None](), list[labels_.Labels](), list[str]()
    several = len({split for split, _, _ in parts}) > 1
    for split, given, y in parts:
        own = labels_.flat(y, "y")
        if len(own) != len(given):
            raise DataError(f"in {origin} x has {len(given)} texts, y has {len(own)} labels; give one label for each")
        where += [f"{f'{split} ' if several else ''}index {place}" for place in range(len(given))]
        texts += [str(text) for text in given]
        words += [split] * len(given)
        labels.append(own)
    cells = Cells(1, ((text,) for text in texts))
    made = table_rows.rows_found(cells, where, "", Columns(text=table_rows.TEXT), labels_.Labels.joined(labels), origin)
    return dataclasses.replace(made, stated=stated(words), class_names=class_names)
