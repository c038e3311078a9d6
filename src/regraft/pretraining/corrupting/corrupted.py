"""What corrupting gives."""

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# How often an example in which chance changed nothing is drawn again.
TRIES = 5


@dataclass(frozen=True, slots=True, eq=False)
class Corrupted:
    """Examples made bad, and where.

    Attributes:
        x: as the good ones, same shape and dtype.
        where: bool, True where an example differs: (n, height, width), (n, columns) or (n, length).
    """

    x: Array
    where: Array

    @property
    def bad(self) -> Array:
        """Bool (n,): the examples that differ anywhere."""
        return np.asarray(self.where.reshape(len(self.where), -1).any(axis=1))


def others(count: int, random: np.random.Generator) -> Array:
    """For each of `count` rows another one, each once: int64 (count,); itself where it is alone."""
    order = random.permutation(count)
    partner = np.empty(count, np.int64)
    partner[order] = np.roll(order, 1)
    return partner
