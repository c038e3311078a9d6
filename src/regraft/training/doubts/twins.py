"""Examples that are nearly the same: nearer to each other than chance would ever bring two of so many."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from regraft.training.doubts.nearest import Nearest

# Expected number of pairs among all examples that are taken for twins by chance.
BY_CHANCE = 0.05
# However unlikely by chance: what differs more than this is not the same picture.
LEAST_SIMILARITY = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of examples that are nearly the same.

    Attributes:
        first: int64 (p,), the lower index of each.
        second: int64 (p,).
        similarity: float64 (p,), cosines.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    similarity: NDArray[np.float64]


def pairs(found: Nearest) -> Pairs:
    """Pairs that are nearer than chance allows.

    Within a ball around an example that holds its k nearest, others lie nearer than a part x of its radius with
    probability x^m each, where m is how many dimensions the data locally have (Levina and Bickel 2005; Facco et al.
    2017). So a pair is taken for twins if its distance is below the part x of both their radii at which all n examples
    together expect `BY_CHANCE` such neighbours: x = (`BY_CHANCE` / (n (k - 1)))^(1/m). A threshold on the similarity
    alone would have to be another one for every network and task: what is nearest to a photograph of a flower has a
    cosine of about a half, to a digit one of 0.9 and more.

    Args:
        found: at least four neighbours of each example.
    """
    radius = found.distances[:, -1]
    one, place = _near(found, np.minimum(radius[:, None], radius[found.indices]))
    other = found.indices[one, place]
    # Each may have the other among its nearest.
    ends = np.stack([np.minimum(one, other), np.maximum(one, other)], axis=1)
    ends, once = np.unique(ends, axis=0, return_index=True)
    return Pairs(ends[:, 0], ends[:, 1], found.similarities[one, place][once])


def pairs_among(found: Nearest) -> Pairs:
    """Pairs of a query and one of the examples that it was compared with, by `pairs`' rule with the query's radius.

    Args:
        found: of `nearest_among`.

    Returns:
        First the queries, second the examples.
    """
    one, place = _near(found, found.distances[:, -1:])
    return Pairs(one, found.indices[one, place], found.similarities[one, place])


def _near(found: Nearest, radius: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    count, most = found.indices.shape
    part = (BY_CHANCE / (max(count, 1) * (most - 1))) ** (1 / dimension(found))
    one, place = np.nonzero((found.distances < part * radius) & (found.similarities >= LEAST_SIMILARITY))
    return one, place


def dimension(found: Nearest) -> float:
    """How many dimensions the examples have where they lie.

    From how much farther the farthest neighbour is than the one half-way, in the median over the examples: twins are
    among the nearer half, and do not count.
    """
    most = found.distances.shape[1]
    half = most // 2
    outer, inner = found.distances[:, -1], found.distances[:, half - 1]
    apart = (inner > 0) & (outer > inner)
    if not apart.any():
        return 1.0
    # (inner / outer)^m is the `half`-th smallest of most - 1 uniform numbers.
    typical = float(stats.beta.median(half, most - half))
    return float(max(1.0, np.log(typical) / np.median(np.log(inner[apart] / outer[apart]))))


def connected(count: int, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number for every example, 0 and up, the same for all that pairs connect; int64 (count,).

    Args:
        count: of examples.
        first: (p,) of pairs.
        second: (p,).
    """
    graph = sparse.coo_array((np.ones(len(first), np.int8), (first, second)), shape=(count, count))
    _, number = sparse.csgraph.connected_components(graph, directed=False)
    return number.astype(np.int64)
