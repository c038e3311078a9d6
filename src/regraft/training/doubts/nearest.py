"""The nearest others of every example on the activations, all in one search that keeps memory flat."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DataError
from regraft.training.heads.basis import refuse_non_finite
from regraft.training.heads.softmax import Floats

# Similarities held at once: 4 million float32 are 16 MB, which a processor's cache nearly holds.
SIMILARITIES = 4_000_000
# Activations that differ from the mean of all by less than this part of the usual difference point nowhere.
FAINT = 1e-4
_STRIDES = 32


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """The nearest others of each of n examples, the nearest first.

    Attributes:
        indices: int64 (n, k).
        distances: float64 (n, k), between directions: the square root of twice one minus the cosine, 0 to 2.
    """

    indices: NDArray[np.int64]
    distances: NDArray[np.float64]

    @property
    def similarities(self) -> NDArray[np.float64]:
        """The cosines (n, k)."""
        return 1.0 - np.square(self.distances) / 2


def nearest(activations: Floats, count: int) -> Nearest:
    """The `count` nearest others of every example, by the angle between activations centred on their mean.

    Args:
        activations: (n, d), pooled.
        count: how many; at most n - 1.

    Raises:
        DataError: there are too few examples, or a value is not finite.
    """
    if activations.ndim != 2 or len(activations) <= count:
        raise DataError(f"expected activations (n, d) of more than {count} examples, found {activations.shape}")
    rows = directions(activations, centre_of(activations))
    size = max(1, SIMILARITIES // len(rows))
    indices = np.empty((len(rows), count), np.int64)
    cosines = np.empty((len(rows), count), np.float32)
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        block = rows[part] @ rows.T
        own = np.arange(len(block))
        block[own, start + own] = -2.0
        indices[part], cosines[part] = _largest(block, count)
    return Nearest(indices, _distances(rows, rows, indices, cosines))


def nearest_among(queries: Floats, known: Iterable[Floats], centre: NDArray[np.float64], count: int) -> Nearest:
    """The `count` examples nearest to each query among very many that are read block by block.

    Args:
        queries: (q, d).
        known: blocks (b, d), of at least `count` examples in all.
        centre: (d,), what all are centred on.
        count: how many.

    Returns:
        Of each query; the indices count the examples of all blocks through.
    """
    asked = directions(queries, centre)
    indices = np.empty((len(asked), 0), np.int64)
    distances = np.empty((len(asked), 0))
    start = 0
    for block in known:
        rows = directions(block, centre)
        here, cosines = _largest(asked @ rows.T, min(count, len(rows)))
        far = _distances(asked, rows, here, cosines)
        indices, distances = np.hstack([indices, here + start]), np.hstack([distances, far])
        order = np.argsort(distances, axis=1, kind="stable")[:, :count]
        indices, distances = np.take_along_axis(indices, order, axis=1), np.take_along_axis(distances, order, axis=1)
        start += len(rows)
    return Nearest(indices, distances)


def centre_of(activations: Floats) -> NDArray[np.float64]:
    """The mean (d,) of activations (n, d).

    Raises:
        DataError: a value is not finite.
    """
    centre = activations.mean(axis=0, dtype=np.float64)
    refuse_non_finite(centre)
    return centre


def directions(activations: Floats, centre: NDArray[np.float64]) -> NDArray[np.float32]:
    """The activations (n, d), from `centre` on and of length 1; of length 0 where they point nowhere."""
    rows = (activations - centre.astype(np.float32)).astype(np.float32, copy=False)
    lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    faint = lengths <= FAINT * np.median(lengths)
    rows /= np.where(faint, np.float32(1), lengths)[:, None]
    rows[faint] = 0
    return rows


def _largest(block: NDArray[np.float32], count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Columns and values of the largest of each row, the largest first.

    The largest of a row are in the columns whose strides have the largest maxima: as many strides as values are
    wanted. Looking for them there is a tenth of the work of partitioning the whole row.
    """
    width = block.shape[1]
    length = -(-width // _STRIDES)
    if length <= 2 * count:
        return _sorted(block, np.broadcast_to(np.arange(width), block.shape), count)
    maxima = block[:, :length].copy()
    for start in range(length, width, length):
        stride = block[:, start : start + length]
        np.maximum(maxima[:, : stride.shape[1]], stride, out=maxima[:, : stride.shape[1]])
    strides = np.argpartition(-maxima, count - 1, axis=1)[:, :count]
    columns = (strides[:, :, None] + np.arange(0, width, length)).reshape(len(block), -1)
    values = np.take_along_axis(block, np.minimum(columns, width - 1), axis=1)
    values[columns >= width] = -3.0
    return _sorted(values, columns, count)


def _sorted(
    values: NDArray[np.float32], columns: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    chosen = np.argpartition(-values, count - 1, axis=1)[:, :count]
    found, where = np.take_along_axis(values, chosen, axis=1), np.take_along_axis(columns, chosen, axis=1)
    # Of equals the first example is first, so that a search in other blocks finds the same.
    order = np.lexsort((where, -found), axis=1)
    return np.take_along_axis(where, order, axis=1), np.take_along_axis(found, order, axis=1)


def _distances(
    rows: NDArray[np.float32], others: NDArray[np.float32], indices: NDArray[np.int64], cosines: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Distances from cosines; of close ones from the differences: one minus a cosine near 1 is all rounding."""
    distances = np.sqrt(np.maximum(2.0 - 2.0 * cosines.astype(np.float64), 0.0))
    close, place = np.nonzero(cosines > 0.99)
    for start in range(0, len(close), 4096):
        one, at = close[start : start + 4096], place[start : start + 4096]
        difference = rows[one] - others[indices[one, at]]
        distances[one, at] = np.sqrt(np.einsum("nd,nd->n", difference, difference))
    return distances
