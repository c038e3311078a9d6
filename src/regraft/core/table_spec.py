"""How a row of numbers and categories becomes one vector: means, scales, and the values of each category."""

import itertools
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from regraft.core.errors import DataError, RequestError, nearest

Array = np.ndarray[Any, Any]
Kind = Literal["number", "category"]

# What stands where nothing is known; of numbers and categories alike, whatever its capitals.
MISSING = frozenset({"", "na", "n/a", "nan", "null", "?", "#n/a", "<na>"})
# A column is of numbers where so many of its cells are.
_NUMBERS = 0.9
# Values of a category that have a place of their own; rarer ones share one.
MOST_VALUES = 64
_OFTEN_ENOUGH = 2
# Squares of numbers, and sums of these, are float32 in a network.
_LARGEST = 1e15
# A code that went through a column of fractions, as those of pandas do where a cell is missing.
_FRACTION = re.compile(r"[+-]?\d+\.0")
# Columns that are not there and are named in a message.
_NAMED = 5
# What somebody meant as a number.
_MEANT = re.compile(r"[+-]?[\s.,'$€£]*\d[\d\s.,']*[%$€£]?|[+-]?inf(inity)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: as the table has it.
        kind: `number` becomes `(value - mean) / scale`, 0 where it is missing. `category` becomes a 1 among zeros: in
            the first place where its value is missing, or not among those that are known.
        mean: of a number.
        scale: of a number.
        indicator: whether a number has a second place, which is 1 where it is missing.
        values: of a category, in the order of their places; `1.0` is `1`.
    """

    name: str
    kind: Kind
    mean: float = 0.0
    scale: float = 1.0
    indicator: bool = False
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse numbers that nothing could be divided by."""
        if not (math.isfinite(self.mean) and math.isfinite(self.scale) and self.scale > 0):
            raise RequestError(
                f"expected a finite mean and a scale above 0 for '{self.name}', found {self.mean}, {self.scale}"
            )

    @property
    def width(self) -> int:
        """How many values of the vector are this column's."""
        return 1 + self.indicator if self.kind == "number" else 1 + len(self.values)


@dataclass(frozen=True, slots=True)
class TableSpec:
    """The columns that a network was trained on, in the order of its input.

    Attributes:
        columns: each of them.

    >>> spec = TableSpec((Column("age", "number", 40.0, 10.0, True), Column("sex", "category", values=("f", "m"))))
    >>> encoder(spec, ("sex", "age"))(("m", "50"))
    array([1., 0., 0., 0., 1.], dtype=float32)
    """

    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        """Refuse columns of one name."""
        names = self.names
        if len(set(names)) < len(names):
            raise RequestError(f"expected columns of different names, found {', '.join(names)}")

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def width(self) -> int:
        """How long the vector is."""
        return sum(column.width for column in self.columns)

    @property
    def places(self) -> tuple[slice, ...]:
        """Which values of the vector are each column's."""
        ends = np.cumsum([0, *(column.width for column in self.columns)]).tolist()
        return tuple(slice(start, end) for start, end in itertools.pairwise(ends))


def missing(cell: str) -> bool:
    """Whether a cell says that nothing is known.

    >>> missing(" NA "), missing("0")
    (True, False)
    """
    return cell.strip().lower() in MISSING


def number(cell: str) -> float | None:
    """The number that a cell says; None where it says none, or one that no network could learn from.

    >>> number("1e3"), number("1,5"), number("inf"), number("1e308")
    (1000.0, None, None, None)
    """
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if abs(value) <= _LARGEST else None


def encoder(spec: TableSpec, names: Sequence[str], origin: str = "") -> Callable[[Sequence[str]], Array]:
    """What gives the vector float32 (width,) of a row whose cells are called so; `origin` is for messages.

    The function that is returned raises DataError where a number cannot be read.

    Raises:
        DataError: a column is not there.
    """
    absent = [name for name in spec.names if name not in names]
    if absent:
        named = ", ".join(f"'{name}'" for name in absent[:_NAMED])
        more = f" and {len(absent) - _NAMED} more" if len(absent) > _NAMED else ""
        raise DataError(
            f"expected the {len(spec.columns)} columns that the network was trained on, found no {named}{more}"
            f"{f' in {origin}' if origin else ''}"
            f"{nearest(absent[0], names)}; a column of which nothing is known can be given with empty cells"
        )
    places = {name: place for place, name in enumerate(names)}
    makers = [
        (places[column.name], _maker(column), part) for column, part in zip(spec.columns, spec.places, strict=True)
    ]
    width = spec.width

    def encode(row: Sequence[str]) -> Array:
        made = np.zeros(width, np.float32)
        for place, maker, part in makers:
            maker(row[place], made[part])
        return made

    return encode


def _maker(column: Column) -> Callable[[str, Array], None]:
    if column.kind == "category":
        place_of = _places(column)

        def category(cell: str, out: Array) -> None:
            out[place_of(cell)] = 1.0

        return category

    def amount(cell: str, out: Array) -> None:
        value = number(cell)
        if value is not None:
            out[0] = (value - column.mean) / column.scale
        elif not missing(cell):
            raise DataError(f"has '{cell.strip()[:40]}' in the column '{column.name}', expected a number")
        elif column.indicator:
            out[1] = 1.0

    return amount


def _places(column: Column) -> Callable[[str], int]:
    """What gives the place of a cell in a category; 0 where its value is missing or not known."""
    known = {_value(value): place for place, value in enumerate(column.values, 1)}
    return lambda cell: known.get(_value(cell), 0)


def _value(cell: str) -> str:
    """What a cell says as a category.

    >>> _value(" red "), _value("1.0"), _value("01"), _value("1.00")
    ('red', '1', '01', '1.00')
    """
    value = cell.strip()
    return value.removesuffix(".0") if _FRACTION.fullmatch(value) else value


def unknown(column: Column, cells: Sequence[str]) -> tuple[int, int, str]:
    """How many cells of a category hold a value, how many of these one that is not known, and the first such value.

    >>> unknown(Column("town", "category", values=("Bonn", "Rome")), ("Rome", "rome", "", "Oslo"))
    (3, 2, 'rome')
    """
    place = _places(column)
    present = [cell.strip() for cell in cells if not missing(cell)]
    strange = [value for value in present if not place(value)]
    return len(present), len(strange), strange[0] if strange else ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A column that says nothing.

    Attributes:
        name: of the column.
        reason: the end of a sentence about it.
        constant: whether it has one value in all rows, or none; else each row has another.
    """

    name: str
    reason: str
    constant: bool

    def __str__(self) -> str:
        """The sentence, for messages."""
        return f"column '{self.name}' {self.reason}"


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a table taught.

    Attributes:
        spec: the columns that are used.
        left_out: each that is not.
        doubtful: a line for each that is used, perhaps otherwise than was meant.
    """

    spec: TableSpec
    left_out: tuple[LeftOut, ...]
    doubtful: tuple[str, ...] = ()


def learn(
    names: Sequence[str], rows: Sequence[Sequence[str]], categories: Sequence[str] = (), standardise: bool = True
) -> Learnt:
    """Means, scales and values of columns.

    Args:
        names: of the columns.
        rows: cells of training examples, each row in the order of the names.
        categories: columns whose numbers are codes.
        standardise: else numbers stay as they are.

    Raises:
        DataError: no column says anything.
        RequestError: a category is no column.
    """
    for name in categories:
        if name not in names:
            raise RequestError(f"expected columns of the table as categories, found '{name}'{nearest(name, names)}")
    columns: list[Column] = []
    left_out: list[LeftOut] = []
    doubtful: list[str] = []
    for place, name in enumerate(names):
        cells = [row[place] for row in rows]
        found = _column(name, cells, name in categories, standardise)
        if isinstance(found, Column):
            columns.append(found)
            if name not in categories and (doubt := _doubt(found, cells)):
                doubtful.append(f"column '{name}' {doubt}")
        else:
            left_out.append(found)
    if not columns:
        others = ", ".join(f"'{name}'" for name in names[3 : 3 + _NAMED])
        more = f"; and {len(names) - 3} more: {others}{', ...' if len(names) > 3 + _NAMED else ''}" if others else ""
        raise DataError(f"no column says anything: {'; '.join(map(str, left_out[:3])) or 'there is none'}{more}")
    return Learnt(TableSpec(tuple(columns)), tuple(left_out), tuple(doubtful))


def _doubt(column: Column, cells: Sequence[str]) -> str:
    """Why a column is perhaps read otherwise than was meant; nothing where there is no reason to think so."""
    if column.kind == "number":
        return ""
    present = [cell.strip() for cell in cells if not missing(cell)]
    strange = [cell for cell in present if number(cell) is None]
    if strange and sum(_MEANT.fullmatch(cell) is not None for cell in present) >= _NUMBERS * len(present):
        return f"is read as categories, since '{strange[0][:40]}' is no number; write numbers as 1234.5"
    different = len(set(present))
    if different > MOST_VALUES and len(column.values) < different:
        return f"is read as categories: {len(column.values)} of {different:,} values have a place, the others share one"
    return ""


def _constant(present: Sequence[str], gaps: bool, coded: bool) -> str:
    """What all cells of a column say; nothing where they differ, if only by gaps."""
    if not present:
        return "has no value in any training example"
    if gaps:
        return ""
    # A number can be written in several ways; of codes, `01` is another one than `1`.
    different = {_value(cell) if coded or (value := number(cell)) is None else value for cell in present}
    return f"is '{present[0][:40]}' in every training example" if len(different) == 1 else ""


def _column(name: str, cells: Sequence[str], coded: bool, standardise: bool) -> Column | LeftOut:
    """What a column teaches."""
    present = [cell.strip() for cell in cells if not missing(cell)]
    gaps = len(present) < len(cells)
    if said := _constant(present, gaps, coded):
        return LeftOut(name, said, constant=True)
    values = [value for cell in present if (value := number(cell)) is not None]
    if not coded and len(values) >= _NUMBERS * len(present):
        spread = np.array(values, np.float64)
        deviation = float(spread.std())
        if not standardise:
            return Column(name, "number", indicator=gaps)
        return Column(name, "number", float(spread.mean()), deviation if deviation > 0 else 1.0, gaps)
    counts = Counter(map(_value, present))
    often = [value for value, count in counts.items() if count >= _OFTEN_ENOUGH]
    if not often:
        reason = f"has another value in each of {len(present)} training examples; as text it can be read by itself"
        return LeftOut(name, reason, constant=False)
    ranked = sorted(often, key=lambda value: (-counts[value], value))[:MOST_VALUES]
    return Column(name, "category", values=tuple(sorted(ranked)))
