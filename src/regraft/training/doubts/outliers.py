"""Examples unlike all others: far from their nearest neighbours, as far as the distances of all others go."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from regraft.training.doubts.nearest import SIMILARITIES, centre_of
from regraft.training.heads.basis import scale_of
from regraft.training.heads.softmax import Floats

# Which neighbour's distance counts: an odd picture may be there a few times.
NEIGHBOUR = 5
# Distances are to so many of the examples: how crowded they are cancels out.
REFERENCES = 2_000
# Expected number of examples that lie so far out by chance.
BY_CHANCE = 0.05
# What may be out of place, as a part of all examples: how wide the distances spread is read off below it.
MOST = 0.05


def isolation(activations: Floats, seed: int = 0) -> NDArray[np.float64]:
    """How many times as far as usual every example is from its fifth neighbour (n,).

    The distance is Euclidean, on activations standardised as for a head. An angle would not do: what is strange is seen
    in how strongly layers answer as much as in which channels do. (Planted among photographs of hands, noise, empty
    pictures, flowers and digits were all of them farther than every hand by distance, and none by angle.)

    Args:
        activations: (n, d), pooled; more than `NEIGHBOUR` examples.
        seed: of the sample of references where there are more than `REFERENCES` examples.

    Raises:
        DataError: a value is not finite.
    """
    rows = (activations - centre_of(activations).astype(np.float32)).astype(np.float32, copy=False)
    rows /= scale_of(np.sqrt(np.einsum("nd,nd->d", rows, rows, dtype=np.float64) / len(rows))).astype(np.float32)
    chosen = np.arange(len(rows))
    if len(rows) > REFERENCES:
        chosen = np.sort(np.random.default_rng(seed).permutation(len(rows))[:REFERENCES])
    references, squares = rows[chosen], np.einsum("nd,nd->n", rows, rows)
    own = np.full(len(rows), -1)
    own[chosen] = np.arange(len(chosen))
    distances = np.empty(len(rows))
    size = max(1, SIMILARITIES // len(references))
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        block = squares[part, None] + squares[chosen] - 2 * (rows[part] @ references.T)
        there = np.flatnonzero(own[part] >= 0)
        block[there, own[part][there]] = np.inf
        distances[part] = np.sqrt(np.maximum(np.partition(block, NEIGHBOUR - 1, axis=1)[:, NEIGHBOUR - 1], 0))
    typical = float(np.median(distances))
    # Where most have others that are the same, how far one is says nothing.
    return distances / typical if typical else np.zeros(len(distances))


def outliers(isolations: NDArray[np.float64]) -> NDArray[np.int64]:
    """Indices of the examples that are unlike all others, the strangest first.

    Distances above their median are taken for those of a normal distribution, as wide as the quantile 1 - `MOST` says,
    and an outlier lies where n examples would together have `BY_CHANCE`.

    Args:
        isolations: (n,), of `isolation`.
    """
    middle = float(np.median(isolations))
    spread = (float(np.quantile(isolations, 1 - MOST)) - middle) / float(stats.norm.isf(MOST))
    limit = middle + spread * float(stats.norm.isf(BY_CHANCE / len(isolations)))
    far = np.flatnonzero(isolations > max(limit, middle * (1 + 1e-6)))
    return far[np.argsort(-isolations[far], kind="stable")]
