"""How good a machine is, on examples: reconstruction, pseudo-likelihood, and free energies side by side."""

from typing import Any

import keras

from regraft.pretraining.boltzmann import energy
from regraft.pretraining.boltzmann.energy import Machine

ops: Any = keras.ops


def reconstruction_error(machine: Machine, visible: Any) -> Any:
    """Mean squared difference between values (n, visible) and what comes back by way of the hidden means."""
    found = energy.visible_means(machine, energy.hidden_means(machine, visible))
    return ops.mean(ops.square(ops.subtract(found, visible)))


def pseudo_likelihood(machine: Machine, visible: Any, positions: Any) -> Any:
    """Log probability of each visible unit given all the others, in nats, summed over the units; a mean of rows.

    Estimated from some units of each row and scaled up. A value between 0 and 1 counts as the probability to be on.

    Args:
        machine: with binary visible units.
        visible: (n, visible).
        positions: (n, m) int32, the units that are looked at of each row.
    """
    values = ops.take_along_axis(visible, positions, axis=1)
    weights = ops.take(machine.kernel, positions, axis=0)
    off = energy.hidden_inputs(machine, visible)[:, None] - values[..., None] * weights
    # How much lower the free energy is with the unit on than off: (n, m).
    gain = energy.hidden_gain(machine, off + weights) - energy.hidden_gain(machine, off)
    gain = gain + ops.take(machine.visible_bias, positions)
    chances = values * ops.softplus(-gain) + (1 - values) * ops.softplus(gain)
    return -visible.shape[1] * ops.mean(chances)


def free_energy(machine: Machine, visible: Any) -> Any:
    """Mean free energy of rows: minus the log of their probability, but for a constant of the machine."""
    return ops.mean(energy.free_energy(machine, visible))


def free_energy_gap(machine: Machine, held_out: Any, learnt: Any) -> Any:
    """Mean free energy of held-out rows less that of rows learnt from: it grows once the machine learns by heart."""
    return free_energy(machine, held_out) - free_energy(machine, learnt)
