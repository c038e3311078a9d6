"""Examples as the network takes them, decoded once as far as memory goes."""

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import keras
import numpy as np

from regraft.activations.loading import load_prepared
from regraft.core.input_spec import InputSpec
from regraft.data import Examples, UnreadableExample
from regraft.surgery.graft import scaled
from regraft.training.feeds import PREDICTION_BATCH, Feed

Array = np.ndarray[Any, Any]

# What may be kept of them; what is beyond is decoded again whenever it is asked for.
KEPT_BYTES = 1_000_000_000


class Prepared:
    """Prepared examples by index and view.

    Args:
        inputs: what the network takes.
        examples: all of which can be read.
    """

    def __init__(self, inputs: InputSpec, examples: Examples) -> None:
        self._inputs, self._examples = inputs, examples
        self._kept: dict[tuple[int, int], Array] = {}
        self._room = KEPT_BYTES // max(1, 4 * prod(inputs.shape))

    def feed(self, indices: Array, views: Sequence[int] = (0,)) -> Feed:
        """The examples at these indices for a branch that begins at the network's input, in these views."""
        labels = self._examples.labels[indices]
        return Feed(lambda chosen, view: self.scaled(indices[chosen], views[view]), labels, len(views))

    def blocks(self, indices: Array) -> Iterator[Array]:
        """Float32 (n, *shape), as the network expects it, in batches."""
        for start in range(0, len(indices), PREDICTION_BATCH):
            yield self.scaled(indices[start : start + PREDICTION_BATCH])

    def scaled(self, indices: Array, view: int = 0) -> Array:
        """Float32 (n, *shape), in the scale and the channel order that the network expects."""
        made = scaled(self._raw(indices, view), self._inputs, self._examples.full_intensity)
        return np.asarray(keras.ops.convert_to_numpy(made))

    def _raw(self, indices: Array, view: int) -> Array:
        wanted = [int(index) for index in indices]
        missing = [index for index in dict.fromkeys(wanted) if (index, view) not in self._kept]
        read = dict(readable(self._examples, missing, self._inputs, view)) if missing else {}
        for index, row in read.items():
            if len(self._kept) < self._room:
                self._kept[index, view] = row
        return np.stack([read[index] if index in read else self._kept[index, view] for index in wanted])


def readable(examples: Examples, indices: list[int], inputs: InputSpec, view: int = 0) -> Iterator[tuple[int, Array]]:
    """Each example as float32 `inputs.shape`, before scaling.

    Raises:
        UnreadableExample: one that could be read before cannot any more.
    """
    for index, prepared in load_prepared(examples, indices, inputs, view):
        if isinstance(prepared, UnreadableExample):
            raise prepared
        yield index, prepared
