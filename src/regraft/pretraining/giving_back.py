"""What autoencoders share: the error of what is given back, and noise that is put on what is shown."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import keras
import numpy as np

from regraft.core.errors import RequestError
from regraft.pretraining.learner import Array, Sample

Error = Literal["auto", "squared", "cross-entropy"]
Noise = Literal["gaussian", "masking", "salt-and-pepper"]
Tensor = Any


def require_error(error: str, sample: Sample) -> bool:
    """Whether the error is cross entropy.

    Raises:
        RequestError: it is asked for, and values lie outside 0 to 1.
    """
    if error == "cross-entropy" and not sample.is_unit:
        raise RequestError(
            f"expected values from 0 to 1 for a cross entropy, found {sample.x.min():g} to {sample.x.max():g}; "
            "say --set error=squared, or, of plain numbers, --scaling unit"
        )
    return sample.is_unit if error == "auto" else error == "cross-entropy"


def errors(crossed: bool) -> Callable[[Tensor, Tensor], Tensor]:
    """(what is given back, what was wanted) -> error of each value: squared, or cross entropy with logits.

    Cross entropy is measured from the least that it can be, so that 0 is perfect for values between 0 and 1 too.
    """
    ops: Any = keras.ops

    def cross_entropy(logits: Tensor, wanted: Tensor) -> Tensor:
        # Figures on held-out examples are asked for with arrays, and PyTorch mixes none with what it differentiates.
        logits, wanted = ops.convert_to_tensor(logits), ops.convert_to_tensor(wanted)
        inside = ops.clip(wanted, 1e-6, 1 - 1e-6)
        least = -(inside * ops.log(inside) + (1 - inside) * ops.log(1 - inside))
        return ops.maximum(logits, 0.0) - logits * wanted + ops.log1p(ops.exp(-ops.abs(logits))) - least

    def squared(given: Tensor, wanted: Tensor) -> Tensor:
        return ops.square(ops.convert_to_tensor(given) - ops.convert_to_tensor(wanted))

    return cross_entropy if crossed else squared


@dataclass(frozen=True, slots=True)
class Disturbed:
    """Noise that is put on inputs (Vincent et al. 2010).

    Attributes:
        kind: `gaussian` is added; `masking` sets values to zero; `salt-and-pepper` to the lowest or the highest.
        strength: its standard deviation, in units of the data's own; the part of the values that are set.
        low: the lowest value that `salt-and-pepper` sets.
        high: the highest.
        deviation: of the data.
    """

    kind: Noise
    strength: float
    low: float = 0.0
    high: float = 1.0
    deviation: float = 1.0

    @classmethod
    def of(cls, kind: Noise, strength: float, sample: Sample) -> "Disturbed":
        """Noise for data of which a sample is known.

        Raises:
            RequestError: there is no such noise, or not of this strength.
        """
        if kind not in get_args(Noise) or not 0 <= strength < (np.inf if kind == "gaussian" else 1):
            raise RequestError(
                f"expected noise from 0 (none) {'on' if kind == 'gaussian' else 'to below 1'}, found {strength}"
            )
        deviation = 1.0 if sample.is_unit else float(sample.x.std())
        return cls(kind, strength, float(sample.x.min()), float(sample.x.max()), deviation)

    def put_on(self, x: Array, random: np.random.Generator) -> Array:
        """The inputs with noise; they are not changed."""
        if not self.strength:
            return x
        if self.kind == "gaussian":
            noise = random.standard_normal(x.shape, np.float32) * np.float32(self.strength * self.deviation)
            return x + noise
        chosen = random.random(x.shape, np.float32) < self.strength
        if self.kind == "masking":
            return np.where(chosen, np.float32(0), x)
        ends = np.where(random.random(x.shape, np.float32) < 0.5, np.float32(self.low), np.float32(self.high))
        return np.where(chosen, ends, x)
