"""What a pass has to do: which examples lack what, from where that takes the least work, and in which portions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from regraft.activations.engines import BATCH, Wanted
from regraft.data.ids import Ids

Array = np.ndarray[Any, Any]

# Of the examples of a block: so that there are some blocks to share among workers, few files, and no pass in which a
# block is all.
_BLOCKS, _SMALLEST, _LARGEST = 16, 8 * BATCH, 256 * BATCH


class Holding(Protocol):
    """What knows of which examples it has rows."""

    def holds(self, ids: Sequence[str]) -> Array:
        """Of which of these examples there is a row: bool (n,)."""
        ...


@dataclass(frozen=True, slots=True)
class Kind:
    """What is computed alike: the same things of one view, from the same beginning.

    Attributes:
        items: what is wanted.
        start: the seam whose rows are in the store; None: from pixels.
    """

    items: tuple[Wanted, ...]
    start: str | None

    @property
    def view(self) -> int:
        """Of the pictures."""
        return self.items[0].view


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A kind of work, and the examples to do it for: int64 indices, ascending."""

    kind: Kind
    indices: Array


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A portion of a pass, of whose rows whole files are written.

    Attributes:
        parts: for the tasks that have examples in it: the number of the task, and their indices.
    """

    parts: tuple[tuple[int, Array], ...]


def first_of_each(ids: Ids, indices: Array) -> Array:
    """The indices, ascending, without those whose content another one has: int64."""
    chosen = np.unique(indices)
    digests = np.ascontiguousarray(ids.digests[chosen]).view("V16").reshape(-1)
    _, first = np.unique(digests, return_index=True)
    return chosen[np.sort(first)].astype(np.int64)


def lacking(items: Sequence[Wanted], known: Mapping[Wanted, Holding], ids: Ids, indices: Array) -> list[Task]:
    """What is not there of one view: examples that lack the same together, from pixels."""
    names = ids.take(indices)
    lacks = np.stack([~known[item].holds(names) for item in items], axis=1)
    # As one number each: what lacks is nearly always the same for all.
    patterns, members = np.unique(np.packbits(lacks, axis=1), axis=0, return_inverse=True)
    tasks: list[Task] = []
    for place in range(len(patterns)):
        rows = np.flatnonzero(members.reshape(-1) == place)
        chosen = tuple(item for item, absent in zip(items, lacks[rows[0]], strict=True) if absent)
        if chosen:
            tasks.append(Task(Kind(chosen, None), indices[rows]))
    return tasks


def divided(task: Task, starts: Iterable[tuple[str, Holding]], ids: Ids) -> Iterator[Task]:
    """A task, each example from the first of these seams that has its rows, else from pixels.

    Args:
        task: from pixels.
        starts: seams not above anything that is wanted, from the highest down.
        ids: of all examples.
    """
    left = task.indices
    for name, rows in starts:
        if not len(left):
            return
        there = rows.holds(ids.take(left))
        if there.any():
            yield Task(Kind(task.kind.items, name), left[there])
            left = left[~there]
    if len(left):
        yield Task(task.kind, left)


def blocks_of(tasks: Sequence[Task]) -> list[Block]:
    """The tasks in portions: those from pixels together, so that a picture is decoded once; then the others.

    Where they are divided follows from the examples alone, so that whoever computes them writes the same files.
    """
    pixels = [place for place, task in enumerate(tasks) if task.kind.start is None]
    others = [place for place, task in enumerate(tasks) if task.kind.start is not None]
    return [block for places in (pixels, *([place] for place in others)) for block in _blocks(tasks, places)]


def _blocks(tasks: Sequence[Task], places: Sequence[int]) -> Iterator[Block]:
    if not places:
        return
    everyone = np.unique(np.concatenate([tasks[place].indices for place in places]))
    size = int(np.clip(-(-len(everyone) // _BLOCKS), _SMALLEST, _LARGEST))
    size = -(-size // BATCH) * BATCH
    for start in range(0, len(everyone), size):
        some = everyone[start : start + size]
        parts: list[tuple[int, Array]] = []
        for place in places:
            indices = tasks[place].indices
            low, high = np.searchsorted(indices, some[0]), np.searchsorted(indices, some[-1], "right")
            if high > low:
                parts.append((place, indices[low:high]))
        yield Block(tuple(parts))
