"""Pairs as users have them: which of two examples is above the other, in a table of two columns or in an array."""

import dataclasses
import itertools
import os
import re
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core import digest
from regraft.core.columns import Columns
from regraft.core.errors import DataError, nearest
from regraft.core.progress import warn
from regraft.data import files, table_lines
from regraft.data.examples import Array, Examples
from regraft.data.labels import Collected, Labels, flat
from regraft.data.texts import is_frame

COLUMNS = ("above", "below")

# "line 5", "train index 5" and, of a text, "line 5: its beginning".
_PLACE = re.compile(r"((?:(?:train|validation|test) )?(?:line|row|index) ([^:]+))(?::.*)?", re.DOTALL)
# A line of what was left out begins with a name.
_LOST = re.compile(r"'([^']*)' |((?:line|row) \d+) ")
# In the place of an example that is named.
_LEFT_OUT, _UNKNOWN = -1, -2
# Among more names than these the nearest are not looked for.
_LOOKED_THROUGH = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of examples.

    Attributes:
        rows: int64 (m, 2), indices of the examples: the first is above the second.
        content: int64 (m, 2), the same where of examples with the same content the first one stands for all.
        origin: what they were read from, for messages.
    """

    rows: Array
    content: Array
    origin: str

    def take(self, kept: Array) -> "Pairs":
        """Those at these places, or those of a mask."""
        return dataclasses.replace(self, rows=self.rows[kept], content=self.content[kept])

    def digest(self, examples: Examples) -> str:
        """One digest over the contents of all pairs, in their order."""
        return digest.of_array(examples.ids.take(self.rows.ravel()).digests)


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """What stands in a table or an array.

    Attributes:
        named: the examples above, and those below.
        where: of each pair, for messages.
        origin: of all.
    """

    named: tuple[Labels, Labels]
    where: Callable[[int], str]
    origin: str


def of(given: Any, examples: Examples) -> Pairs:
    """The pairs of examples that somebody has.

    An example is named as messages name it: a picture by its path, a row or a text by `line 5`, `row 5` or `index 5`,
    or by the number alone; or by its id. Pairs that contradict one another are kept, and warned of; a pair of copies,
    or with an example that was left out, is left out and warned of.

    Args:
        given: the path of a table with the columns `above` and `below`, a `pandas.DataFrame` with these, or an array or
            a list (m, 2) of names or numbers, the first above the second.
        examples: what is named.

    Raises:
        DataError: there is no pair, a name is none of the examples, an example is above itself, or the table cannot be
            read or has other columns.
    """
    read = _read(given)
    if not len(read.named[0]):
        raise DataError(f"expected pairs of examples in {read.origin}, found none; give one example above another")
    rows, known = _places(read, examples)
    same = known & (rows[:, 0] == rows[:, 1])
    if same.any():
        place = int(same.argmax())
        raise DataError(
            f"{read.where(place)} has '{examples.names[int(rows[place, 0])]}' above itself; remove the pair"
        )
    content = _first_of_its_content(examples)[rows]
    copies = known & (content[:, 0] == content[:, 1])
    _warn_of(read, ~known, "have an example that was left out")
    _warn_of(read, copies, "are of two copies of one example")
    kept = np.flatnonzero(known & ~copies)
    _warn_of_contradictions(content[kept], kept, read, examples)
    return Pairs(rows[kept], content[kept], read.origin)


def _read(given: Any) -> _Read:
    if isinstance(given, (str, os.PathLike)):
        return _of_table(files.existing(Path(given).expanduser()))
    return _of_frame(given) if is_frame(given) else _of_array(given)


def _of_table(path: Path) -> _Read:
    lines = table_lines.read(path, Columns())
    places = _columns(lines.names, f"'{path}'")
    above, below, numbers = Collected(), Collected(), array("Q")
    for number, cells in lines.rows:
        if isinstance(cells, str):
            raise DataError(f"{lines.word} {number} of '{path}' {cells}")
        for collected, place, column in zip((above, below), places, COLUMNS, strict=True):
            word = files.shown(cells[place].strip())
            if not word:
                raise DataError(f"{lines.word} {number} of '{path}' names no example in the column '{column}'")
            collected.add(word)
        numbers.append(number)
    return _Read(
        (above.labels(), below.labels()), lambda place: f"{lines.word} {numbers[place]} of '{path}'", f"'{path}'"
    )


def _of_frame(frame: Any) -> _Read:
    places = _columns([str(name) for name in frame.columns], "the data frame of pairs")
    return _of_array(np.stack([np.asarray(frame.iloc[:, place], object) for place in places], axis=1))


def _of_array(values: Any) -> _Read:
    given = np.asarray(values)
    if given.size and (given.ndim != 2 or given.shape[1] != 2 or given.dtype.kind not in "iuUO"):
        raise DataError(
            "pairs: expected an array (m, 2) of examples by number or by name, the first above the second, found "
            f"{given.dtype} of shape {given.shape}"
        )
    given = given.reshape(-1, 2)
    above, below = (flat(given[:, side], f"pairs[:, {side}]") for side in (0, 1))
    unnamed = np.flatnonzero(above.missing() | below.missing())
    if len(unnamed):
        raise DataError(f"pairs[{unnamed[0]}] names no example: {given[unnamed[0]].tolist()}")
    return _Read((above, below), lambda place: f"pairs[{place}]", "the pairs given")


def _columns(names: Sequence[str], origin: str) -> list[int]:
    """Where the two columns are; others are told of.

    Raises:
        DataError: one of them is not there.
    """
    called = [name.strip().lower() for name in names]
    for column in COLUMNS:
        if called.count(column) != 1:
            raise DataError(
                f"expected the columns {' and '.join(COLUMNS)} in {origin}, found {', '.join(names) or 'none'}"
            )
    others = [name for name, word in zip(names, called, strict=True) if word not in COLUMNS]
    if others:
        warn(f"not read of {origin}: {', '.join(others)}; pairs have the columns {' and '.join(COLUMNS)}")
    return [called.index(column) for column in COLUMNS]


def _places(read: _Read, examples: Examples) -> tuple[Array, Array]:
    """The index of each example that is named, int64 (m, 2), and which pairs have none that was left out, bool (m,).

    Raises:
        DataError: a name is none of the examples.
    """
    both = Labels.joined(read.named)
    words = [str(value) for value in both.values]
    found = _found(set(words), examples)
    lost = _lost(set(words) - found.keys(), examples.left_out)
    table = np.array([found.get(word, _LEFT_OUT if word in lost else _UNKNOWN) for word in words], np.int64)
    rows = table[both.codes].reshape(2, -1).T
    unknown = np.flatnonzero((rows == _UNKNOWN).any(axis=1))
    if len(unknown):
        place = int(unknown[0])
        side = int((rows[place] == _UNKNOWN).argmax())
        word = words[int(both.codes[side * len(rows) + place])]
        some = list(itertools.islice(examples.names, _LOOKED_THROUGH))
        raise DataError(
            f"{read.where(place)} has '{word}' as the one {COLUMNS[side]}, which is none of the {len(examples):,} "
            f"examples of {examples.origin}{nearest(word, some)}"
        )
    return rows, rows.min(axis=1) >= 0


def _found(wanted: Collection[str], examples: Examples) -> dict[str, int]:
    """The index of the example that each word names, where one does: a whole name goes before a part of another's.

    Raises:
        DataError: two different examples are named so.
    """
    whole, part = dict[str, int](), dict[str, int]()
    for index, name in enumerate(examples.names):
        for number, word in enumerate(_words(name)):
            if word in wanted:
                known = (part if number else whole).setdefault(word, index)
                if known != index and examples.ids[known] != examples.ids[index]:
                    raise DataError(f"two examples of {examples.origin} are called '{word}'; name them by their ids")
    found = part | whole
    if len(found) < len(wanted):
        for index, id_ in enumerate(examples.ids):
            if id_ in wanted:
                found.setdefault(id_, index)
    return found


def _words(name: str) -> Iterator[str]:
    """What an example may be called: its name, where it stands, and the number of that.

    >>> list(_words("line 5: it rains")), list(_words("cats/1.png"))
    (['line 5: it rains', 'line 5', '5'], ['cats/1.png'])
    """
    yield name
    if place := _PLACE.fullmatch(name):
        yield from dict.fromkeys(word for word in (place[1], place[2]) if word != name)


def _lost(wanted: Collection[str], left_out: Iterable[str]) -> set[str]:
    """Those of the words that name an example that was left out, as the lines say that tell of it."""
    if not wanted:
        return set()
    names = (match[1] or match[2] for line in left_out if (match := _LOST.match(line)))
    return {word for name in names for word in _words(name) if word in wanted}


def _first_of_its_content(examples: Examples) -> Array:
    """Of each example the first one with the same content, int64 (n,)."""
    first = np.arange(len(examples))
    again, before = examples.ids.repeats()
    first[again] = before
    return first


def _warn_of_contradictions(content: Array, places: Array, read: _Read, examples: Examples) -> None:
    """Tell how many pairs are there the other way round as well.

    Args:
        content: int64 (m, 2), of the pairs that are kept: the first example with the content of each.
        places: int64 (m,), where each pair stands in what was read.
        read: what was read.
        examples: what the pairs are of.
    """
    count = len(examples)
    way, back = content @ np.array([count, 1]), content @ np.array([1, count])
    against = np.flatnonzero(np.isin(way, back))
    if len(against):
        place = int(against[0])
        opposite = int(np.flatnonzero(way == back[place])[0])
        above, below = (examples.names[index] for index in content[place].tolist())
        warn(
            f"{len(against):,} of {len(content):,} pairs of {read.origin} contradict one another: "
            f"{read.where(int(places[place]))} has '{above}' above '{below}', and "
            f"{read.where(int(places[opposite]))} has it below; all are learnt from"
        )


def _warn_of(read: _Read, which: Array, why: str) -> None:
    """Tell of pairs that are left out, where there are any."""
    if which.any():
        first = read.where(int(which.argmax()))
        warn(f"left out {int(which.sum()):,} of {len(which):,} pairs of {read.origin}, which {why}, first {first}")
