"""How good a machine is, on examples: reconstruction, pseudo-likelihood, and free energies side by side."""

from typing import Any

import keras

from regraft.pretraining.boltzmann import energy
from regraft.pretraining.boltzmann.energy import Machine

ops: Any = keras.ops


def reconstruction_error(machine: Machine, visible: Any) -> Any:
    """Mean squared difference between values (n, visible) and what comes back by way of the hidden means."""
    found = energy.visible_means(machine, energy.hidden_means(machine, visible))
    return ops.mean(ops.square(found - visible))


def pseudo_likelihood(machine: Machine, visible: Any, positions: Any) -> Any:
    """Log probability of each visible unit given all the others, in nats, summed over the units; a mean of rows.

    Estimated from some units of each row and scaled up. A value between 0 and 1 counts as the probability to be on.

    Args:
        machine: with binary visible units.
        visible: (n, visible).
        positions: (n, m) int32, the units that are looked at of each row.
    """
    inputs = energy.hidden_inputs(machine, visible)
    total: Any = 0.0
    for place in range(positions.shape[1]):
        chosen = positions[:, place]
        value = ops.take_along_axis(visible, chosen[:, None], axis=1)
        weights = ops.take(machine.kernel, chosen, axis=0)
        off = inputs - value * weights
        # How much lower the free energy is with the unit on than off.
        gain = ops.take(machine.visible_bias, chosen) + energy.hidden_gain(machine, off + weights)
        gain = gain - energy.hidden_gain(machine, off)
        value = value[:, 0]
        total = total - value * ops.softplus(-gain) - (1 - value) * ops.softplus(gain)
    return ops.mean(total) * (visible.shape[1] / positions.shape[1])


def free_energy_gap(machine: Machine, held_out: Any, learnt: Any) -> Any:
    """Mean free energy of held-out rows less that of rows learnt from: it grows once the machine learns by heart."""
    return ops.mean(energy.free_energy(machine, held_out)) - ops.mean(energy.free_energy(machine, learnt))
