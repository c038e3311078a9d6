"""What the layers below a stage make of the examples: computed once, kept on disk, shared with everything else."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from regraft.activations.compute import RowsLike, compute
from regraft.activations.engines import Wanted
from regraft.activations.store import Store
from regraft.core.errors import WorkError
from regraft.data.ids import Ids
from regraft.graph.cut_points import cut_points
from regraft.recipes.pretraining.rows import Prepared

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """Rows of activations of the same examples, in the same order.

    Attributes:
        rows: by example id.
        ids: of each.
        labels: see `Rows`.
        groups: see `Rows`.
        pairs: see `Rows`.
    """

    rows: RowsLike
    ids: Ids
    labels: Array | None
    groups: Array | None
    pairs: Array | None = None

    def __len__(self) -> int:
        """How many there are."""
        return len(self.ids)

    def take(self, indices: Array) -> Array:
        """Float32 (len(indices), ...)."""
        return np.asarray(self.rows.gather(self.ids.take(indices)), np.float32)


def outputs(below: keras.Model, given: Prepared, store: Store) -> Outputs:
    """The outputs of the layers below, through the cache of activations.

    Raises:
        WorkError: an example that could be read before cannot any more.
        StorageError: the disk or the cache has no room.
    """
    wanted = Wanted(cut_points(below)[-1].name, pooled=False)
    made = compute(
        below, given.inputs, given.examples, given.indices.tolist(), [wanted], store, description="layers below"
    )
    if made.unreadable:
        raise WorkError(f"an example cannot be read any more: {made.unreadable[0][1]}")
    ids = given.examples.ids.take(given.indices)
    return Outputs(made.rows[wanted], ids, given.labels, given.groups, given.pairs)
