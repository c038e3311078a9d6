"""One pass of the frozen trunk over the examples that the store does not know yet."""

import functools
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, Protocol

import keras
import numpy as np

from regraft.activations import shard, spreading
from regraft.activations.coding import bytes_of
from regraft.activations.engines import BATCH, Wanted
from regraft.activations.keys import Keys
from regraft.activations.store import Rows, Store
from regraft.activations.tasks import Block, Task, ascending, blocks_of, divided, first_of_each, lacking, most_blocks
from regraft.activations.usage import Usage
from regraft.activations.work import Elsewhere, Work, Worker
from regraft.core import storage
from regraft.core.input_spec import InputSpec
from regraft.core.progress import track
from regraft.data import Examples
from regraft.graph.cut_points import cut_points, input_point

Array = np.ndarray[Any, Any]

# Rows waiting to be written, of all cut points together: memory stays flat as data grows.
_WAITING_BYTES = 128_000_000
# Few files of each key, and yet writing begins long before the pass ends.
_FILES, _SMALLEST_FILE = 16, 8_000_000
# Of what is said of an entry and of what it was good for, about.
_SAID = 3_000


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
        keys: for each thing that was wanted, the digest of all that it depends on beside the examples.
    """

    rows: Mapping[Wanted, RowsLike]
    unreadable: tuple[tuple[int, str], ...]
    hits: int
    computed: int
    bytes: int
    from_lower: int = 0
    keys: Mapping[Wanted, str] = field(default_factory=dict[Wanted, str])


def compute(
    model: keras.Model,
    inputs: InputSpec,
    examples: Examples,
    indices: Iterable[int] | Mapping[int, Iterable[int]],
    wanted: Sequence[Wanted],
    store: Store,
    *,
    dtype: str = "float32",
    engine: str = "keras",
    spread: bool = False,
    source: str = "",
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
        engine: what runs the trunk, see `engines`.
        spread: let the workers of a Ray cluster compute, see `spreading`; they write into the store's folder, which
            all of them must reach.
        source: where the network comes from, as people say it, for `cache info`.
        description: for the progress bar.

    Raises:
        StorageError: the disk or the cache has no room for what would be written; nothing was computed then.
    """
    wanted = tuple(dict.fromkeys(wanted))
    words = Keys(model, inputs, examples, (item.cut_point for item in wanted), dtype=dtype, engine=engine)
    everyone = _by_view(indices, wanted, len(examples))
    asked = {view: first_of_each(examples.ids, chosen) for view, chosen in everyone.items()}
    look = _Look(words, wanted, examples, asked, store)
    unreadable: list[tuple[int, str]] = []
    took = 0.0
    if look.tasks:
        with store.computing(look.keys()) as waited:
            if waited:
                look = _Look(words, wanted, examples, asked, store)
            started = time.perf_counter()
            if look.tasks:
                work = _work(model, inputs, examples, look, store, dtype, engine)
                unreadable = _done(work, look, store, spread, description)
            took = time.perf_counter() - started
    made = _made(look.tasks, unreadable)
    _note(made, took, look, asked, _placed(examples.origin), _placed(source), store)
    # Who writes nothing makes no room; a limit holds all the same.
    store.trim()
    return Activations(
        look.known,
        unreadable=_bad(unreadable, examples, everyone),
        hits=sum(len(asked[item.view]) for item in wanted)
        - sum(len(task.kind.items) * len(task.indices) for task in look.tasks),
        computed=sum(made.values()),
        bytes=sum(look.known[item].row_bytes * len(asked[item.view]) for item in wanted),
        from_lower=sum(number for (_, start), number in made.items() if start is not None),
        keys={item: said["key"] for item, said in look.about.items()},
    )


def beside(rows: int, size: int, keys: int) -> int:
    """Bytes that the files of a key take beside its rows, at most, where so many keys are computed in one pass.

    Args:
        rows: how many.
        size: of all of them, in bytes.
        keys: of the pass.
    """
    files = most_blocks(rows) + size // min(_WAITING_BYTES // max(1, keys), _SMALLEST_FILE)
    return _SAID + shard.beside(rows, size, files)


class _Look:
    """What the store has, and what is to be computed."""

    def __init__(
        self, words: Keys, wanted: Sequence[Wanted], examples: Examples, asked: Mapping[int, Array], store: Store
    ) -> None:
        self.about = {item: words.about(item) for item in wanted}
        self.known: dict[Wanted, Rows] = {item: store.open(said["key"]) for item, said in self.about.items()}
        self.tasks: list[Task] = []
        self._words, self._store = words, store
        self._seams: dict[Wanted, Rows] = {}
        for view, chosen in asked.items():
            items = [item for item in wanted if item.view == view]
            for task in lacking(items, self.known, examples.ids, chosen):
                rows_at = functools.partial(self._at_seam, task.kind.view)
                self.tasks += divided(task, words.seams[::-1], rows_at, words.depths, examples.ids)

    def keys(self) -> dict[str, int]:
        """The keys of what is to be computed, with how many examples each lacks."""
        found: dict[str, int] = {}
        for task in self.tasks:
            for item in task.kind.items:
                key = self.about[item]["key"]
                found[key] = found.get(key, 0) + len(task.indices)
        return found

    def below(self) -> dict[int, str]:
        """For the tasks that start at a seam, the key of the rows there."""
        return {
            place: self._key(Wanted(task.kind.start, False, task.kind.view))
            for place, task in enumerate(self.tasks)
            if task.kind.start is not None
        }

    def _at_seam(self, view: int, name: str) -> Rows:
        start = Wanted(name, False, view)
        if start not in self._seams:
            self._seams[start] = self._store.open(self._key(start))
        return self._seams[start]

    def _key(self, start: Wanted) -> str:
        # Rounded rows are no start: what is above them would depend on what the store happened to have.
        return self._words.about(start, "float32")["key"]


def _work(
    model: keras.Model,
    inputs: InputSpec,
    examples: Examples,
    look: _Look,
    store: Store,
    dtype: str,
    engine: str,
) -> Work:
    limits = _limits(model, look.tasks, store, dtype)
    kinds = tuple(task.kind for task in look.tasks)
    about = {item: look.about[item] for item in limits}
    return Work(model, inputs, examples, kinds, about, look.below(), limits, engine)


def _done(work: Work, look: _Look, store: Store, spread: bool, description: str) -> list[tuple[int, str]]:
    """Do the work; `look.known` has what was computed then. Returns (index, reason) of what could not be read."""
    unreadable: list[tuple[int, str]] = []
    blocks = blocks_of(look.tasks)
    if spread:
        _do_elsewhere(work, blocks, look, store, unreadable, description)
    else:
        total = sum(-(-len(indices) // BATCH) for block in blocks for _, indices in block.parts)
        _exhaust(track(Worker(work, store).do(blocks, look.known, unreadable), description, total=total))
    return unreadable


def _do_elsewhere(
    work: Work,
    blocks: Sequence[Block],
    look: _Look,
    store: Store,
    unreadable: list[tuple[int, str]],
    description: str,
) -> None:
    if any(said["dtype"] == "int8" for said in work.about.values()):
        # The first file of a key fixes its scale: that is to be the file that it would be here.
        _exhaust(Worker(work, store).do(blocks[:1], look.known, unreadable))
        blocks = blocks[1:]
    reports = spreading.spread(Elsewhere(work, store.folder.parent), blocks)
    for report in track(reports, description, total=len(blocks)):
        for item, name in report.files:
            look.known[item].add(store.file(work.about[item]["key"], name))
        unreadable += report.unreadable


def _exhaust(steps: Iterable[object]) -> None:
    for _ in steps:
        pass


def _note(
    made: Mapping[tuple[Wanted, str | None], int],
    took: float,
    look: _Look,
    asked: Mapping[int, Array],
    data: tuple[str, ...],
    sources: tuple[str, ...],
    store: Store,
) -> None:
    """Tell the store what its entries were good for."""
    seconds = took / max(1, sum(made.values()))
    for item, said in look.about.items():
        count = sum(number for (of, _), number in made.items() if of == item)
        found = len(asked[item.view]) - count
        store.note(said["key"], Usage(count, seconds * count, found, data, sources))


def _placed(name: str) -> tuple[str, ...]:
    """A name, for a path that from the root, which cannot be taken for one elsewhere; nothing where there is none."""
    # Data are called by their path in quotation marks, or by what they are.
    path = name[1:-1] if name.startswith("'") and name.endswith("'") else name
    return (storage.absolute(path),) if path else ()


def _by_view(
    indices: Iterable[int] | Mapping[int, Iterable[int]], wanted: Sequence[Wanted], count: int
) -> dict[int, Array]:
    views = sorted({item.view for item in wanted})
    if isinstance(indices, Mapping):
        return {view: ascending(indices[view], count) for view in views}
    return dict.fromkeys(views, ascending(indices, count))


def _limits(model: keras.Model, tasks: Sequence[Task], store: Store, dtype: str) -> dict[Wanted, int]:
    """Bytes of a file of each thing that is to be computed; there is room for all of them.

    Raises:
        StorageError: there is not.
    """
    shapes = {point.name: point.shape for point in (input_point(model), *cut_points(model))}
    sizes: dict[Wanted, int] = {}
    for task in tasks:
        for item in task.kind.items:
            sizes[item] = sizes.get(item, 0) + _row_bytes(shapes[item.cut_point], item, dtype) * len(task.indices)
    store.require_room(sum(sizes.values()))
    limit = _WAITING_BYTES // len(sizes)
    return {item: min(limit, max(_SMALLEST_FILE, size // _FILES)) for item, size in sizes.items()}


def _row_bytes(shape: tuple[int | None, ...], item: Wanted, dtype: str) -> int:
    sizes = shape[-1:] if item.pooled else shape
    return bytes_of("float32" if item.pooled else dtype) * prod(size or 1 for size in sizes)


def _made(tasks: Sequence[Task], unreadable: Sequence[tuple[int, str]]) -> dict[tuple[Wanted, str | None], int]:
    """How many rows were computed, by what they are and where that began."""
    bad = np.unique(np.array([index for index, _ in unreadable], np.uint32))
    made: dict[tuple[Wanted, str | None], int] = {}
    for task in tasks:
        # How many stand before and behind each: an unreadable one of the task stands between.
        before, behind = (np.searchsorted(task.indices, bad, side) for side in ("left", "right"))
        count = len(task.indices) - int((behind - before).sum())
        for item in task.kind.items:
            made[item, task.kind.start] = made.get((item, task.kind.start), 0) + count
    return made


def _bad(
    unreadable: Sequence[tuple[int, str]], examples: Examples, everyone: Mapping[int, Array]
) -> tuple[tuple[int, str], ...]:
    """The unreadable examples, those of the same content that were not tried again included."""
    if not unreadable:
        return ()
    reasons = {examples.ids[index]: reason for index, reason in unreadable}
    indices = np.unique(np.concatenate(list(everyone.values())))
    ids = zip(indices.tolist(), examples.ids.take(indices), strict=True)
    return tuple((index, reasons[name]) for index, name in ids if name in reasons)
