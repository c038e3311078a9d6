"""One pass of the frozen trunk over the examples that the store does not know yet."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import keras
import numpy as np

from regraft.activations import engine
from regraft.activations.engine import BATCH, Wanted
from regraft.activations.loading import batches
from regraft.activations.store import Rows, Store
from regraft.activations.usage import Usage
from regraft.activations.writing import Writing
from regraft.core import digest, plain
from regraft.core.input_spec import InputSpec
from regraft.core.progress import track
from regraft.data import Examples
from regraft.graph import digest as model_digest
from regraft.graph.cut_points import cut_points

Array = np.ndarray[Any, Any]

_FORMAT = 2
# Rows waiting to be written, of all cut points together: memory stays flat as data grows.
_WAITING_BYTES = 128_000_000
# Few files of each key, and yet writing begins long before the pass ends.
_FILES, _SMALLEST_FILE = 16, 8_000_000


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


@dataclass(frozen=True, slots=True, eq=False)
class _Missing:
    """Of one view: what some examples lack, and which these are."""

    items: list[Wanted]
    examples: dict[str, int]


def compute(
    model: keras.Model,
    inputs: InputSpec,
    examples: Examples,
    indices: Iterable[int] | Mapping[int, Iterable[int]],
    wanted: Sequence[Wanted],
    store: Store,
    *,
    description: str = "activations",
) -> Activations:
    """The activations of examples at cut points of a model: those in the store, and the rest from one pass.

    An example is decoded once, whatever is wanted of it.

    Args:
        model: the network, run in inference mode up to the highest cut point.
        inputs: its input convention.
        examples: where pictures come from.
        indices: which of them; by view, where each is wanted of other examples.
        wanted: cut points, with or without pooling, of which view.
        store: where activations are kept.
        description: for the progress bar.

    Raises:
        StorageError: the disk or the cache has no room for what would be written; nothing was computed then.
    """
    asked = _by_view(indices, wanted)
    keys = _keys(model, inputs, examples, wanted)
    unique = {view: {examples.ids[index]: index for index in chosen} for view, chosen in asked.items()}
    known, missing = _look(store, keys, unique)
    unreadable: list[tuple[int, str]] = []
    took = 0.0
    if _some(missing):
        lacking = {keys[item]["key"]: len(group.examples) for group in missing.values() for item in group.items}
        with store.computing(lacking) as waited:
            if waited:
                known, missing = _look(store, keys, unique)
            if _some(missing):
                started = time.perf_counter()
                _run(model, inputs, examples, store, keys, known, missing, unreadable, description)
                took = time.perf_counter() - started
    bad = {examples.ids[index]: reason for index, reason in unreadable}
    everyone = dict.fromkeys(index for chosen in asked.values() for index in chosen)
    lacking = sum(len(group.items) * len(group.examples) for group in missing.values())
    seconds = took / max(1, lacking)
    for item, key in keys.items():
        group = missing[item.view]
        count = len(group.examples) if item in group.items else 0
        used = Usage(count, seconds * count, len(unique[item.view]) - count, (examples.origin.strip("'"),))
        store.note(key["key"], used)
    return Activations(
        known,
        unreadable=tuple((index, bad[examples.ids[index]]) for index in everyone if examples.ids[index] in bad),
        hits=sum(len(unique[item.view]) for item in wanted) - lacking,
        computed=sum(len(group.items) * len(group.examples.keys() - bad.keys()) for group in missing.values()),
        bytes=sum(known[item].row_bytes * len(unique[item.view]) for item in wanted),
    )


def _look(
    store: Store, keys: Mapping[Wanted, Mapping[str, Any]], unique: Mapping[int, Mapping[str, int]]
) -> tuple[dict[Wanted, Rows], dict[int, _Missing]]:
    """What is known, and by view what is missing."""
    known = {item: store.open(key["key"]) for item, key in keys.items()}
    missing = {view: _missing([item for item in keys if item.view == view], known, unique[view]) for view in unique}
    return known, missing


def _some(missing: Mapping[int, _Missing]) -> bool:
    return any(group.examples for group in missing.values())


def _run(
    model: keras.Model,
    inputs: InputSpec,
    examples: Examples,
    store: Store,
    keys: Mapping[Wanted, Mapping[str, Any]],
    known: Mapping[Wanted, Rows],
    missing: Mapping[int, _Missing],
    unreadable: list[tuple[int, str]],
    description: str,
) -> None:
    """One pass: `known` has what was missing then, but for the `unreadable`."""
    sizes = _sizes(model, missing.values())
    store.require_room(sum(sizes.values()))
    runs = _compiled(model, inputs, examples.full_intensity, missing)
    total = sum(-(-len(group.examples) // BATCH) for group in missing.values())
    with Writing(store) as writing:
        limit = _WAITING_BYTES // len(sizes)
        collected = {
            item: writing.key(keys[item], known[item], min(limit, max(_SMALLEST_FILE, size // _FILES)))
            for item, size in sizes.items()
        }
        loaded = batches(examples, _views_of_each(missing), inputs, unreadable)
        for view, names, raw in track(loaded, description, total=total):
            for item, rows in zip(missing[view].items, runs[view](raw), strict=True):
                collected[item].add(names, rows)


def _by_view(indices: Iterable[int] | Mapping[int, Iterable[int]], wanted: Sequence[Wanted]) -> dict[int, list[int]]:
    views = sorted({item.view for item in wanted})
    if isinstance(indices, Mapping):
        return {view: [int(index) for index in indices[view]] for view in views}
    everyone = [int(index) for index in indices]
    return dict.fromkeys(views, everyone)


def _views_of_each(missing: Mapping[int, _Missing]) -> dict[int, list[int]]:
    """By index of an example, the views that are missing."""
    todo: dict[int, list[int]] = {}
    for view, group in missing.items():
        for index in group.examples.values():
            todo.setdefault(index, []).append(view)
    return todo


def _missing(wanted: list[Wanted], known: Mapping[Wanted, Rows], unique: Mapping[str, int]) -> _Missing:
    names = list(unique)
    held = {item: known[item].holds(names) for item in wanted}
    lacking = np.flatnonzero(~np.logical_and.reduce([*held.values()])).tolist()
    return _Missing(
        [item for item in wanted if not held[item].all()], {names[place]: unique[names[place]] for place in lacking}
    )


def _compiled(
    model: keras.Model, inputs: InputSpec, full_intensity: float, missing: Mapping[int, _Missing]
) -> dict[int, Callable[[Array], list[Array]]]:
    """What computes the activations of each view; views of which the same is wanted share it."""
    made: dict[tuple[Wanted, ...], Callable[[Array], list[Array]]] = {}
    runs: dict[int, Callable[[Array], list[Array]]] = {}
    for view, group in missing.items():
        alike = tuple(replace(item, view=0) for item in group.items)
        if alike:
            if alike not in made:
                made[alike] = engine.compile_trunk(model, inputs, full_intensity, alike)
            runs[view] = made[alike]
    return runs


def _sizes(model: keras.Model, missing: Iterable[_Missing]) -> dict[Wanted, int]:
    """How many bytes will be written of each thing that is to be computed."""
    shapes = {point.name: point.shape for point in cut_points(model)}
    return {
        item: _row_bytes(shapes[item.cut_point], item) * len(group.examples)
        for group in missing
        for item in group.items
    }


def _keys(
    model: keras.Model, inputs: InputSpec, examples: Examples, wanted: Sequence[Wanted]
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
            "view": item.view,
            "dtype": "float32",
            "batch": BATCH,
            "backend": keras.backend.backend(),
        }
        keys[item] = {"key": digest.of_json(about), "network": model.name, "cut_point": item.cut_point, **about}
    return keys


def _row_bytes(shape: tuple[int | None, ...], item: Wanted) -> int:
    sizes = shape[-1:] if item.pooled else shape
    return 4 * prod(size or 1 for size in sizes)
