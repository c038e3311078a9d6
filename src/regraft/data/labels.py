"""Labels as users have them -> class names and indices."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from regraft.core.errors import DataError, nearest
from regraft.data.examples import Array
from regraft.data.files import natural
from regraft.data.found import Label


def flat(values: Any, where: str) -> list[Label | None]:
    """One label per example from an array of labels.

    Args:
        values: (n,) or (n, 1) integers, whole floats, booleans, strings or bytes; or (n, k) one-hot rows.
        where: what messages call it.

    Raises:
        DataError: it is something else, or a label is not a number.
    """
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2 and array.dtype.kind in "biuf":
        array = _from_one_hot(array, where)
    if array.ndim != 1:
        raise DataError(
            f"{where}: expected one label per example or one-hot rows, found an array of shape {array.shape}"
        )
    if array.dtype.kind == "f":
        array = _from_floats(array, where)
    if array.dtype.kind in "biu":
        return array.astype(np.int64).tolist()
    if array.dtype.kind not in "USO":
        raise DataError(f"{where}: expected labels that are integers or strings, found {array.dtype}")
    return [_word(value, index, where) for index, value in enumerate(array.tolist())]


def _from_one_hot(array: Array, where: str) -> Array:
    good = (((array == 0) | (array == 1)).all(axis=1)) & (array.sum(axis=1) == 1)
    if not good.all():
        index = int(np.flatnonzero(~good)[0])
        raise DataError(
            f"{where}: expected one-hot rows (a single 1, else 0), found row {index}: {array[index].tolist()}"
        )
    return array.argmax(axis=1)


def _from_floats(array: Array, where: str) -> Array:
    bad = ~np.isfinite(array) | (array != np.rint(array))
    if bad.any():
        index = int(np.flatnonzero(bad)[0])
        raise DataError(f"{where}: expected whole numbers as labels, found {array[index]} at index {index}")
    return array.astype(np.int64)


def _word(value: Any, index: int, where: str) -> Label | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if value is None or value != value:
        return None
    if isinstance(value, (bool, int)):
        return int(value)
    if isinstance(value, str):
        return value
    raise DataError(f"{where}: expected labels that are integers or strings, found {value!r} at index {index}")


def indexed(labels: Sequence[Label], names: tuple[str, ...] | None, origin: str) -> tuple[tuple[str, ...], Array]:
    """The classes, and the int64 (n,) index of each label.

    Args:
        labels: of each example.
        names: the classes where they are known: integers are positions in it. None: the labels themselves, sorted,
            whole numbers in numeric order.
        origin: for messages.

    Raises:
        DataError: a label has no place in `names`.
    """
    if names is None:
        texts = [str(label) for label in labels]
        names = tuple(sorted(set(texts), key=_order))
        places = {name: index for index, name in enumerate(names)}
        return names, np.array([places[text] for text in texts], dtype=np.int64)
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"class name '{twice}' is there twice in {origin}; name every class differently")
    known = {name: index for index, name in enumerate(names)}
    return names, np.array([_position(label, known, origin) for label in labels], dtype=np.int64)


def _order(text: str) -> tuple[int, int, str]:
    negative = text.startswith("-") and text[1:].isascii() and text[1:].isdigit()
    return (0, int(text), text) if negative else natural(text)


def _position(label: Label, known: dict[str, int], origin: str) -> int:
    if isinstance(label, str):
        if label not in known:
            raise DataError(f"label '{label}' in {origin} is none of the class names{nearest(label, known)}")
        return known[label]
    if not 0 <= label < len(known):
        raise DataError(
            f"label {label} in {origin} has no class name: {len(known)} are given, for 0 to {len(known) - 1}"
        )
    return label
