"""Activations that are kept nowhere: computed whenever they are asked for, by the same compiled trunk.

It is what training falls back to where neither disk nor memory have room. The trunk still runs outside the training
loop, in inference mode and in batches of its one fixed size, so that every row is, bit for bit, the one that a cache
would have held.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from regraft.activations.compute import RowsLike
from regraft.activations.engines import Run, Wanted, compile_trunk
from regraft.activations.loading import batches
from regraft.activations.places import index, numbers_of
from regraft.activations.tasks import Block
from regraft.core.errors import DataError
from regraft.core.input_spec import InputSpec
from regraft.data import Examples

Array = np.ndarray[Any, Any]


class Stream:
    """What computes rows on the fly: of all that is asked for at once, in one pass."""

    def __init__(self, model: keras.Model, inputs: InputSpec, examples: Examples, engine: str = "keras") -> None:
        """Say what is to be computed of what.

        Args:
            model: the network; its weights are taken as they are when something is first asked for.
            inputs: its input convention.
            examples: where pictures come from.
            engine: what runs the trunk, see `engines`.
        """
        self._model, self._inputs, self._examples, self._engine = model, inputs, examples, engine
        self._places = index([(0, numbers_of(examples.ids))])
        self._runs: dict[tuple[Wanted, ...], Run] = {}

    def rows(self, item: Wanted) -> "Streamed":
        """The rows of one thing that is wanted."""
        return Streamed(self, item)

    def holds(self, ids: Sequence[str]) -> Array:
        """Of which of these examples there will be rows: bool (n,)."""
        return self._places.find(numbers_of(ids)) >= 0

    def gather(self, items: Sequence[Wanted], ids: Sequence[str]) -> list[Array]:
        """The rows, float32 (n, ...), of these examples for each of these things; each example is decoded once.

        Args:
            items: of one view.
            ids: n examples.

        Raises:
            KeyError: there is no such example.
            DataError: an example cannot be read (any more).
        """
        places = self._places.find(numbers_of(ids))
        if len(places) and places.min() < 0:
            raise KeyError(ids[int(np.argmin(places))])
        (view,) = {item.view for item in items}
        run = self._compiled(tuple(replace(item, view=0) for item in items))
        wanted, order = np.unique(places, return_inverse=True)
        unreadable: list[tuple[int, str]] = []
        rows: list[Array] = []
        for given in batches(self._examples, [Block(((0, wanted),))], [view], self._inputs, unreadable):
            if given is None:
                continue
            _, indices, raw = given
            made = run(raw)
            rows = rows or [np.empty((len(wanted), *each.shape[1:]), np.float32) for each in made]
            for each, kept in zip(made, rows, strict=True):
                kept[np.searchsorted(wanted, indices)] = each
        if unreadable or not rows:
            raise DataError(unreadable[0][1] if unreadable else "expected at least one example to compute, found none")
        return [each if np.array_equal(order, np.arange(len(each))) else each[order] for each in rows]

    def _compiled(self, items: tuple[Wanted, ...]) -> Run:
        if items not in self._runs:
            full = self._examples.full_intensity
            self._runs[items] = compile_trunk(self._model, self._inputs, full, items, engine=self._engine)
        return self._runs[items]


class Streamed:
    """The rows of one thing that is wanted, computed on the fly; made by `Stream.rows`."""

    # Of each row, in any place that keeps it.
    row_bytes = 0

    def __init__(self, stream: Stream, item: Wanted) -> None:
        self.stream, self.item = stream, item

    def holds(self, ids: Sequence[str]) -> Array:
        """Of which of these examples there will be a row: bool (n,)."""
        return self.stream.holds(ids)

    def gather(self, ids: Sequence[str]) -> Array:
        """The rows, float32 (n, ...), of these examples, in this order; see `Stream.gather`."""
        return self.stream.gather([self.item], ids)[0]


def gathered(rows: Mapping[Wanted, RowsLike], items: Sequence[Wanted], ids: Sequence[str]) -> list[Array]:
    """The rows of several things of the same examples: those that are computed on the fly in one pass for each view.

    Args:
        rows: of each thing.
        items: what is asked for.
        ids: of n examples.

    Returns:
        For each of the items float32 (n, ...).
    """
    found: dict[Wanted, Array] = {}
    groups: dict[tuple[int, int], tuple[Stream, list[Wanted]]] = {}
    for item in dict.fromkeys(items):
        kept = rows[item]
        if isinstance(kept, Streamed):
            groups.setdefault((id(kept.stream), item.view), (kept.stream, []))[1].append(item)
        else:
            found[item] = kept.gather(ids)
    for stream, members in groups.values():
        found.update(zip(members, stream.gather(members, ids), strict=True))
    return [found[item] for item in items]
