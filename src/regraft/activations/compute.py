"""One pass of the frozen trunk over the examples that the store does not know yet."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from typing import Any

import keras
import numpy as np

from regraft.activations import engine, views
from regraft.activations.engine import BATCH, Wanted
from regraft.activations.store import Rows, Store
from regraft.core import digest, plain, storage
from regraft.core.errors import StorageError
from regraft.core.input_spec import InputSpec
from regraft.core.progress import track
from regraft.data import Examples, UnreadableExample
from regraft.graph import digest as model_digest
from regraft.graph.cut_points import cut_points

Array = np.ndarray[Any, Any]

_FORMAT = 1
# Rows waiting to be written, of all cut points together: memory stays flat as data grows.
_WAITING_BYTES = 128_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Activations:
    """What a pass gave.

    Attributes:
        rows: for each thing that was wanted, the activations by example id.
        unreadable: (index, reason) of the examples that could not be read; they have no rows.
        hits: activations that were in the store.
        computed: activations that were computed.
        bytes: of the rows of these examples.
    """

    rows: Mapping[Wanted, Rows]
    unreadable: tuple[tuple[int, str], ...]
    hits: int
    computed: int
    bytes: int


def compute(
    model: keras.Model,
    inputs: InputSpec,
    examples: Examples,
    indices: Iterable[int],
    wanted: Sequence[Wanted],
    store: Store,
    *,
    view: int = 0,
    description: str = "activations",
    compiled: Callable[[Array], list[Array]] | None = None,
) -> Activations:
    """The activations of examples at cut points of a model: those in the store, and the rest from one pass.

    Args:
        model: the network, run in inference mode up to the highest cut point.
        inputs: its input convention.
        examples: where pictures come from.
        indices: which of them.
        wanted: cut points, with or without pooling.
        store: where activations are kept.
        view: which view of each picture; see `activations.views`.
        description: for the progress bar.
        compiled: what `engine.compile_trunk` made for one thing that is wanted, where several views are computed and
            the weights do not change between them.

    Raises:
        StorageError: the disk has no room for what would be written; nothing was computed then.
    """
    indices = [int(index) for index in indices]
    keys = _keys(model, inputs, examples, wanted, view)
    known = {item: store.open(key["key"]) for item, key in keys.items()}
    unique = {examples.ids[index]: index for index in indices}
    missing = {name: index for name, index in unique.items() if any(name not in known[item].places for item in wanted)}
    todo = [item for item in wanted if any(name not in known[item].places for name in missing)]
    unreadable: list[tuple[int, str]] = []
    if missing:
        opened = {point.name: point for point in _shapes(model, todo)}
        _require_room(store, sum(_row_bytes(opened[item.cut_point].shape, item) for item in todo) * len(missing))
        run = compiled or engine.compile_trunk(model, inputs, examples.full_intensity, todo)
        limit = _WAITING_BYTES // len(todo)
        writers = {item: _Writer(store, keys[item], known[item], limit) for item in todo}
        batches = _batches(examples, list(missing.items()), inputs, view, unreadable)
        try:
            for names, raw in track(batches, description, total=-(-len(missing) // BATCH)):
                for item, rows in zip(todo, run(raw), strict=True) if names else ():
                    writers[item].add(names, rows)
        finally:
            for writer in writers.values():
                writer.flush()
    bad = {examples.ids[index]: reason for index, reason in unreadable}
    failed = tuple((index, bad[examples.ids[index]]) for index in indices if examples.ids[index] in bad)
    size = sum(_bytes(known[item]) * len(unique) for item in wanted)
    hits = (len(unique) - len(missing)) * len(wanted) + len(missing) * (len(wanted) - len(todo))
    return Activations(known, failed, hits, (len(missing) - len(bad)) * len(todo), size)


def load_prepared(
    examples: Examples, indices: Iterable[int], inputs: InputSpec, view: int = 0
) -> Iterator[tuple[int, Array | UnreadableExample]]:
    """Raw examples at the network's size, float32, in order; decoded and resized a little ahead of their use."""
    resize = engine.compile_resizing(inputs) if inputs.is_picture else None

    def load(index: int) -> Array | UnreadableExample:
        try:
            (raw,) = examples.load([index], inputs.channels if resize else None)
        except UnreadableExample as error:
            return error
        if resize is None:
            return np.asarray(raw, np.float32).reshape(inputs.shape)
        seen = np.ascontiguousarray(views.view_of(raw, view, examples.ids[index]), np.float32)
        return seen if seen.shape == inputs.shape else resize(seen)

    with ThreadPoolExecutor(max_workers=2) as pool:
        ahead: deque[tuple[int, Future[Array | UnreadableExample]]] = deque()
        for index in indices:
            ahead.append((index, pool.submit(load, index)))
            if len(ahead) >= 3 * BATCH:
                first, future = ahead.popleft()
                yield first, future.result()
        for index, future in ahead:
            yield index, future.result()


def _batches(
    examples: Examples, todo: list[tuple[str, int]], inputs: InputSpec, view: int, unreadable: list[tuple[int, str]]
) -> Iterator[tuple[list[str], Array]]:
    names: list[str] = []
    rows: list[Array] = []
    for index, prepared in load_prepared(examples, [index for _, index in todo], inputs, view):
        if isinstance(prepared, UnreadableExample):
            unreadable.append((index, str(prepared)))
            continue
        names.append(examples.ids[index])
        rows.append(prepared)
        if len(rows) == BATCH:
            yield names, np.stack(rows)
            names, rows = [], []
    if rows:
        yield names, np.stack(rows)


class _Writer:
    """Collects rows until a file is worth writing."""

    def __init__(self, store: Store, about: Mapping[str, Any], known: Rows, limit: int) -> None:
        self._store, self._about, self._known, self._limit = store, about, known, limit
        self._names: list[str] = []
        self._rows: list[Array] = []

    def add(self, names: list[str], rows: Array) -> None:
        self._names.extend(names)
        self._rows.append(rows)
        if sum(part.nbytes for part in self._rows) >= self._limit:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            names, rows = self._names, np.concatenate(self._rows)
            self._names, self._rows = [], []
            self._known.add(names, self._store.append(self._about["key"], self._about, names, rows))


def _keys(
    model: keras.Model, inputs: InputSpec, examples: Examples, wanted: Sequence[Wanted], view: int
) -> dict[Wanted, dict[str, Any]]:
    """What the activations depend on, in words, with the digest of it as `key`."""
    trunks = model_digest.of_trunks(model, dict.fromkeys(item.cut_point for item in wanted))
    convention = {key: value for key, value in plain.to_plain(inputs).items() if key not in ("name", "origin")}
    keys: dict[Wanted, dict[str, Any]] = {}
    for item in wanted:
        about = {
            "format": _FORMAT,
            "trunk": trunks[item.cut_point],
            "pooled": item.pooled,
            "input": {**convention, "full_intensity": examples.full_intensity},
            "view": view,
            "dtype": "float32",
            "batch": BATCH,
            "backend": keras.backend.backend(),
        }
        keys[item] = {"key": digest.of_json(about), "network": model.name, "cut_point": item.cut_point, **about}
    return keys


def _shapes(model: keras.Model, wanted: Sequence[Wanted]) -> list[Any]:
    names = {item.cut_point for item in wanted}
    return [point for point in cut_points(model) if point.name in names]


def _row_bytes(shape: tuple[int | None, ...], item: Wanted) -> int:
    sizes = shape[-1:] if item.pooled else shape
    return 4 * prod(size or 1 for size in sizes)


def _bytes(rows: Rows) -> int:
    return rows.files[0][0].nbytes if rows.files else 0


def _require_room(store: Store, needed: int) -> None:
    free = storage.free_bytes(store.folder)
    if needed > 0.95 * free:
        raise StorageError(
            f"the activations need {needed / 1e6:.0f} MB, '{store.folder}' has {free / 1e6:.0f} MB free; "
            "free some space, name another folder with REGRAFT_CACHE, or use smaller pictures with --input-size"
        )
