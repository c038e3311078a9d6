"""Whether a kept state is of gradients like those of now."""

from typing import Any

import numpy as np

from regraft.core.optimizer_state import VariableState
from regraft.training.carrying.calibrating import Measured
from regraft.training.carrying.moments import Moments

Array = np.ndarray[Any, Any]

# Of squares. A kept state whose gradients are now s times as large gives steps of about s times the steady size at
# first, so that 1.5 and 0.5 are its ends; within them it knows more than a few passes can.
BAND = (0.4, 2.0)


def ratio(kept: Moments, measured: Measured) -> float | None:
    """How much larger squares are now than a state has seen; None where it kept nothing to compare with.

    Where it kept a second moment: the median over elements of the mean squared gradient to it.

    Of a state that kept a mean gradient alone (SGD, Lion), its square, summed over elements, is compared with two
    figures: what noise alone would leave of gradients of now, and the mean gradient of now at weights that stand still.
    A mean that was kept while the weights moved lies between them, because where the optimizer swings to and fro its
    gradients cancel. Then the ratio is 1, else how far it is off the nearer one.
    """
    if kept.second is not None:
        return _median(measured.second.value, kept.second.value)
    if kept.first is None:
        return None
    then = float(np.sum(kept.first.value**2))
    if not 0 < then < np.inf:
        return None
    passes = measured.second.steps
    mean = np.sum(measured.first.value**2)
    variance = np.sum(measured.second.value - measured.plain.value**2) * passes / max(passes - 1, 1)
    noise = float(variance * _noise(kept.first.decay))
    return float(min(max(1.0, noise / then), max(mean, noise) / then))


def within(found: float | None) -> bool:
    """Whether a ratio says that a kept state still holds; a state that is not a number never does."""
    return found is not None and BAND[0] <= found <= BAND[1]


def same_settings(kept: VariableState, now: VariableState) -> bool:
    """Whether two optimizers compute the same from the same slots, their rates aside."""
    names = (set(kept.settings) | set(now.settings)) - {"learning_rate", "buffer_rate"}
    pairs = [(kept.settings.get(name), now.settings.get(name)) for name in names]
    return (
        set(kept.slots) == set(now.slots)
        and same_kind(kept.kind, now.kind)
        and all(a is None or b is None or np.isclose(a, b, rtol=1e-6, atol=0) for a, b in pairs)
    )


def same_kind(one: str, other: str) -> bool:
    """Whether two kinds keep the same slots with the same meaning: AdamW is Adam but for what it does to the weight."""
    return one == other or {one, other} == {"adam", "adamw"}


def _median(now: Array, then: Array) -> float | None:
    # Elements that never had a gradient, such as those of inputs that are always zero, say nothing.
    alive = (now > 0) | (then > 0)
    if not alive.any():
        return None
    with np.errstate(divide="ignore"):
        return float(np.median(now[alive] / then[alive]))


def _noise(decay: float) -> float:
    """The variance of a mean of unit noise in the long run; gradients of a network near its end are mostly noise."""
    return (1 - decay) / (1 + decay) if decay < 1 else 1.0
