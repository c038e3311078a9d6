"""Augmentation in the space of activations: a random brightness of each example, and noise in every channel.

Unlike true views it needs no pass of the trunk. It is drawn anew in every epoch, from the seed and the numbers
of epoch and batch alone, so that a training that was interrupted goes on with the draws that it would have had.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from regraft.core.phase import Phase

Array = np.ndarray[Any, Any]
# Changes the rows of a batch, given with its number in the epoch.
Change = Callable[[Array, int], Array]

# Sets these draws apart from those of an epoch's order and views, which come from the seed and the epoch too.
_STREAM = 1


@dataclass(frozen=True, slots=True, eq=False)
class Disturbance:
    """What is done to the activations that a branch learns from.

    Attributes:
        brightness: an example is multiplied by 1 - this to 1 + this; 0: nothing is.
        noise: standard deviation of what is added to each channel, float32 (channels,); None: nothing is.
    """

    brightness: float = 0.0
    noise: Array | None = None

    def in_epoch(self, seed: int, epoch: int) -> Change:
        """What disturbs the batches of an epoch: float32 (n, ..., channels) to the same.

        Every batch has draws of its own, so that an epoch can be gone on with in its middle.
        """

        def disturbed(rows: Array, batch: int) -> Array:
            made = rows
            random = np.random.default_rng([seed, epoch, _STREAM, batch])
            if self.brightness:
                factors = random.uniform(1 - self.brightness, 1 + self.brightness, len(rows)).astype(np.float32)
                made = made * factors.reshape(-1, *[1] * (rows.ndim - 1))
            if self.noise is not None:
                noise = random.standard_normal(rows.shape, np.float32)
                noise *= self.noise
                noise += made
                made = noise
            return made

        return disturbed


def disturbance(spec: Phase, batches: Callable[[], Iterable[Array]]) -> Disturbance:
    """What a plan asks for.

    Args:
        spec: says how much.
        batches: gives the training examples, float32 (n, ..., channels) each; only called where noise is asked for.
    """
    noise = deviations(batches()) * np.float32(spec.feature_noise) if spec.feature_noise else None
    return Disturbance(spec.feature_brightness, noise)


def deviations(batches: Iterable[Array]) -> Array:
    """The standard deviation of each channel over all examples and positions, float32 (channels,).

    The mean and the sum of squares about it are carried from batch to batch (Chan, Golub and LeVeque 1979), in float64:
    sums of plain squares lose their digits where the mean is far from 0.

    Args:
        batches: of float32 (n, ..., channels), at least one.
    """
    count, mean, squares = 0, np.zeros(()), np.zeros(())
    for rows in batches:
        flat = rows.reshape(-1, rows.shape[-1])
        own = flat.mean(axis=0, dtype=np.float64)
        away = flat.var(axis=0, dtype=np.float64) * len(flat)
        total = count + len(flat)
        squares = squares + away + (own - mean) ** 2 * (count * len(flat) / total)
        mean = mean + (own - mean) * (len(flat) / total)
        count = total
    return np.sqrt(squares / count).astype(np.float32)
