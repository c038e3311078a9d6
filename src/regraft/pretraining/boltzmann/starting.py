"""Where a machine starts: small random weights, visible biases that already know how often each unit is on.

The choices are those of Hinton's practical guide (UTML TR 2010-003).
"""

from typing import Any

import numpy as np

from regraft.pretraining.boltzmann.energy import Visible

Array = np.ndarray[Any, Any]

WEIGHTS = 0.01
"""The standard deviation of the weights at the start: larger ones are quicker at first and end worse."""


def kernel(visible: int, hidden: int, random: np.random.Generator) -> Array:
    """Normal weights (visible, hidden) of standard deviation `WEIGHTS`."""
    return (WEIGHTS * random.standard_normal((visible, hidden))).astype(np.float32)


def visible_bias(sample: Array, kind: Visible) -> Array:
    """Biases under which a machine whose hidden units say nothing has the means of the examples.

    A unit that was never on gets the log odds of half an example more on and off each, so that no bias is infinite.

    Args:
        sample: (n, visible).
        kind: of the visible units.
    """
    total, count = sample.sum(axis=0, dtype=np.float64), len(sample)
    if kind == "gaussian":
        return (total / count).astype(np.float32)
    return np.log((total + 0.5) / (count - total + 0.5)).astype(np.float32)


def hidden_bias(hidden: int, sparsity: float = 0.0) -> Array:
    """Zeros; with a target for how often a hidden unit is on, the log odds of it."""
    odds = np.log(sparsity / (1 - sparsity)) if sparsity else 0.0
    return np.full(hidden, odds, np.float32)
