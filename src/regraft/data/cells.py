"""Rows of texts, kept one after the other in one buffer: a text as an example, or the cells of a row."""

import itertools
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from regraft.core import digest
from regraft.core.columns import Columns
from regraft.data.examples import Array, UnreadableExample
from regraft.data.names import Lazy

_EXCERPT = 72


class Cells:
    """Rows of so many texts each; a row takes its bytes in UTF-8, and eight more for each text.

    >>> cells = Cells(2, [("a", "b"), ("", "c")])
    >>> cells.at(1), len(cells)
    (('', 'c'), 2)
    """

    __slots__ = ("_buffer", "_ends", "width")

    def __init__(self, width: int, rows: Iterable[Sequence[str]] = ()) -> None:
        self.width = width
        self._buffer = bytearray()
        self._ends = array("Q", [0])
        for row in rows:
            self.append(row)

    def append(self, row: Sequence[str]) -> None:
        """Add one row."""
        for cell in row:
            # Half of a pair, which JSON can hold, is no character that anything could be done with.
            self._buffer += cell.encode("utf-8", "replace")
            self._ends.append(len(self._buffer))

    def __len__(self) -> int:
        """How many rows there are."""
        return (len(self._ends) - 1) // self.width

    def at(self, index: int) -> tuple[str, ...]:
        """The row at an index."""
        return tuple(part.decode() for part in self.bytes_at(index))

    def bytes_at(self, index: int) -> list[bytes]:
        """The same in UTF-8."""
        edges = self._ends[index * self.width : (index + 1) * self.width + 1]
        return [bytes(self._buffer[start:end]) for start, end in itertools.pairwise(edges)]


@dataclass(frozen=True, slots=True, eq=False)
class Shown(Lazy):
    """What messages and pages call the rows: where each stands, and of a text its beginning.

    Attributes:
        cells: the rows.
        where: of each row a number, or a name.
        word: what stands before a number: `line`, `row` or `index`.
        excerpts: whether the beginning of the only cell is told.
    """

    cells: Cells
    where: Sequence[Any]
    word: str
    excerpts: bool

    def __len__(self) -> int:
        """How many there are."""
        return len(self.where)

    def at(self, index: int) -> str:
        """The one at an index."""
        place = f"{self.word} {self.where[index]}" if self.word else str(self.where[index])
        return f"{place}: {excerpt(self.cells.at(index)[0])}" if self.excerpts else place


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Reads and identifies rows.

    Attributes:
        cells: the rows.
        names: what messages call them.
        columns: what the cells are.
    """

    cells: Cells
    names: Shown
    columns: Columns

    def read(self, index: int, channels: int | None) -> Array:
        """The cells of a row, object (columns,).

        Raises:
            UnreadableExample: a text is empty.
        """
        made = np.empty(self.cells.width, object)
        made[:] = self.cells.at(index)
        if self.columns.of_text and not made[0].strip():
            raise UnreadableExample(self.names[index], "is empty")
        return made

    def identify(self) -> Callable[[int], str]:
        """What gives the digest of a row: a text is the same whatever its column is called."""
        names = [name.encode() for name in self.columns.read]
        order = sorted(range(len(names)), key=names.__getitem__)

        def row(index: int) -> str:
            cells = self.cells.bytes_at(index)
            return digest.of_bytes(b"row", *(part for place in order for part in (names[place], cells[place].strip())))

        def text(index: int) -> str:
            (content,) = self.cells.bytes_at(index)
            if not content.strip():
                raise UnreadableExample(self.names[index], "is empty")
            return digest.of_bytes(b"text", content)

        return text if self.columns.of_text else row


def excerpt(text: str, most: int = _EXCERPT) -> str:
    """The beginning of a text in one line.

    >>> excerpt("one  two three", 7)
    'one two…'
    """
    line = " ".join(text[: 4 * most].split())
    return line if len(line) <= most and len(text) <= 4 * most else f"{line[:most]}…"
