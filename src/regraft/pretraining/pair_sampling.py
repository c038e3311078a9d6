"""Pairs and triplets drawn by arithmetic: no loop over examples, no rejection, memory in proportion to the examples.

Examples are sorted by group once. The partner of an example is then one of a range of positions: another of the group
is a step around inside the group's range, one of another group is a number below `n - size` that jumps over the range.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from regraft.core.errors import DataError

if TYPE_CHECKING:
    from regraft.pretraining.learner import Rows

Array = np.ndarray[Any, Any]

HOW = "; name a column of either, or put examples that belong together in one folder"


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of examples.

    Attributes:
        first: int64 (m,), rows.
        second: int64 (m,), the partner of each.
        same: bool (m,), whether the two are of one group.
    """

    first: Array
    second: Array
    same: Array


@dataclass(frozen=True, slots=True, eq=False)
class Sampler:
    """Draws from grouped examples.

    Attributes:
        order: int64 (k,), the rows of known groups, sorted by group.
        place: int64 (n,), where each row stands in `order`; -1: its group is not known.
        start: int64 (k,), for each place in `order` where its group begins.
        size: int64 (k,), and how many examples that group has.
        paired: int64 (p,), the places whose group has more than one example.
    """

    order: Array
    place: Array
    start: Array
    size: Array
    paired: Array

    @classmethod
    def of(cls, groups: Array, names: Sequence[str] = (), alike: bool = True, where: str = "") -> "Sampler":
        """Sort examples by group.

        Args:
            groups: int (n,), the group of each example; a negative number: unknown, the example is in no pair.
            names: of the groups, for messages.
            alike: whether there are to be pairs of one group.
            where: the examples are, for messages, such as ` in 'data.csv'`.

        Raises:
            DataError: there is one group only, or none has two examples where there are to be pairs of one.
        """
        known = np.flatnonzero(groups >= 0)
        order = known[np.argsort(groups[known], kind="stable")]
        found, starts, sizes = np.unique(groups[order], return_index=True, return_counts=True)
        if len(found) < 2:
            raise DataError(_one_group(found, names, len(order), where))
        if alike and sizes.max() < 2:
            raise DataError(
                f"expected a group with two examples or more{where}, found {len(found)} groups of one each, of which "
                "no pair is the same; give examples that belong together one label or group"
            )
        place = np.full(len(groups), -1, np.int64)
        place[order] = np.arange(len(order))
        size = np.repeat(sizes, sizes).astype(np.int64)
        return cls(order, place, np.repeat(starts, sizes).astype(np.int64), size, np.flatnonzero(size > 1))

    def any(self, count: int, random: np.random.Generator) -> Array:
        """Rows of known groups, each equally likely: int64 (count,)."""
        return self.order[random.integers(0, len(self.order), count)]

    def pairs(self, rows: Array, random: np.random.Generator, same: float = 0.5) -> Pairs:
        """Find each row a partner; among those that fit, every one is equally likely.

        Args:
            rows: int64 (m,), the first of each pair; any row takes the place of one whose group is not known.
            random: where chance comes from.
            same: the share of pairs whose two are of one group, rounded to whole pairs; fewer where rows of groups of
                one are too many.
        """
        first = self._places(rows, random)
        keys = np.where(self.size[first] > 1, random.random(len(first)), 1.0)
        wanted = np.argsort(keys, kind="stable")[: round(len(first) * same)]
        alike = np.zeros(len(first), bool)
        alike[wanted] = keys[wanted] < 1
        second = np.where(alike, self._alike(first, random), self._unlike(first, random))
        return Pairs(self.order[first], self.order[second], alike)

    def triplets(self, rows: Array, random: np.random.Generator) -> tuple[Array, Array, Array]:
        """Find each row another one of its group, and one of another group: int64 (m,) each.

        Args:
            rows: int64 (m,); any row with a partner takes the place of one without.
            random: where chance comes from.
        """
        anchor = self._places(rows, random)
        lonely = self.size[anchor] < 2
        anchor[lonely] = self.paired[random.integers(0, len(self.paired), int(lonely.sum()))]
        order = self.order
        return order[anchor], order[self._alike(anchor, random)], order[self._unlike(anchor, random)]

    def _places(self, rows: Array, random: np.random.Generator) -> Array:
        found = self.place[rows]
        unknown = found < 0
        found[unknown] = random.integers(0, len(self.order), int(unknown.sum()))
        return found

    def _alike(self, place: Array, random: np.random.Generator) -> Array:
        """For each place another of its group; itself where the group has no other."""
        start, size = self.start[place], self.size[place]
        step = 1 + (random.random(len(place)) * (size - 1)).astype(np.int64)
        return start + (place - start + step) % size

    def _unlike(self, place: Array, random: np.random.Generator) -> Array:
        """For each place one of another group."""
        start, size = self.start[place], self.size[place]
        drawn = (random.random(len(place)) * (len(self.order) - size)).astype(np.int64)
        return drawn + size * (drawn >= start)


class Samplers:
    """Those of the rows that a learner draws from: examples are sorted once, and not for every batch."""

    def __init__(self, by: Literal["groups", "labels"], alike: bool = True) -> None:
        """Nothing is sorted yet.

        Args:
            by: what says which examples belong together: labels, or groups and, where there are none, labels.
            alike: whether there are to be pairs of one group.
        """
        self._by, self._alike = by, alike
        self._known: list[tuple[Rows, Sampler, Array]] = []

    def of(self, rows: "Rows") -> tuple[Sampler, Array]:
        """The sampler of some rows, and the group of each: int64 (n,).

        Raises:
            DataError: nothing says which belong together, or no pairs can be had.
        """
        for those, sampler, groups in self._known:
            if those is rows:
                return sampler, groups
        groups = rows.labels if self._by == "labels" or rows.groups is None else rows.groups
        if groups is None:
            raise DataError(f"expected labels or groups for pairs, found neither{HOW}")
        self._known.append((rows, Sampler.of(groups, alike=self._alike), groups))
        return self._known[-1][1:]


def _one_group(found: Array, names: Sequence[str], count: int, where: str) -> str:
    if not len(found):
        return f"expected two groups or more for pairs{where}, found no example with a label or group; label some"
    named = f"'{names[int(found[0])]}'" if int(found[0]) < len(names) else f"{int(found[0])}"
    return (
        f"expected two groups or more for pairs{where}, found one: {named}, of all {count} examples; add examples of "
        "others, or take a method that needs no groups, such as barlow-twins"
    )
