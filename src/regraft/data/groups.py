"""Groups as users have them: which examples belong together, whatever they are."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from regraft.core.errors import DataError
from regraft.data.labels import Labels, flat


def refuse(group: str | None, taken: Mapping[Any, str], origin: str) -> None:
    """Refuse a column of groups that says something else already.

    Args:
        group: its name; None: there is none.
        taken: names of columns, or None, and what each says.
        origin: of the table, for the message.

    Raises:
        DataError: it is one of them.
    """
    if group is None or group not in taken:
        return
    what = taken[group]
    hint = (
        "leave it out, because without groups the labels say which belong together, or name others with --label-column"
        if what == "labels"
        else "name another one"
    )
    raise DataError(f"the column '{group}' of {origin}, named as the one of groups, is that of {what}; {hint}")


def of_array(values: Any, count: int, names: tuple[str, str], origin: str) -> Labels:
    """The group of each example.

    Args:
        values: (n,) integers, whole floats or strings; each different one is a group.
        count: how many examples there are.
        names: of these values and of the examples, for messages.
        origin: of both, for messages.

    Raises:
        DataError: they are something else, or not as many as examples.
    """
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "biufUSO":
        raise DataError(
            f"{names[0]}: expected an integer or a string for each example in {origin}, found {array.dtype} of shape "
            f"{array.shape}"
        )
    if len(array) != count:
        raise DataError(
            f"in {origin} {names[1]} has {count} examples, {names[0]} has {len(array)}; give one group for each"
        )
    return flat(array, names[0])
