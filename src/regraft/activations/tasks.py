"""What a pass has to do: which examples lack what, from where that takes the least work, and in which portions."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from regraft.activations.engines import BATCH, Wanted
from regraft.core.lookup import Lookup
from regraft.data.ids import Ids

Array = np.ndarray[Any, Any]

# Of the examples of a block: so that there are some blocks to share among workers, few files, and no pass in which a
# block is all.
_BLOCKS, _SMALLEST, _LARGEST = 16, 8 * BATCH, 256 * BATCH
# Examples that are looked at together: what is made of them meanwhile does not grow with the data.
_PORTION = 1 << 14


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
    """A kind of work, and the examples to do it for: uint32 indices, ascending."""

    kind: Kind
    indices: Array


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A portion of a pass, of whose rows whole files are written.

    Attributes:
        parts: for the tasks that have examples in it: the number of the task, and their indices.
    """

    parts: tuple[tuple[int, Array], ...]


def ascending(indices: Iterable[int], count: int) -> Array:
    """Indices of so many examples, each once, in their order, uint32."""
    chosen = np.zeros(count, bool)
    if isinstance(indices, range) and indices.step > 0:
        chosen[indices.start : indices.stop : indices.step] = True
    else:
        chosen[indices if isinstance(indices, np.ndarray) else np.fromiter(indices, np.int64)] = True
    found = np.empty(np.count_nonzero(chosen), np.uint32)
    filled = 0
    for start in range(0, count, _PORTION):
        some = start + np.flatnonzero(chosen[start : start + _PORTION])
        found[filled : filled + len(some)] = some
        filled += len(some)
    return found


def first_of_each(ids: Ids, indices: Array) -> Array:
    """The indices, ascending, without those whose content another one has: uint32."""
    lookup = Lookup(ids.numbers().__getitem__, len(indices))
    first = np.concatenate([np.empty(0, bool), *(lookup.add(some) == some for some in _portions(indices))])
    return indices if first.all() else indices[first]


def lacking(items: Sequence[Wanted], known: Mapping[Wanted, Holding], ids: Ids, indices: Array) -> list[Task]:
    """What is not there of one view: examples that lack the same together, from pixels."""
    found: dict[tuple[bool, ...], list[Array]] = {}
    for some in _portions(indices):
        names = ids.take(some)
        lacks = np.stack([~known[item].holds(names) for item in items], axis=1)
        patterns, members = np.unique(lacks, axis=0, return_inverse=True)
        for place, pattern in enumerate(patterns.tolist()):
            found.setdefault(tuple(pattern), []).append(some[members.reshape(-1) == place])
    tasks: list[Task] = []
    for pattern, parts in sorted(found.items()):
        chosen = tuple(item for item, absent in zip(items, pattern, strict=True) if absent)
        if chosen:
            # What is lacking is nearly always the same for all.
            tasks.append(Task(Kind(chosen, None), indices if len(found) == 1 else np.concatenate(parts)))
    return tasks


def divided(
    task: Task, seams: Sequence[str], rows_at: Callable[[str], Holding], depths: Mapping[str, int], ids: Ids
) -> Iterator[Task]:
    """A task, each thing of each example from the highest seam below it that has the example's rows, else from pixels.

    Args:
        task: from pixels.
        seams: from the highest down.
        rows_at: what is known of a seam.
        depths: of cut points.
        ids: of all examples.
    """
    items, left = task.kind.items, task.indices
    for name in seams:
        above = tuple(item for item in items if depths[item.cut_point] >= depths[name])
        if not above or not len(left):
            continue
        there = np.concatenate([rows_at(name).holds(ids.take(some)) for some in _portions(left)])
        if there.any():
            some, left = left[there], left[~there]
            yield Task(Kind(above, name), some)
            if len(above) < len(items):
                # The same again for what is below: from pixels to above it would be further.
                below = Kind(tuple(item for item in items if item not in above), None)
                yield from divided(Task(below, some), seams, rows_at, depths, ids)
    if len(left):
        yield Task(task.kind, left)


def blocks_of(tasks: Sequence[Task]) -> list[Block]:
    """The tasks in portions: those from pixels together, so that a picture is decoded once; then the others.

    Where they are divided follows from the examples alone, so that whoever computes them writes the same files.
    """
    pixels = [place for place, task in enumerate(tasks) if task.kind.start is None]
    others = [place for place, task in enumerate(tasks) if task.kind.start is not None]
    return [block for places in (pixels, *([place] for place in others)) for block in _blocks(tasks, places)]


def most_blocks(examples: int) -> int:
    """How many blocks a pass over so many examples has at most."""
    return max(min(_BLOCKS, -(-examples // _SMALLEST)), -(-examples // _LARGEST))


def _blocks(tasks: Sequence[Task], places: Sequence[int]) -> Iterator[Block]:
    if not places:
        return
    each = [tasks[place].indices for place in places]
    everyone = each[0] if len(each) == 1 else np.unique(np.concatenate(each))
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


def _portions(indices: Array) -> Iterator[Array]:
    return (indices[start : start + _PORTION] for start in range(0, len(indices), _PORTION))
