"""Activations that are kept nowhere: computed whenever they are asked for, by the same compiled trunk.

It is what training falls back to where neither disk nor memory have room. The trunk still runs outside the training
loop, in inference mode and in batches of its one fixed size, so that every row is, bit for bit, the one that a cache
would have held.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from regraft.activations.engines import Wanted, compile_trunk
from regraft.activations.loading import batches
from regraft.activations.places import index, numbers_of
from regraft.activations.tasks import Block
from regraft.core.errors import DataError
from regraft.core.input_spec import InputSpec
from regraft.data import Examples

Array = np.ndarray[Any, Any]


class Streamed:
    """The rows of one thing that is wanted, computed on the fly."""

    # Of each row, in any place that keeps it.
    row_bytes = 0

    def __init__(
        self, model: keras.Model, inputs: InputSpec, examples: Examples, item: Wanted, engine: str = "keras"
    ) -> None:
        """Compile what computes them.

        Args:
            model: the network; its weights are taken as they are now.
            inputs: its input convention.
            examples: where pictures come from.
            item: what is wanted.
            engine: what runs the trunk, see `engines`.
        """
        self._inputs, self._examples, self._view = inputs, examples, item.view
        self._places = index([(0, numbers_of(examples.ids))])
        self._run = compile_trunk(model, inputs, examples.full_intensity, [replace(item, view=0)], engine=engine)

    def holds(self, ids: Sequence[str]) -> Array:
        """Of which of these examples there will be a row: bool (n,)."""
        return self._places.find(numbers_of(ids)) >= 0

    def gather(self, ids: Sequence[str]) -> Array:
        """The rows, float32 (n, ...), of these examples, in this order; each is decoded once.

        Raises:
            KeyError: there is no such example.
            DataError: an example cannot be read (any more).
        """
        places = self._places.find(numbers_of(ids))
        if len(places) and places.min() < 0:
            raise KeyError(ids[int(np.argmin(places))])
        wanted, order = np.unique(places, return_inverse=True)
        unreadable: list[tuple[int, str]] = []
        rows: Array | None = None
        for given in batches(self._examples, [Block(((0, wanted),))], [self._view], self._inputs, unreadable):
            if given is not None:
                _, indices, raw = given
                (made,) = self._run(raw)
                rows = np.empty((len(wanted), *made.shape[1:]), np.float32) if rows is None else rows
                rows[np.searchsorted(wanted, indices)] = made
        if unreadable or rows is None:
            raise DataError(unreadable[0][1] if unreadable else "expected at least one example to compute, found none")
        return rows[order]
