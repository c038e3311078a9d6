"""The energy of a restricted Boltzmann machine and what follows from it: free energy, and each layer given the other.

With visible units v, hidden units h, kernel W, hidden biases c and visible biases b the energy is

    binary v:      E(v, h) = -v b - h c - v W h
    Gaussian v:    E(v, h) = |v - b|^2 / 2 - h c - v W h     (every input of variance 1 about its mean)

Binary hidden units are summed over exactly. A rectified one stands for endlessly many binary ones that share their
weights and have biases c - 1/2, c - 3/2, ...; their mean is about max(0, x) for an input x (Nair and Hinton 2010),
and the free energy here is the one whose slope is exactly that.

Only `keras.ops`, so that all of it can be differentiated and compiled on every backend.
"""

from dataclasses import dataclass
from typing import Any, Literal

import keras

ops: Any = keras.ops

Visible = Literal["binary", "gaussian"]
Hidden = Literal["binary", "rectified"]


@dataclass(frozen=True, slots=True, eq=False)
class Machine:
    """The parameters of a machine, as tensors or arrays of float32, and the kinds of its units.

    Attributes:
        kernel: (visible, hidden), as a `Dense` layer has it.
        hidden_bias: (hidden,).
        visible_bias: (visible,); of Gaussian units it is their mean while no hidden unit is on.
        visible: the kind of the visible units.
        hidden: the kind of the hidden units.
    """

    kernel: Any
    hidden_bias: Any
    visible_bias: Any
    visible: Visible = "binary"
    hidden: Hidden = "binary"


def hidden_inputs(machine: Machine, visible: Any) -> Any:
    """What each hidden unit is given by visible values (n, visible): (n, hidden)."""
    return ops.add(ops.matmul(visible, machine.kernel), machine.hidden_bias)


def hidden_means(machine: Machine, visible: Any) -> Any:
    """The mean of each hidden unit given visible values: of binary ones the probability to be on."""
    inputs = hidden_inputs(machine, visible)
    return ops.sigmoid(inputs) if machine.hidden == "binary" else ops.relu(inputs)


def visible_means(machine: Machine, hidden: Any) -> Any:
    """The mean of each visible unit given hidden values (n, hidden): (n, visible)."""
    inputs = ops.add(ops.matmul(hidden, ops.transpose(machine.kernel)), machine.visible_bias)
    return ops.sigmoid(inputs) if machine.visible == "binary" else inputs


def free_energy(machine: Machine, visible: Any) -> Any:
    """-log of the sum over all hidden states of exp(-E(v, h)), for each row of visible values: (n,).

    Lower is more probable; only differences between rows of one machine mean something, because the sum over all v is
    not known.
    """
    return visible_energy(machine, visible) - hidden_gain(machine, hidden_inputs(machine, visible))


def hidden_gain(machine: Machine, inputs: Any) -> Any:
    """By how much the hidden units, given inputs (..., hidden), lower the free energy: (...)."""
    terms = ops.softplus(inputs) if machine.hidden == "binary" else ops.square(ops.relu(inputs)) / 2
    return ops.sum(terms, axis=-1)


def visible_energy(machine: Machine, visible: Any) -> Any:
    """The part of the energy that no hidden unit has a share in: (n,)."""
    if machine.visible == "binary":
        return -ops.sum(ops.multiply(visible, machine.visible_bias), axis=-1)
    return ops.sum(ops.square(ops.subtract(visible, machine.visible_bias)), axis=-1) / 2
