"""A row of a table with some cells of other rows: what shows the same thing still, as far as the other cells say it.

As published (SCARF, Bahri and others 2022): a share of the cells is drawn anew from what stands in their columns.
"""

from typing import Any

import numpy as np

from regraft.pretraining.corrupting import cells

Array = np.ndarray[Any, Any]


def view(x: Array, share: float, noise: float, random: np.random.Generator, columns: Array | None = None) -> Array:
    """One view of each row: float32 (n, width) to the same.

    Args:
        x: rows.
        share: of cells that come from another row.
        noise: standard deviation of what is added to each place, as part of that place's own in the batch.
        random: where chance comes from.
        columns: as of `corrupting.cells.corrupt`.
    """
    made = cells.corrupt(x, share, random, columns).x if share else x.copy()
    if noise:
        made += random.standard_normal(x.shape, np.float32) * (noise * x.std(axis=0)).astype(np.float32)
    return made
