"""What a depth search learns from and is judged by: folds of the labelled examples, never the test split."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from regraft.core.errors import DataError
from regraft.core.folds import folds
from regraft.data import Examples

Array = np.ndarray[Any, Any]

# Below this many examples every one of them is left out once; above, as many as tell half a point apart are enough.
CROSS_VALIDATED = 1000
_FOLDS = 5
# So many are judged at most, and learnt from at most: a search compares ways, and more examples do not tell more.
_JUDGED, _LEARNT = 2_000, 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """The labelled examples, divided.

    Attributes:
        indices: of the examples, int64 (n,), rising.
        labels: (n,) class indices.
        classes: how many there are.
        fold: (n,), which fold leaves an example out.
        judged_by: the folds that are judged.
        seed: of the division.
    """

    indices: Array
    labels: Array
    classes: int
    fold: Array
    judged_by: tuple[int, ...]
    seed: int

    def left_out(self, fold: int) -> Array:
        """Rows (into `indices`) that a fold leaves out."""
        return np.flatnonzero(self.fold == fold)

    def learnt(self, fold: int, part: float = 1.0) -> Array:
        """Rows that are learnt from where a fold is left out; a part of them, each class in proportion.

        Args:
            fold: which one.
            part: above 0 and up to 1; what a smaller part holds, a larger one holds too.
        """
        others = np.flatnonzero(self.fold != fold)
        wanted = min(round(part * len(others)), _LEARNT)
        return others if wanted >= len(others) else others[_spread(self.labels[others], wanted, self.seed + fold)]

    @property
    def judged(self) -> Array:
        """Rows that are judged once all folds have been."""
        return np.flatnonzero(np.isin(self.fold, self.judged_by))


def lessons(examples: Examples, seed: int) -> Lessons:
    """Divide the training and validation examples.

    Raises:
        DataError: a class has too few examples to be learnt and judged.
    """
    labelled = np.sort(np.concatenate([examples.indices("train"), examples.indices("validation")]))
    some = examples.take(labelled)
    groups = np.arange(len(some))
    again, first = some.ids.repeats()
    groups[again] = first
    counts = np.bincount(some.labels, minlength=len(examples.classes))
    if counts.min() < 2:
        lacking = examples.classes[int(np.argmin(counts))]
        raise DataError(
            f"expected at least two labelled examples of every class, to learn from one and be judged by another, "
            f"found {counts.min()} of '{lacking}' outside the test split of {examples.origin}"
        )
    count = _FOLDS if len(some) <= 2 * _JUDGED else -(-len(some) // _JUDGED)
    judged = range(_FOLDS) if len(some) < CROSS_VALIDATED else range(min(3, count))
    made = folds(groups, some.labels, min(count, len(some)), seed)
    return Lessons(labelled, some.labels.astype(np.int64), len(examples.classes), made, tuple(judged), seed)


def _spread(labels: Array, wanted: int, seed: int) -> Array:
    """Rows, rising, of so many examples, every class by its share; fewer of them are among more of them."""
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    grouped = shuffled[np.argsort(labels[shuffled], kind="stable")]
    counts = np.bincount(labels)
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    share = (rank + 0.5) / np.repeat(counts, counts)
    # At least one of each class, then by how far into its class each is.
    order = np.argsort(np.where(rank == 0, -1.0, share), kind="stable")
    return np.sort(grouped[order[: max(wanted, int((counts > 0).sum()))]])
