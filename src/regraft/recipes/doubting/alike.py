"""Groups of examples that are the same, or nearly, and what those that lie in two splits do to an accuracy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from regraft.core import metrics
from regraft.core.doubt import Twins
from regraft.data import Examples
from regraft.training.doubts.twins import Pairs, connected

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Alike:
    """Groups of examples that are the same or nearly.

    Attributes:
        members: int64 (m,), all examples that are in a group, group by group, each in rising order.
        groups: int64 (m,), 0 to g - 1.
        similarity: float64 (g,), of the least alike pair that holds a group together; 1 where all are identical.
    """

    members: Array
    groups: Array
    similarity: Array

    def each(self) -> Iterator[tuple[Array, float]]:
        """The members of every group, and how alike they are."""
        starts = np.flatnonzero(np.diff(self.groups)) + 1
        if len(self.members):
            yield from zip(np.split(self.members, starts), self.similarity.tolist(), strict=True)


def contents(examples: Examples) -> Array:
    """For every example the index of the first with the same content, int64 (n,)."""
    first = np.arange(len(examples), dtype=np.int64)
    again, before = examples.ids.repeats()
    first[again] = before
    return first


def alike(content: Array, close: Sequence[Pairs]) -> Alike:
    """Groups of examples with the same content, and of those that are nearly the same.

    Args:
        content: (n,), of `contents`.
        close: pairs of examples that are nearly the same.
    """
    again = np.flatnonzero(content != np.arange(len(content)))
    one = np.concatenate([content[again], *(pairs.first for pairs in close)])
    other = np.concatenate([again, *(pairs.second for pairs in close)])
    similarity = np.concatenate([np.ones(len(again)), *(pairs.similarity for pairs in close)])
    members, place = np.unique(np.concatenate([one, other]), return_inverse=True)
    first, second = place[: len(one)], place[len(one) :]
    number = connected(len(members), first, second)
    least = np.ones(int(number.max(initial=-1)) + 1)
    np.minimum.at(least, number[first], similarity)
    order = np.argsort(number, kind="stable")
    return Alike(members[order], number[order], least)


def twins(split: str, looked_at: Array, correct: Array, learnt: Array, content: Array, groups: Alike) -> Twins:
    """How many examples of a split are the same as one that was learnt from, and the accuracy of the others.

    Args:
        split: its name.
        looked_at: (q,) indices of its examples that were compared with those that were learnt from.
        correct: (q,) whether each of them is answered rightly.
        learnt: indices of the examples that were learnt from.
        content: (n,), of `contents`.
        groups: of all that are alike.
    """
    known = np.zeros(len(content), np.bool_)
    known[content[learnt]] = True
    identical = known[content[looked_at]]
    for members, _ in groups.each():
        if known[members].any():
            known[members] = True
    with_twin = known[looked_at] | identical
    left = correct[~with_twin]
    return Twins(
        split,
        len(looked_at),
        int(with_twin.sum()),
        int(identical.sum()),
        metrics.accuracy(left) if len(left) else None,
    )
