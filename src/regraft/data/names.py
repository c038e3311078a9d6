"""Names of examples: computed when somebody asks, or kept as the bytes of their text."""

import bisect
import itertools
import os
from abc import abstractmethod
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex, overload

import numpy as np

Array = np.ndarray[Any, Any]


def rows_of(indices: Any, count: int) -> Array:
    """Indices (m,) of `count` things as small unsigned integers; negative ones count from the end.

    Raises:
        IndexError: there is nothing at one of them.
    """
    rows = np.asarray(indices, np.int64) if isinstance(indices, np.ndarray) else np.fromiter(indices, np.int64)
    if len(rows) and not -count <= rows.min() <= rows.max() < count:
        raise IndexError(f"expected indices of {count} examples, found {rows.min()} to {rows.max()}")
    return np.where(rows < 0, rows + count, rows).astype(np.uint32 if count < 2**32 else np.uint64)


class Lazy(Sequence[str]):
    """A sequence of texts that are made one by one."""

    __slots__ = ()

    @abstractmethod
    def at(self, index: int) -> str:
        """The one at an index from 0 on."""

    @overload
    def __getitem__(self, index: SupportsIndex) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> "Names": ...
    def __getitem__(self, index: SupportsIndex | slice) -> "str | Names":
        """One, or some."""
        if isinstance(index, slice):
            return Names.of(self).take(np.arange(len(self))[index])
        return self.at(range(len(self))[index])

    def __eq__(self, other: object) -> bool:
        """Whether the other is a sequence of the same texts."""
        if not isinstance(other, (tuple, list, Lazy)):
            return NotImplemented
        return len(self) == len(other) and all(one == text for one, text in zip(self, other, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Names(Lazy):
    """Some of a sequence of texts, in some order.

    Attributes:
        source: what they are taken from.
        rows: which of it, unsigned (n,); None: all.

    >>> Names.of(["a", "b", "c"]).take([2, 0]).take([1, 1]) == ["a", "a"]
    True
    """

    source: Sequence[str]
    rows: Array | None = None

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Names":
        """All of these."""
        return texts if isinstance(texts, Names) else cls(texts)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.source) if self.rows is None else len(self.rows)

    def at(self, index: int) -> str:
        """The one at an index."""
        return self.source[index if self.rows is None else int(self.rows[index])]

    def take(self, indices: Any) -> "Names":
        """Those at these indices, in that order."""
        rows = rows_of(indices, len(self))
        return Names(self.source, rows if self.rows is None else self.rows[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Numbered(Lazy):
    """What is known by its place: "index 17".

    Attributes:
        words: what stands before the number, for each part.
        starts: the place of each part's first one, and the end.

    >>> Numbered.of([("train ", 2), ("test ", 1)]) == ["train index 0", "train index 1", "test index 0"]
    True
    """

    words: tuple[str, ...]
    starts: tuple[int, ...]

    @classmethod
    def of(cls, parts: Iterable[tuple[str, int]]) -> "Numbered":
        """The names in parts of so many examples each, with a word before them."""
        words, counts = zip(*parts, strict=True)
        return cls(tuple(words), tuple(itertools.accumulate(counts, initial=0)))

    def __len__(self) -> int:
        """How many there are."""
        return self.starts[-1]

    def at(self, index: int) -> str:
        """The one at an index."""
        part = bisect.bisect_right(self.starts, index) - 1
        return f"{self.words[part]}index {index - self.starts[part]}"


class Texts(Lazy):
    """Texts that are kept one after the other in one buffer; they can be file names of any bytes.

    A text takes its bytes and four more; as a string it takes some sixty more.

    >>> texts = Texts(["a", "", "bc"])
    >>> texts.append("d")
    >>> texts == ["a", "", "bc", "d"]
    True
    """

    __slots__ = ("_buffer", "_ends")

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._buffer = bytearray()
        self._ends = array("I")
        for text in texts:
            self.append(text)

    def append(self, text: str) -> None:
        """Add one."""
        self._buffer += os.fsencode(text)
        try:
            self._ends.append(len(self._buffer))
        except OverflowError:
            self._ends = array("Q", self._ends)
            self._ends.append(len(self._buffer))

    def __len__(self) -> int:
        """How many there are."""
        return len(self._ends)

    def at(self, index: int) -> str:
        """The one at an index."""
        return os.fsdecode(bytes(self._buffer[self._ends[index - 1] if index else 0 : self._ends[index]]))
