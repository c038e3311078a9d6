"""Examples as a network takes them, in memory as far as that goes, else read anew for each batch."""

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from regraft.activations.loading import load_prepared
from regraft.core.input_spec import InputSpec
from regraft.core.progress import track, warn
from regraft.data import Examples, UnreadableExample

Array = np.ndarray[Any, Any]

# What may be kept of prepared examples; beyond that files are decoded whenever they are asked for.
KEPT_BYTES = 1_000_000_000


class Prepared:
    """Rows for `pretraining`: float32, in the scale and channel order of the network.

    Args:
        examples: all of which can be read.
        indices: int64 (n,), which of them, in the order of the rows.
        inputs: what the network takes.
        keep: whether they are kept in memory.
        pairs: int64 (m, 2), which examples are above which, as indices of `examples` that are sorted in `indices`; None
            where nothing says it.
    """

    def __init__(
        self, examples: Examples, indices: Array, inputs: InputSpec, keep: bool = True, pairs: Array | None = None
    ) -> None:
        self.examples, self.indices, self.inputs = examples, indices, inputs
        known = examples.labels[indices].astype(np.int64)
        self.labels: Array | None = known if len(known) and bool((known >= 0).all()) else None
        self.groups: Array | None = None if examples.groups is None else examples.groups[indices].astype(np.int64)
        self.pairs: Array | None = None if pairs is None else np.searchsorted(indices, pairs)
        self._kept = (
            np.stack([row for _, row in readable(examples, indices, inputs)]) if keep and len(indices) else None
        )

    def __len__(self) -> int:
        """How many there are."""
        return len(self.indices)

    def take(self, indices: Array) -> Array:
        """Float32 (len(indices), *shape)."""
        if self._kept is not None:
            return scaled(self._kept[indices], self.inputs, self.examples.full_intensity)
        rows = [row for _, row in readable(self.examples, self.indices[indices], self.inputs)]
        return scaled(np.stack(rows), self.inputs, self.examples.full_intensity)


def fits_in_memory(count: int, inputs: InputSpec) -> bool:
    """Whether so many prepared examples are kept."""
    return 4 * count * prod(inputs.shape) <= KEPT_BYTES


def readable(examples: Examples, indices: Array, inputs: InputSpec) -> Iterator[tuple[int, Array]]:
    """Each example as float32 `inputs.shape`, before scaling.

    Raises:
        UnreadableExample: one that could be read before cannot any more.
    """
    for index, prepared in load_prepared(examples, indices.tolist(), inputs):
        if isinstance(prepared, UnreadableExample):
            raise prepared
        yield index, prepared


def only_readable(examples: Examples, indices: Array, inputs: InputSpec, strict: bool) -> Array:
    """Those of the indices whose examples can be decoded; others are warned of in one line.

    Raises:
        UnreadableExample: there is one, and `strict`.
    """
    if examples.shape is not None and examples.columns is None:
        return indices
    kept: list[int] = []
    reasons: list[str] = []
    for index, row in track(load_prepared(examples, indices.tolist(), inputs), "reading examples", len(indices)):
        if isinstance(row, UnreadableExample):
            if strict:
                raise row
            reasons.append(str(row))
        else:
            kept.append(index)
    if reasons:
        warn(f"left out {len(reasons)} of {len(indices)} example(s) that cannot be read, first: {reasons[0]}")
    return np.array(kept, np.int64)


def scaled(raw: Array, inputs: InputSpec, full_intensity: float) -> Array:
    """Raw values in the scale and channel order of a network, float32."""
    if inputs.order == "bgr":
        raw = raw[..., ::-1]
    factor = np.float32(255.0 / full_intensity)
    made = raw * (factor * np.asarray(inputs.scale, np.float32)) + np.asarray(inputs.offset, np.float32)
    return np.ascontiguousarray(made, np.float32)
