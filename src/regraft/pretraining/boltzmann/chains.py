"""Gibbs chains: hidden units drawn given visible ones, and visible ones given hidden ones, in turn.

All randomness comes in as arrays, so that one seed gives one chain on every backend: for a binary unit a number that is
uniform from 0 to 1, for a Gaussian or rectified one a number that is normal with mean 0 and variance 1.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from regraft.pretraining.boltzmann import energy
from regraft.pretraining.boltzmann.energy import Machine

ops: Any = keras.ops

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """The random numbers of some chains of so many steps.

    Attributes:
        hidden: (chains, steps, hidden).
        visible: (chains, steps, visible); (chains, steps, 0) where visible units take their means.
    """

    hidden: Any
    visible: Any


def noise(
    kinds: tuple[energy.Visible, energy.Hidden],
    units: tuple[int, int],
    chains: int,
    steps: int,
    random: np.random.Generator,
    *,
    sampled: bool,
) -> Noise:
    """Draw the numbers for so many chains and steps.

    Args:
        kinds: of the visible and of the hidden units.
        units: how many visible and hidden ones.
        chains: side by side.
        steps: of each.
        random: where the numbers come from.
        sampled: whether visible units are drawn; else they take their means and need no numbers.
    """
    (visible, hidden), (width, count) = kinds, units
    return Noise(
        _numbers(hidden == "binary", (chains, steps, count), random),
        _numbers(visible == "binary", (chains, steps, width if sampled else 0), random),
    )


def _numbers(uniform: bool, shape: tuple[int, ...], random: np.random.Generator) -> Array:
    return random.random(shape, np.float32) if uniform else random.standard_normal(shape, np.float32)


def draw_hidden(machine: Machine, visible: Any, numbers: Any) -> Any:
    """Hidden values (n, hidden) given visible ones (n, visible) and a random number for each."""
    inputs = energy.hidden_inputs(machine, visible)
    chances = ops.sigmoid(inputs)
    if machine.hidden == "binary":
        return ops.cast(ops.less(numbers, chances), "float32")
    # The sum of the endlessly many binary units is about normal, with a variance of sigmoid(x).
    return ops.relu(ops.add(inputs, ops.multiply(ops.sqrt(chances), numbers)))


def draw_visible(machine: Machine, hidden: Any, numbers: Any) -> Any:
    """Visible values (n, visible) given hidden ones (n, hidden); their means where `numbers` is (n, 0)."""
    return _about(machine, energy.visible_means(machine, hidden), numbers)


def _about(machine: Machine, means: Any, numbers: Any) -> Any:
    if numbers.shape[-1] == 0:
        return means
    return ops.cast(ops.less(numbers, means), "float32") if machine.visible == "binary" else ops.add(means, numbers)


def continued(machine: Machine, hidden: Any, given: Noise) -> tuple[Any, Any]:
    """Go on from hidden values for all steps of the noise.

    Returns:
        The visible values of the last step (chains, visible), and the hidden ones drawn from them, to go on from.
    """
    visible: Any = None
    for step in range(given.hidden.shape[1]):
        visible = draw_visible(machine, hidden, given.visible[:, step])
        hidden = draw_hidden(machine, visible, given.hidden[:, step])
    return visible, hidden


def reconstructed(machine: Machine, visible: Any, given: Noise) -> tuple[Any, Any]:
    """The end of chains that begin at visible values (n, visible), after all steps of the noise.

    Returns:
        The visible values (n, visible), and the means that they were drawn about.
    """
    means = visible
    for step in range(given.hidden.shape[1]):
        means = energy.visible_means(machine, draw_hidden(machine, visible, given.hidden[:, step]))
        visible = _about(machine, means, given.visible[:, step])
    return visible, means
