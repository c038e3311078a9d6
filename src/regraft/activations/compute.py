"""One pass of the frozen trunk over the examples that the store does not know yet."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import prod
from typing import Any, Protocol

import keras
import numpy as np

from regraft.activations import engine
from regraft.activations.coding import DTYPES
from regraft.activations.engine import BATCH, Wanted
from regraft.activations.keys import Keys
from regraft.activations.loading import batches
from regraft.activations.memory import MemoryStore
from regraft.activations.store import Rows, Store
from regraft.activations.writing import Writing
from regraft.core import storage
from regraft.core.errors import StorageError
from regraft.core.input_spec import InputSpec
from regraft.core.progress import track
from regraft.data import Examples
from regraft.graph.cut_points import cut_points

Array = np.ndarray[Any, Any]

# Rows waiting to be written, of all cut points together: memory stays flat as data grows.
_WAITING_BYTES = 128_000_000
# Few files of each key, and yet writing begins long before the pass ends.
_FILES, _SMALLEST_FILE = 16, 8_000_000


class RowsLike(Protocol):
    """Activations of examples by id, wherever they are: on disk, in memory, or computed on the fly."""

    @property
    def row_bytes(self) -> int:
        """Of one row, where it is kept."""
        ...

    def holds(self, ids: Sequence[str]) -> Array:
        """Of which of these examples there is a row: bool (n,)."""
        ...

    def gather(self, ids: Sequence[str]) -> Array:
        """The rows, float32 (n, ...), of these examples, in this order."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Activations:
    """What a pass gave.

    Attributes:
        rows: for each thing that was wanted, the activations by example id.
        unreadable: (index, reason) of the examples that could not be read; they have no rows.
        hits: activations that were in the store.
        computed: activations that were computed.
        bytes: of the rows of these examples.
        from_lower: how many of those computed were made of the activations of a lower cut point, without the picture.
    """

    rows: Mapping[Wanted, RowsLike]
    unreadable: tuple[tuple[int, str], ...]
    hits: int
    computed: int
    bytes: int
    from_lower: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """What is to be computed alike.

    Attributes:
        items: what is wanted, all of one view.
        start: the seam whose rows are in the store; None: from pixels.
        examples: index by id.
    """

    items: tuple[Wanted, ...]
    start: str | None
    examples: dict[str, int]

    @property
    def view(self) -> int:
        return self.items[0].view


def compute(
    model: keras.Model,
    inputs: InputSpec,
    examples: Examples,
    indices: Iterable[int] | Mapping[int, Iterable[int]],
    wanted: Sequence[Wanted],
    store: Store,
    *,
    dtype: str = "float32",
    description: str = "activations",
) -> Activations:
    """The activations of examples at cut points of a model: those in the store, and the rest from one pass.

    An example is decoded once, whatever is wanted of it; and not at all where the store has its whole activations at a
    seam (see `activations.seams`) not above what is wanted: then only the layers from there on are run.

    Args:
        model: the network, run in inference mode up to the highest cut point.
        inputs: its input convention.
        examples: where pictures come from.
        indices: which of them; by view, where each is wanted of other examples.
        wanted: cut points, with or without pooling, of which view.
        store: where activations are kept.
        dtype: how whole activations are kept.
        description: for the progress bar.

    Raises:
        StorageError: the disk has no room for what would be written; nothing was computed then.
    """
    asked = _by_view(indices, wanted)
    words = Keys(model, inputs, examples, (item.cut_point for item in wanted), dtype=dtype)
    keys = {item: words.about(item) for item in wanted}
    known = {item: store.open(key["key"]) for item, key in keys.items()}
    unique = {view: {examples.ids[index]: index for index in chosen} for view, chosen in asked.items()}
    lacking = [task for view, names in unique.items() for task in _lacking(wanted, view, known, names)]
    lower = _Lower(words, store)
    tasks = [part for task in lacking for part in lower.divided(task)]
    unreadable: list[tuple[int, str]] = []
    if tasks:
        sizes = _sizes(model, tasks, dtype)
        _require_room(store, sum(sizes.values()))
        runs = _compiled(model, inputs, examples.full_intensity, tasks)
        total = sum(-(-len(task.examples) // BATCH) for task in tasks)
        with Writing(store) as writing:
            limit = _WAITING_BYTES // len(sizes)
            collected = {
                item: writing.key(keys[item], known[item], min(limit, max(_SMALLEST_FILE, size // _FILES)))
                for item, size in sizes.items()
            }
            given = chain(_decoded(tasks, examples, inputs, unreadable), lower.gathered(tasks))
            for place, names, raw in track(given, description, total=total):
                for item, rows in zip(tasks[place].items, runs[place](raw), strict=True):
                    collected[item].add(names, rows)
    bad = {examples.ids[index]: reason for index, reason in unreadable}
    everyone = dict.fromkeys(index for chosen in asked.values() for index in chosen)
    made = {task: len(task.items) * len(task.examples.keys() - bad.keys()) for task in tasks}
    return Activations(
        known,
        unreadable=tuple((index, bad[examples.ids[index]]) for index in everyone if examples.ids[index] in bad),
        hits=sum(len(unique[item.view]) for item in wanted)
        - sum(len(task.items) * len(task.examples) for task in tasks),
        computed=sum(made.values()),
        bytes=sum(known[item].row_bytes * len(unique[item.view]) for item in wanted),
        from_lower=sum(count for task, count in made.items() if task.start is not None),
    )


def _by_view(indices: Iterable[int] | Mapping[int, Iterable[int]], wanted: Sequence[Wanted]) -> dict[int, list[int]]:
    views = sorted({item.view for item in wanted})
    if isinstance(indices, Mapping):
        return {view: [int(index) for index in indices[view]] for view in views}
    everyone = [int(index) for index in indices]
    return dict.fromkeys(views, everyone)


def _lacking(
    wanted: Sequence[Wanted], view: int, known: Mapping[Wanted, Rows], unique: Mapping[str, int]
) -> list[_Task]:
    """What is not in the store of one view: examples that lack the same together."""
    items = [item for item in dict.fromkeys(wanted) if item.view == view]
    names = list(unique)
    lacks = np.stack([~known[item].holds(names) for item in items], axis=1)
    patterns, members = np.unique(lacks, axis=0, return_inverse=True)
    tasks: list[_Task] = []
    for place, pattern in enumerate(patterns):
        if pattern.any():
            chosen = tuple(item for item, lacking in zip(items, pattern, strict=True) if lacking)
            rows = np.flatnonzero(members.reshape(-1) == place)
            tasks.append(_Task(chosen, None, {names[row]: unique[names[row]] for row in rows}))
    return tasks


class _Lower:
    """The whole activations that the store has at seams, from which what is above them can be computed."""

    def __init__(self, keys: Keys, store: Store) -> None:
        self._keys, self._store = keys, store
        self._rows: dict[Wanted, Rows] = {}

    def divided(self, task: _Task) -> list[_Task]:
        """A task, each example from the highest seam that the store has it at, not above anything that is wanted."""
        lowest = min(self._keys.depths[item.cut_point] for item in task.items)
        left, parts = list(task.examples), list[_Task]()
        for name in reversed([name for name in self._keys.seams if self._keys.depths[name] <= lowest]):
            if not left:
                break
            there = self._open(Wanted(name, False, task.view)).holds(left)
            if there.any():
                chosen = {id_: task.examples[id_] for id_, held in zip(left, there, strict=True) if held}
                parts.append(_Task(task.items, name, chosen))
                left = [id_ for id_ in left if id_ not in chosen]
        rest = {id_: task.examples[id_] for id_ in left}
        return [*parts, _Task(task.items, None, rest)] if rest else parts

    def _open(self, start: Wanted) -> Rows:
        if start not in self._rows:
            # Rounded rows are no start: what is above them would depend on what the store happened to have.
            self._rows[start] = self._store.open(self._keys.about(start, "float32")["key"])
        return self._rows[start]

    def gathered(self, tasks: Sequence[_Task]) -> Iterator[tuple[int, list[str], Array]]:
        """For the tasks that start at a seam: which, ids, and the rows there (n, ...) with n <= BATCH."""
        for place, task in enumerate(tasks):
            if task.start is not None:
                rows = self._rows[Wanted(task.start, False, task.view)]
                names = list(task.examples)
                for begin in range(0, len(names), BATCH):
                    some = names[begin : begin + BATCH]
                    yield place, some, rows.gather(some)


def _decoded(
    tasks: Sequence[_Task], examples: Examples, inputs: InputSpec, unreadable: list[tuple[int, str]]
) -> Iterator[tuple[int, list[str], Array]]:
    """For the tasks that start from pixels: which, ids, and pictures (n, ...); each is decoded once for all."""
    places: dict[int, list[int]] = {}
    for place, task in enumerate(tasks):
        if task.start is None:
            for index in task.examples.values():
                places.setdefault(index, []).append(place)
    views = {place: task.view for place, task in enumerate(tasks) if task.start is None}
    by_id = {examples.ids[index]: where for index, where in places.items()}
    wanted = {index: [views[place] for place in where] for index, where in places.items()}
    alone = {view: place for place, view in views.items() if list(views.values()).count(view) == 1}
    waiting: dict[int, tuple[list[str], list[Array]]] = {}
    for view, names, raw in batches(examples, wanted, inputs, unreadable):
        if view in alone:
            yield alone[view], names, raw
            continue
        for name, picture in zip(names, raw, strict=True):
            # An example stands in one task of each view.
            place = next(place for place in by_id[name] if views[place] == view)
            ids, rows = waiting.setdefault(place, ([], []))
            ids.append(name)
            rows.append(picture)
            if len(rows) == BATCH:
                del waiting[place]
                yield place, ids, np.stack(rows)
    for place, (ids, rows) in waiting.items():
        yield place, ids, np.stack(rows)


def _compiled(
    model: keras.Model, inputs: InputSpec, full_intensity: float, tasks: Sequence[_Task]
) -> list[Callable[[Array], list[Array]]]:
    """What computes each task; those of different views that are otherwise alike share it."""
    made: dict[tuple[tuple[Wanted, ...], str | None], Callable[[Array], list[Array]]] = {}
    runs: list[Callable[[Array], list[Array]]] = []
    for task in tasks:
        alike = tuple(replace(item, view=0) for item in task.items)
        if (alike, task.start) not in made:
            made[alike, task.start] = engine.compile_trunk(model, inputs, full_intensity, alike, start=task.start)
        runs.append(made[alike, task.start])
    return runs


def _sizes(model: keras.Model, tasks: Iterable[_Task], dtype: str) -> dict[Wanted, int]:
    """How many bytes will be written of each thing that is to be computed."""
    shapes = {point.name: point.shape for point in cut_points(model)}
    sizes: dict[Wanted, int] = {}
    for task in tasks:
        for item in task.items:
            sizes[item] = sizes.get(item, 0) + _row_bytes(shapes[item.cut_point], item, dtype) * len(task.examples)
    return sizes


def _row_bytes(shape: tuple[int | None, ...], item: Wanted, dtype: str) -> int:
    sizes = shape[-1:] if item.pooled else shape
    return DTYPES["float32" if item.pooled else dtype] * prod(size or 1 for size in sizes)


def _require_room(store: Store, needed: int) -> None:
    if isinstance(store, MemoryStore):
        return
    free = storage.free_bytes(store.folder)
    if needed > 0.95 * free:
        raise StorageError(
            f"the activations need {needed / 1e6:.0f} MB, '{store.folder}' has {free / 1e6:.0f} MB free; "
            "free some space, name another folder with REGRAFT_CACHE, say --cache-budget, or use smaller pictures with "
            "--input-size"
        )
