"""Noise that is put on what an autoencoder is shown (Vincent et al. 2010); of tables by cells."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from regraft.core.errors import RequestError
from regraft.pretraining.learner import Array, Sample

Noise = Literal["gaussian", "masking", "salt-and-pepper"]


@dataclass(frozen=True, slots=True, eq=False)
class Disturbed:
    """Noise that is put on inputs.

    Attributes:
        kind: `gaussian` is added to every value; `masking` sets some to zero; `salt-and-pepper` to the lowest or the
            highest. Of a table, cells are set: all places of one column together, and of a category to one of its
            values.
        strength: the standard deviation, in units of `deviation`; the part of the values or cells that are set.
        low: the lowest value that `salt-and-pepper` sets: float32, of all values (), or of each place (width,).
        high: the highest.
        deviation: of the data, float32 () or (width,).
        columns: int (width,), the cell that each place of a row belongs to, from 0 up; None: each value is by itself.
        categories: which cells hold a 1 among zeros.
    """

    kind: Noise
    strength: float
    low: Array
    high: Array
    deviation: Array
    columns: Array | None = None
    categories: tuple[int, ...] = ()

    @classmethod
    def of(cls, kind: Noise, strength: float, sample: Sample) -> "Disturbed":
        """Noise for data of which a sample is known.

        Rows of numbers have a scale for each place, pictures and maps one for all; values from 0 to 1 are taken as
        they are, but for tables.

        Raises:
            RequestError: there is no such noise, or not of this strength.
        """
        if kind not in get_args(Noise) or not 0 <= strength < (np.inf if kind == "gaussian" else 1):
            raise RequestError(
                f"expected noise from 0 (none) {'on' if kind == 'gaussian' else 'to below 1'}, found {strength}"
            )
        x, cells = sample.x, sample.cells
        axis = 0 if cells or (x.ndim == 2 and not sample.is_unit) else None
        deviation = np.std(x, axis, np.float64) if cells or not sample.is_unit else np.ones(())
        return cls(
            kind,
            strength,
            np.min(x, axis),
            np.max(x, axis),
            np.asarray(deviation, np.float32),
            np.repeat(np.arange(len(cells)), [stop - start for start, stop in cells]) if cells else None,
            sample.categories,
        )

    def put_on(self, x: Array, random: np.random.Generator) -> Array:
        """The inputs with noise; they are not changed."""
        if not self.strength:
            return x
        if self.kind == "gaussian":
            return x + random.standard_normal(x.shape, np.float32) * (np.float32(self.strength) * self.deviation)
        chosen = self._by_cell(x, random) < self.strength
        if self.kind == "masking":
            return np.where(chosen, np.float32(0), x)
        ends = np.where(self._by_cell(x, random) < 0.5, self.low, self.high).astype(np.float32)
        return np.where(chosen, self._with_values(ends, random), x)

    def _by_cell(self, x: Array, random: np.random.Generator) -> Array:
        """From 0 to below 1, one number for each value, or for all places of a cell: float32 of the shape of `x`."""
        if self.columns is None:
            return random.random(x.shape, np.float32)
        return random.random((len(x), int(self.columns[-1]) + 1), np.float32)[:, self.columns]

    def _with_values(self, ends: Array, random: np.random.Generator) -> Array:
        """What cells are set to, with one of its values for each category, all of them as likely."""
        for cell in self.categories:
            (places,) = np.nonzero(self.columns == cell)
            ends[:, places] = 0
            ends[np.arange(len(ends)), random.choice(places, len(ends))] = 1
        return ends
