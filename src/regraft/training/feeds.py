"""Examples for a branch, and in which order and which view they come."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

PREDICTION_BATCH = 64


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """Examples for a branch: activations fetched by index, so that only a batch is in memory.

    Attributes:
        fetch: (indices, view) -> float32 (n, ...), the inputs of the branch.
        labels: int64 (examples,).
        views: how many views there are of each example.
    """

    fetch: Callable[[Array, int], Array]
    labels: Array
    views: int = 1

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.labels)


def lesson(seed: int, epoch: int, examples: int, views: int) -> tuple[Array, Array]:
    """What an epoch takes in which order: the examples, int (examples,), and which view of each, by example."""
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(examples)
    return order, random.integers(views, size=examples)


def drawn(seed: int, epochs: int, examples: int, views: int) -> Array:
    """Which views of which examples `train` will ask for with this seed: bool (examples, views).

    Where noise is added, it asks once for view 0 of all examples besides, to know how much.
    """
    asked = np.zeros((examples, views), bool)
    for epoch in range(1, epochs + 1):
        asked[np.arange(examples), lesson(seed, epoch, examples, views)[1]] = True
    return asked


def in_views(feed: Feed, batch: Array, chosen: Array) -> Array:
    """The examples of a batch, each in the view that is chosen for it."""
    views = np.unique(chosen)
    if len(views) == 1:
        return feed.fetch(batch, int(views[0]))
    parts = {int(view): feed.fetch(batch[chosen == view], int(view)) for view in views}
    first = next(iter(parts.values()))
    x = np.empty((len(batch), *first.shape[1:]), first.dtype)
    for view, rows in parts.items():
        x[chosen == view] = rows
    return x


def originals(feed: Feed, batch: int = PREDICTION_BATCH) -> Iterator[Array]:
    """The examples as they are (view 0), in order, in batches."""
    for start in range(0, len(feed), batch):
        yield feed.fetch(np.arange(start, min(start + batch, len(feed))), 0)
