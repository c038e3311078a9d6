"""Arrays: an `.npz` file, a pair (x, y), an array with `labels=`, or a dictionary with the same keys as the file."""

import dataclasses
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from regraft.core.errors import DataError, RequestError, nearest
from regraft.core.progress import warn
from regraft.data import files, in_memory, texts
from regraft.data import groups as groups_
from regraft.data.examples import Array
from regraft.data.found import Found
from regraft.data.in_memory import Part
from regraft.data.labels import Labels

WHAT = "arrays or lists of texts: an .npz file, a pair (x, y), an array with labels=, or a dictionary of arrays"

# The split, the examples, their labels, and their groups.
_KEYS = (
    (None, "x", "y", "groups"),
    ("train", "x_train", "y_train", "groups_train"),
    ("validation", "x_val", "y_val", "groups_val"),
    ("validation", "x_valid", "y_valid", "groups_valid"),
    ("validation", "x_validation", "y_validation", "groups_validation"),
    ("test", "x_test", "y_test", "groups_test"),
    ("train", "train_images", "train_labels", "train_groups"),
    ("validation", "val_images", "val_labels", "val_groups"),
    ("validation", "valid_images", "valid_labels", "valid_groups"),
    ("validation", "validation_images", "validation_labels", "validation_groups"),
    ("test", "test_images", "test_labels", "test_groups"),
)
_NAMES = ("classes", "class_names")
_EXPECTED = "x and y, or x_train, y_train, x_val, ..., or train_images, train_labels, val_images, ..."


def accepts(data: Any) -> bool:
    """Whether this is an `.npz` file, or arrays."""
    if isinstance(data, Path):
        return data.is_file() and data.suffix.lower() == ".npz"
    return isinstance(data, (tuple, list, Mapping)) or hasattr(data, "__array__")


def gather(data: Any, labels: Any = None) -> Found:
    """The examples of arrays.

    Args:
        data: as `accepts` says; pairs of pairs are taken as (training, test), as Keras' own data sets come.
        labels: of `data`, where that is one array or a list of arrays.

    Raises:
        DataError: the file is no `.npz`, keys are missing, or the arrays do not fit together.
        RequestError: labels are given twice or not at all.
    """
    if isinstance(data, Path):
        return _of_table(_loaded(data), f"'{data}'", labels)
    if isinstance(data, Mapping):
        table = cast(Mapping[Any, Any], data)
        return _of_table({str(key): value for key, value in table.items()}, "the dictionary", labels)
    return _found(_of_values(data, labels), None, "the arrays given")


def _found(parts: list[Part], names: tuple[str, ...] | None, origin: str) -> Found:
    if any(texts.is_texts(part.x) for part in parts):
        return texts.texts_found([(part.split, part.x, part.y) for part in parts], names, origin)
    return in_memory.found(parts, names, origin)


def unlabelled(data: Any) -> Found:
    """The examples of arrays; labels may be absent: one array, or a table of arrays in which a `y` is missing.

    Raises:
        DataError: the file is no `.npz`, there is no array of examples, or arrays do not fit together.
    """
    return _perhaps_labelled(data, groups=False)


def grouped(data: Any) -> Found:
    """The same as `unlabelled`, with groups where an array `groups` stands beside `x`, `groups_train` beside `x_train`.

    Raises:
        DataError: as there, or the groups are no integers or strings, one for each example.
    """
    return _perhaps_labelled(data, groups=True)


def _perhaps_labelled(data: Any, groups: bool) -> Found:
    if isinstance(data, Path):
        return _of_table(_loaded(data, groups), f"'{data}'", None, needs_labels=False, groups=groups)
    if isinstance(data, Mapping):
        table = cast(Mapping[Any, Any], data)
        named = {str(key): value for key, value in table.items()}
        return _of_table(named, "the dictionary", None, needs_labels=False, groups=groups)
    if isinstance(data, tuple) and len(cast(Sequence[Any], data)) == 2:
        return gather(data)
    x = _array(data, "x")
    return _found([Part(None, x, Labels.none(len(x)))], None, "the array given")


def _of_values(data: Any, labels: Any) -> list[Part]:
    if labels is not None:
        return [Part(None, _array(data, "x"), labels, ("x", "labels"))]
    pairs = cast(Sequence[Any], data)
    if not isinstance(data, tuple) or len(pairs) != 2:
        raise RequestError("expected labels for the array: give labels=, or a pair (x, y)")
    if all(isinstance(pair, tuple) and len(pair) == 2 and np.ndim(pair[0]) > 1 for pair in pairs):
        (x_train, y_train), (x_test, y_test) = pairs
        return [
            Part("train", _array(x_train, "x_train"), y_train, ("x_train", "y_train")),
            Part("test", _array(x_test, "x_test"), y_test, ("x_test", "y_test")),
        ]
    return [Part(None, _array(pairs[0], "x"), pairs[1])]


def _array(values: Any, where: str) -> Array | list[Array]:
    if texts.is_texts(values):
        # As an array each would take as much as the longest.
        return values
    if isinstance(values, (list, tuple)):
        given = cast(Sequence[Any], values)
        _refuse_gaps(given, where)
        items = [np.asarray(item) for item in given]
        if not items:
            raise DataError(f"{where}: expected examples, found an empty list")
        return np.stack(items) if len({item.shape for item in items}) == 1 else items
    array = np.asarray(values)
    if not array.ndim:
        raise DataError(f"{where}: expected examples along the first axis, (n, ...), found a single {array.dtype}")
    if array.dtype.kind == "O" and array.ndim == 1:
        _refuse_gaps(array.tolist(), where)
    return array


def _refuse_gaps(items: Sequence[Any], where: str) -> None:
    """Refuse a list of texts in which something else stands.

    Raises:
        DataError: it names the first.
    """
    strange = next((place for place, item in enumerate(items) if not isinstance(item, str)), None)
    if strange is not None and any(isinstance(item, str) for item in items):
        found = "None" if items[strange] is None else type(items[strange]).__name__
        raise DataError(
            f"{where}[{strange}]: expected a text as the others are, found {found}; write it, or leave it out"
        )


def _loaded(path: Path, groups: bool = False) -> dict[str, Array | None]:
    try:
        if not zipfile.is_zipfile(path):
            raise DataError(
                f"expected an .npz file, found something else at '{path}' (truncated, or not written by NumPy)"
            )
        with np.load(path, allow_pickle=False) as file:
            known = _known(groups)
            return {name: file[name] if name in known else None for name in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        reason = (
            "it holds Python objects, which are not loaded because they can run code"
            if "pickle" in str(error)
            else error
        )
        raise DataError(f"cannot read '{path}': {reason}") from None


def _known(groups: bool) -> set[str]:
    return {*_NAMES, *(key for _, *keys in _KEYS for key in keys[: 3 if groups else 2])}


def _of_table(
    table: Mapping[str, Any], origin: str, labels: Any, needs_labels: bool = True, groups: bool = False
) -> Found:
    if labels is not None:
        raise RequestError(f"labels= is for a single array; {origin} has its labels in it")
    if not (x_keys := [row for row in _KEYS if row[1] in table]):
        raise DataError(f"expected {_EXPECTED} in {origin}, found {_listed(table)}")
    for _, x, y, _ in x_keys:
        if y not in table and needs_labels:
            raise DataError(f"expected '{y}' beside '{x}' in {origin}, found no such array{nearest(y, table)}")
    beside = {x: table.get(key) for _, x, _, key in x_keys} if groups else {}
    read = _known(False) | {key for _, x, _, key in x_keys if beside.get(x) is not None}
    if unknown := [name for name in table if name not in read]:
        more = f"classes, and groups as {', '.join(key for *_, key in x_keys)}" if groups else "and classes"
        warn(f"not read of {origin}: {_listed(unknown)}; what is known by name is {_EXPECTED}, {more}")
    stated = [split for split, *_ in x_keys]
    if None in stated and len(stated) > 1:
        raise DataError(f"expected either x and y, or arrays for each split in {origin}, found both")
    if stated[0] == "test" or "train" not in (*stated, *("train" for split in stated if split is None)):
        raise DataError(f"expected training arrays in {origin}, found only {', '.join(x for _, x, *_ in x_keys)}")
    parts: list[Part] = []
    together: list[Labels] = []
    for split, x, y, key in x_keys:
        given = _array(table[x], x)
        parts.append(Part(split, given, table[y] if y in table else Labels.none(len(given)), (x, y)))
        values = beside.get(x)
        together.append(
            Labels.none(len(given)) if values is None else groups_.of_array(values, len(given), (key, x), origin)
        )
    named = next((table[name] for name in _NAMES if name in table), None)
    names = None if named is None else tuple(_text(name) for name in np.asarray(named).ravel().tolist())
    found = _found(parts, names, origin)
    if all(values is None for values in beside.values()):
        return found
    return dataclasses.replace(found, groups=Labels.joined(together))


def _text(name: Any) -> str:
    return files.shown(name.decode("utf-8", "replace")) if isinstance(name, bytes) else str(name)


def _listed(table: Collection[str]) -> str:
    return ", ".join(sorted(table)) if table else "nothing of that"
