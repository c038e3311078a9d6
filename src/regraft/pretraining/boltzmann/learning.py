"""What a machine learns by: its free energy on data against that on what it draws itself, and what keeps it in bounds.

The slope of -log p(v) is the slope of F(data) less the mean slope of F over what the machine would draw. Taking chains
of few steps for the latter is contrastive divergence (from the data) or persistent contrastive divergence (from where
the chains of the step before ended). Differentiating these functions gives exactly those updates.
"""

from dataclasses import replace
from typing import Any

import keras

from regraft.pretraining.boltzmann import chains, energy
from regraft.pretraining.boltzmann.chains import Noise
from regraft.pretraining.boltzmann.energy import Machine

ops: Any = keras.ops

_KEPT = 0.95  # of a unit's remembered activity, at each step; the guide says 0.9 to 0.99


def contrast(machine: Machine, data: Any, drawn: Any, means: Any = None) -> Any:
    """Mean free energy of data (n, visible) less that of what the machine drew, which stays as it is.

    Args:
        machine: whose parameters learn.
        data: (n, visible).
        drawn: (m, visible).
        means: what `drawn` was drawn about. The slope at the visible biases is then by these: the same on average, and
            without the noise of drawing, which matters where units are hardly ever sure.
    """
    drawn = ops.stop_gradient(drawn)
    known = drawn if means is None or machine.visible != "binary" else ops.stop_gradient(means)
    own = ops.mean(energy.visible_energy(machine, known))
    own = own - ops.mean(energy.hidden_gain(machine, energy.hidden_inputs(machine, drawn)))
    return ops.mean(energy.free_energy(machine, data)) - own


def divergence(machine: Machine, data: Any, given: Noise) -> Any:
    """The loss of CD-k: the chains begin at the data and have as many steps as the noise."""
    return contrast(machine, data, *chains.reconstructed(still(machine), data, given))


def persistent_divergence(machine: Machine, data: Any, hidden: Any, given: Noise) -> tuple[Any, Any]:
    """The loss of persistent CD-k, and the hidden values (chains, hidden) from which the next step's chains go on."""
    visible, hidden = chains.continued(still(machine), hidden, given)
    return contrast(machine, data, visible), ops.stop_gradient(hidden)


def sparsity(machine: Machine, data: Any, activity: Any, target: float) -> tuple[Any, Any]:
    """A term whose slope at each hidden unit's input is how far the unit's activity is above its target.

    That is the slope of the cross entropy between target and activity as Hinton's guide takes it.

    Args:
        machine: with binary hidden units.
        data: (n, visible).
        activity: (hidden,) how often each unit was on in the batches before.
        target: how often it should be.

    Returns:
        The term, and the activity with this batch.
    """
    inputs = energy.hidden_inputs(machine, data)
    batch = ops.mean(ops.sigmoid(inputs), axis=0)
    now = ops.stop_gradient(ops.add(ops.multiply(_KEPT, activity), (1 - _KEPT) * batch))
    return ops.sum((now - target) * ops.mean(inputs, axis=0)), now


def still(machine: Machine) -> Machine:
    """The same machine, through whose parameters no gradient goes."""
    return replace(
        machine,
        kernel=ops.stop_gradient(machine.kernel),
        hidden_bias=ops.stop_gradient(machine.hidden_bias),
        visible_bias=ops.stop_gradient(machine.visible_bias),
    )
