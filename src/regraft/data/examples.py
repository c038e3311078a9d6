"""Labelled examples: what every kind of input becomes, and all that the rooms above know of data."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from regraft.core import digest
from regraft.core.columns import Columns
from regraft.core.errors import DataError
from regraft.core.records import DataSummary
from regraft.data.ids import Ids
from regraft.data.names import Names, rows_of
from regraft.data.portions import looked_up
from regraft.data.split import SPLITS, Splits

__all__ = ["SPLITS", "Array", "Chosen", "Examples", "Read", "UnreadableExample"]

Array = np.ndarray[Any, Any]
Read = Callable[[int, int | None], Array]

_THREADS = 4
_FEW = 16


class UnreadableExample(DataError):  # noqa: N818 - the name says what one catches
    """One example cannot be read.

    Attributes:
        name: the example's.
        reason: what is wrong with it, as the rest of a sentence that begins with the name.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"'{name}' {reason}")
        self.name = name
        self.reason = reason

    def __reduce__(self) -> tuple[type["UnreadableExample"], tuple[str, str]]:
        """Survive the way from another process: exceptions are remade from their message otherwise."""
        return type(self), (self.name, self.reason)


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """Reads some of the examples that another function reads.

    Attributes:
        read: the other.
        rows: which of its examples, (n,).
    """

    read: Read
    rows: Array

    def __call__(self, index: int, channels: int | None) -> Array:
        """The example at an index of `rows`."""
        return self.read(int(self.rows[index]), channels)


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Labelled examples with stable ids and splits, read one by one when they are needed.

    A million of them take some twenty megabytes, and the paths of their files: ids, names and splits are sequences of
    strings that are made when somebody asks.

    Attributes:
        ids: the digest of each example's content: of the file's bytes, or of the array with its dtype and shape.
        labels: int32 (n,), indices into `classes`; -1 where there is none, which only `open_unlabelled` gives.
        classes: names, in the order of a model's outputs.
        split: of each, `train`, `validation` or `test`; `split == "train"` is a mask (n,).
        names: the path relative to the data, or "index 17".
        read: (index, channels) -> one raw example, as `load` gives it.
        shape: of the arrays in memory where they share one: (height, width, channels) or (features,); None for files of
            pictures; of a text (1,), of a row of a table (columns,).
        full_intensity: the raw value that means white: 255, or 1 for floating point arrays that nowhere exceed 1.
        left_out: one line for each example that was left out, with the reason.
        origin: what was opened.
        columns: what the cells of an example are, where it is a text or a row of a table; None for pictures and arrays.
        groups: int32 (n,), indices into `group_names`: which examples belong together, whatever they are; -1 where that
            is not known; None where nothing says it. Only `open_unlabelled` reads them.
        group_names: of the groups.
    """

    ids: Ids
    labels: Array
    classes: tuple[str, ...]
    split: Splits
    names: Names
    read: Read
    shape: tuple[int, ...] | None
    full_intensity: float
    left_out: tuple[str, ...]
    origin: str
    columns: Columns | None = None
    groups: Array | None = None
    group_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        """How many examples there are."""
        return len(self.ids)

    def load(self, indices: Iterable[int], channels: int | None = None) -> list[Array]:
        """Read examples, those of files on several threads.

        Args:
            indices: which ones, in the order wanted.
            channels: 1, 3 or 4 for pictures; None: as they are (picture files: 3). Ignored for other arrays.

        Returns:
            Picture files as uint8 (height, width, channels). Arrays with their own dtype, except that bool becomes
            uint8 0 and 255, 16-bit pictures float32 in 0 to 255, and other floating point float32; pictures always have
            a channel axis. Texts and rows of tables as object (columns,), each cell a string.

        Raises:
            UnreadableExample: one of them cannot be read; no other error is raised for a bad file.
        """
        wanted = [int(index) for index in indices]
        if self.shape is not None or len(wanted) < _FEW:
            return [self.read(index, channels) for index in wanted]
        with ThreadPoolExecutor(_THREADS) as pool:
            return list(pool.map(lambda index: self.read(index, channels), wanted))

    def indices(self, split: str) -> Array:
        """The int64 indices of the examples of one split.

        Raises:
            DataError: there is no split of that name.
        """
        if split not in SPLITS:
            raise DataError(f"expected a split named {', '.join(SPLITS)}, found '{split}'")
        return np.flatnonzero(self.split == split).astype(np.int64)

    def take(self, indices: Iterable[int]) -> "Examples":
        """Only the examples at these indices, in that order, with the same classes."""
        rows = rows_of(indices, len(self))
        inner = self.read
        chosen = Chosen(inner.read, inner.rows[rows]) if isinstance(inner, Chosen) else Chosen(inner, rows)
        return dataclasses.replace(
            self,
            ids=self.ids.take(rows),
            labels=self.labels[rows],
            split=self.split[rows],
            names=self.names.take(rows),
            read=chosen,
            groups=None if self.groups is None else self.groups[rows],
        )

    def without(self, indices: Sequence[int], reasons: Sequence[str]) -> "Examples":
        """The others, with one more line in `left_out` for each of these.

        Args:
            indices: the examples that turned out to be unreadable.
            reasons: why, one for each; the example's name is put before a reason that lacks it.
        """
        lines = tuple(
            reason if f"'{self.names[index]}'" in reason else f"'{self.names[index]}' {reason}"
            for index, reason in zip(indices, reasons, strict=True)
        )
        kept = self.take(np.delete(np.arange(len(self)), np.asarray(indices, np.int64)))
        return dataclasses.replace(kept, left_out=(*self.left_out, *lines))

    def summary(self) -> DataSummary:
        """How many examples there are per split, and per split and class; splits without examples are not named."""
        counts = {
            split: np.bincount(self.labels[self.indices(split)], minlength=len(self.classes)).tolist()
            for split in SPLITS
        }
        per_class = {
            split: dict(zip(self.classes, counted, strict=True)) for split, counted in counts.items() if any(counted)
        }
        return DataSummary({split: sum(table.values()) for split, table in per_class.items()}, per_class, self.left_out)

    def digest(self) -> str:
        """One digest over contents, class names, splits and groups, independent of paths and of the order."""
        whole = self._digest_of_classes()
        if self.groups is None:
            return whole
        # Those of no known group, -1, have the last name.
        names = [*self.group_names, ""]
        together = self.ids.sorted_with(self.groups)
        return digest.of_strings([whole, *(word for id_, group in together for word in (id_, names[group]))])

    def _digest_of_classes(self) -> str:
        # Those without a label, -1, are looked up in the last row.
        named = [*enumerate(self.classes), (-1, "")]
        pairs = sorted((name, split, label, code) for label, name in named for code, split in enumerate(SPLITS))
        ranks = np.empty((len(named), len(SPLITS)), np.int32)
        for rank, (_, _, label, code) in enumerate(pairs):
            ranks[label, code] = rank
        rows = looked_up(ranks, self.labels, self.split.codes)
        return digest.of_strings(word for id_, rank in self.ids.sorted_with(rows) for word in (id_, *pairs[rank][:2]))
