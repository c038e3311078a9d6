"""Where in an example something is wrong: a logit for each place, from the highest layer that still has places."""

from typing import Any

import keras
import numpy as np

from regraft.pretraining.heads import dense, vector
from regraft.pretraining.learner import Array, Sample

Tensor = Any

# A map of fewer places a side has seen too much of the picture to say where; a vector says it in so many.
_LEAST, _GRID = 3, 7


def logits(trunk: keras.Model, sample: Sample, seed: int) -> Tensor:
    """Symbolic logits, (n, places..., 1): one for each word, each column, or each cell of a grid over the picture.

    Where no layer of the trunk has places, they are read from its representation.

    Args:
        trunk: its graph is gone on from.
        sample: some examples.
        seed: of the weights.
    """
    layer = highest(trunk, sample)
    if layer is not None:
        return dense(layer, 1, "place", seed)
    shape = grid(sample)
    told = dense(vector(trunk.output), int(np.prod(shape)), "place", seed)
    return keras.layers.Reshape((*shape, 1), name="pretraining_places")(told)


def highest(trunk: keras.Model, sample: Sample) -> Tensor | None:
    """The output of the highest layer that has a place for each word, or a map of the picture; None: there is none."""
    found: Tensor | None = None
    for layer in trunk.layers:
        output = getattr(layer, "output", None)
        if output is None or isinstance(output, (list, tuple, dict)) or isinstance(layer, keras.layers.InputLayer):
            continue
        shape = tuple(output.shape[1:])
        words = sample.kind == "text" and len(shape) == 2 and shape[0] in (None, *sample.shape[:1])
        pixels = sample.kind == "pictures" and len(shape) == 3 and min(side or 0 for side in shape[:2]) >= _LEAST
        if words or pixels:
            found = output
    return found


def grid(sample: Sample) -> tuple[int, ...]:
    """How many places there are where no layer has any."""
    if sample.kind == "pictures":
        return min(_GRID, sample.shape[0]), min(_GRID, sample.shape[1])
    return (len(sample.cells) or sample.shape[0],)


def targets(where: Array, shape: tuple[int, ...]) -> Array:
    """How much of each place is wrong: bool (n, ...) -> float32 (n, *shape).

    >>> targets(np.eye(4, dtype=bool)[None], (2, 2)).tolist()
    [[[0.5, 0.0], [0.0, 0.5]]]
    """
    found = where.astype(np.float32)
    for axis, places in enumerate(shape, 1):
        if found.shape[axis] == places:
            continue
        edges = np.arange(places + 1) * found.shape[axis] // places
        sizes = np.diff(edges).reshape(-1, *[1] * (found.ndim - axis - 1))
        found = np.add.reduceat(found, edges[:-1], axis=axis) / sizes
    return found.astype(np.float32)
