"""What came of running an original."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Ran:
    """The values that were asked for.

    Attributes:
        values: for every batch, arrays by name, in the order of axes of the original.
        notes: what was done to the original so that it computes as it is used.
    """

    values: tuple[Mapping[str, Array], ...]
    notes: tuple[str, ...] = ()
