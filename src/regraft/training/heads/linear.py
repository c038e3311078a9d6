"""The trained head: what it is, and how it is put together from what the solvers found."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from regraft.core.blocks import HEAD
from regraft.training.heads.selection import Trial
from regraft.training.heads.softmax import Floats, Integers

# How far the logit of a class without examples lies under the lowest one seen: a probability under 5e-5, yet finite.
ABSENT_BELOW = 10.0


@dataclass(frozen=True, slots=True)
class LinearHead:
    """A linear classifier on raw activations: `activations @ kernel + bias` are its logits.

    Attributes:
        kernel: (d, k) float32, standardisation folded in.
        bias: (k,) float32.
        inverse_penalty: scikit-learn's `C` on the standardised activations.
        solver: which one found it.
        iterations: evaluations of the objective over all examples (with `minibatch`: passes over the data).
        trials: what was cross-validated, `C` rising; empty where `C` was given or could not be chosen.
        seconds: wall time of it all.
    """

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    inverse_penalty: float
    solver: Literal["lbfgs", "minibatch"]
    iterations: int
    trials: tuple[Trial, ...]
    seconds: float

    def logits(self, activations: Floats) -> NDArray[np.float32]:
        """Logits (n, k) of raw activations (n, d)."""
        return activations.astype(np.float32, copy=False) @ self.kernel + self.bias

    def probabilities(self, activations: Floats) -> NDArray[np.float64]:
        """Probabilities (n, k) of raw activations (n, d)."""
        logits = self.logits(activations).astype(np.float64)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    @property
    def values(self) -> dict[str, NDArray[np.float32]]:
        """Its variables by canonical name."""
        return {f"{HEAD}/kernel": self.kernel, f"{HEAD}/bias": self.bias}

    @property
    def chosen(self) -> Trial | None:
        """The cross-validated result of the chosen `C`; None where none was tried."""
        return next((trial for trial in self.trials if trial.inverse_penalty == self.inverse_penalty), None)


def widened(
    kernel: Floats, bias: Floats, present: Sequence[int] | Integers, classes: int, lowest: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Kernel (d, classes) and bias (classes,), the classes without examples far below all others.

    Args:
        kernel: (d, present).
        bias: (present,).
        present: indices of the classes that have examples.
        classes: how many there are in all.
        lowest: the lowest logit that the present classes reached on what was learnt from.
    """
    whole = np.zeros((len(kernel), classes), np.float32)
    offsets = np.full(classes, lowest - ABSENT_BELOW, np.float32)
    whole[:, present] = kernel
    offsets[present] = bias
    return whole, offsets
