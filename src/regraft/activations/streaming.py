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

from regraft.activations.engine import Wanted, compile_trunk
from regraft.activations.loading import batches
from regraft.core.errors import DataError
from regraft.core.input_spec import InputSpec
from regraft.data import Examples

Array = np.ndarray[Any, Any]


class Streamed:
    """The rows of one thing that is wanted, computed on the fly."""

    # Of each row, in any place that keeps it.
    row_bytes = 0

    def __init__(
        self,
        model: keras.Model,
        inputs: InputSpec,
        examples: Examples,
        item: Wanted,
        places: Mapping[str, int] | None = None,
    ) -> None:
        """Compile what computes them.

        Args:
            model: the network; its weights are taken as they are now.
            inputs: its input convention.
            examples: where pictures come from.
            item: what is wanted.
            places: index of an example by its id, where that is at hand.
        """
        self._inputs, self._examples, self._view = inputs, examples, item.view
        self._places = places or {name: index for index, name in enumerate(examples.ids)}
        self._run = compile_trunk(model, inputs, examples.full_intensity, [replace(item, view=0)])

    def holds(self, ids: Sequence[str]) -> Array:
        """Of which of these examples there will be a row: bool (n,)."""
        return np.fromiter((name in self._places for name in ids), bool, len(ids))

    def gather(self, ids: Sequence[str]) -> Array:
        """The rows, float32 (n, ...), of these examples, in this order; each is decoded once.

        Raises:
            DataError: an example cannot be read (any more).
        """
        wanted = {self._places[name]: (self._view,) for name in ids}
        unreadable: list[tuple[int, str]] = []
        rows: Array | None = None
        order: dict[str, int] = {}
        for _, names, raw in batches(self._examples, wanted, self._inputs, unreadable):
            (made,) = self._run(raw)
            if rows is None:
                rows = np.empty((len(wanted), *made.shape[1:]), np.float32)
            rows[len(order) : len(order) + len(names)] = made
            order |= {name: len(order) + place for place, name in enumerate(names)}
        if unreadable or rows is None:
            raise DataError(unreadable[0][1] if unreadable else "expected at least one example to compute, found none")
        return rows if list(order) == list(ids) else rows[[order[name] for name in ids]]
