"""Labels as users have them -> class names and indices."""

from array import array as compact
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from regraft.core.errors import DataError, nearest
from regraft.data.files import natural
from regraft.data.portions import counted, looked_up, portions, smallest

Array = np.ndarray[Any, Any]
Label = str | int

# What is no label: an empty text, and what NumPy and pandas write where there is no value.
_GAPS = frozenset({"", "nan", "<NA>"})


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """A label for each example, each different one kept once.

    Attributes:
        values: the different ones; None stands for a missing label.
        codes: (n,), places in `values`, in the smallest unsigned dtype.
    """

    values: tuple[Label | None, ...]
    codes: Array

    @classmethod
    def of(cls, labels: Iterable[Label | None]) -> "Labels":
        """From the label of each example, one after the other."""
        collected = Collected()
        for label in labels:
            collected.add(label)
        return collected.labels()

    @classmethod
    def none(cls, count: int) -> "Labels":
        """No label for any of so many examples."""
        return cls((None,), np.zeros(count, np.uint8))

    @classmethod
    def joined(cls, parts: Iterable["Labels"]) -> "Labels":
        """Those of all parts, one part after the other."""
        parts = list(parts)
        places: dict[Label | None, int] = {}
        tables = [[places.setdefault(value, len(places)) for value in part.values] for part in parts]
        dtype = smallest(len(places))
        codes = [looked_up(np.array(table, dtype), part.codes) for table, part in zip(tables, parts, strict=True)]
        return cls(tuple(places), codes[0] if len(codes) == 1 else np.concatenate([np.empty(0, dtype), *codes]))

    def __len__(self) -> int:
        """How many examples there are."""
        return len(self.codes)

    def missing(self) -> Array:
        """Bool (n,): which examples have none."""
        return looked_up(np.array([value is None for value in self.values], bool), self.codes)

    def take(self, indices: Array) -> "Labels":
        """Those at these indices."""
        return Labels(self.values, self.codes[indices])


class Collected:
    """Labels that come one after the other."""

    def __init__(self) -> None:
        self._places: dict[Label | None, int] = {}
        self._codes = compact("i")

    def add(self, label: Label | None) -> None:
        """The label of the next example."""
        self._codes.append(self._places.setdefault(label, len(self._places)))

    def labels(self) -> Labels:
        """All so far."""
        return Labels(tuple(self._places), np.array(self._codes, smallest(len(self._places))))


def flat(values: Any, where: str, first: int = 0) -> Labels:
    """One label per example from an array of labels.

    Args:
        values: (n,) or (n, 1) integers, whole floats, booleans, strings or bytes; or (n, k) one-hot rows; or `Labels`,
            which are returned as they are. None, NaN and an empty text are no label.
        where: what messages call it.
        first: the index of the first one, for messages.

    Raises:
        DataError: it is something else, or a label is a number with a fraction.
    """
    if isinstance(values, Labels):
        return values
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    numbers = array.dtype.kind in "biuf"
    if array.ndim != 1 and not (array.ndim == 2 and numbers):
        raise DataError(
            f"{where}: expected one label per example or one-hot rows, found an array of shape {array.shape}"
        )
    if numbers:
        return _numbered(array, where, first)
    if array.dtype.kind not in "USO":
        raise DataError(f"{where}: expected labels that are integers or strings, found {array.dtype}")
    blocks = (array[part].tolist() for part in portions(len(array)))
    words = (value for block in blocks for value in block)
    return Labels.of(_word(value, index, where) for index, value in enumerate(words, first))


def _numbered(array: Array, where: str, first: int) -> Labels:
    values, gaps = np.empty(0, np.int64), False
    for part in portions(len(array)):
        whole, missing = _whole(array[part], first + part.start, where)
        values, gaps = np.union1d(values, whole[~missing]), gaps or bool(missing.any())
    codes = np.empty(len(array), smallest(len(values) + gaps))
    for part in portions(len(array)):
        whole, missing = _whole(array[part], first + part.start, where)
        # The last place is that of no label.
        codes[part] = np.where(missing, len(values), np.searchsorted(values, whole))
    return Labels((*values.tolist(), *[None] * gaps), codes)


def _whole(block: Array, start: int, where: str) -> tuple[Array, Array]:
    """The numbers, int64 (k,), and which of them are missing, bool (k,)."""
    missing = np.zeros(len(block), bool)
    if block.ndim == 2:
        return _from_one_hot(block, start, where), missing
    if block.dtype.kind == "f":
        missing = np.isnan(block)
        block = np.where(missing, 0, block)
        bad = ~np.isfinite(block) | (block != np.rint(block))
        if bad.any():
            index = int(np.flatnonzero(bad)[0])
            raise DataError(f"{where}: expected whole numbers as labels, found {block[index]} at index {start + index}")
    return block.astype(np.int64), missing


def _from_one_hot(block: Array, start: int, where: str) -> Array:
    good = (((block == 0) | (block == 1)).all(axis=1)) & (block.sum(axis=1) == 1)
    if not good.all():
        index = int(np.flatnonzero(~good)[0])
        raise DataError(
            f"{where}: expected one-hot rows (a single 1, else 0), found row {start + index}: {block[index].tolist()}"
        )
    return block.argmax(axis=1)


def _word(value: Any, index: int, where: str) -> Label | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if value is None or str(value).strip() in _GAPS:
        return None
    if isinstance(value, (bool, int, np.bool_, np.integer)):
        return int(value)
    if isinstance(value, str):
        return value
    raise DataError(f"{where}: expected labels that are integers or strings, found {value!r} at index {index}")


def indexed(labels: Labels, names: tuple[str, ...] | None, origin: str) -> tuple[tuple[str, ...], Array]:
    """The classes, and the int32 (n,) index of each label.

    Args:
        labels: of each example; none is missing.
        names: the classes where they are known: integers are positions in it. None: the labels themselves, sorted,
            whole numbers in numeric order.
        origin: for messages.

    Raises:
        DataError: a label has no place in `names`.
    """
    used = np.flatnonzero(counted(labels.codes, len(labels.values)))
    found = {int(code): value for code in used if (value := labels.values[code]) is not None}
    if names is None:
        names = tuple(sorted({str(value) for value in found.values()}, key=_order))
        found = {code: str(value) for code, value in found.items()}
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"class name '{twice}' is there twice in {origin}; name every class differently")
    known = {name: index for index, name in enumerate(names)}
    places = np.full(len(labels.values), -1, np.int32)
    for code, value in found.items():
        places[code] = known.get(value, -1) if isinstance(value, str) else value if 0 <= value < len(known) else -1
    indices = looked_up(places, labels.codes)
    if (places[used] < 0).any():
        raise _refusal(found[int(labels.codes[np.argmax(indices < 0)])], known, origin)
    return names, indices


def _order(text: str) -> tuple[int, int, str]:
    negative = text.startswith("-") and text[1:].isascii() and text[1:].isdigit()
    return (0, int(text), text) if negative else natural(text)


def _refusal(label: Label, known: dict[str, int], origin: str) -> DataError:
    if isinstance(label, str):
        return DataError(f"label '{label}' in {origin} is none of the class names{nearest(label, known)}")
    return DataError(f"label {label} in {origin} has no class name: {len(known)} are given, for 0 to {len(known) - 1}")
