"""What gradients of now say: k passes that move nothing, taken by the very optimizer and by plain means.

RAdam's authors found that a second moment estimated before the first step takes away the need for a warm-up (Liu et al.
2020, "Adam-2k"). Here the optimizer that is about to learn takes its steps on stand-ins of the variables' shapes, so it
works for every kind of optimizer; the weights never move, and all passes see the same ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from regraft.core.errors import RequestError, WorkError
from regraft.core.optimizer_state import VariableState
from regraft.core.phase import Phase
from regraft.training import kinds, slots
from regraft.training.carrying.moments import Average, Moments

Array = np.ndarray[Any, Any]

# Where the means of the passes' gradients are compared with a mean that an optimizer kept.
_DECAY = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What the passes say of one variable.

    Attributes:
        state: of the very optimizer after the passes.
        first: the mean gradient, later passes weighing more.
        plain: the mean gradient, all passes alike.
        second: the mean squared gradient, all passes alike.
    """

    state: VariableState
    first: Average
    plain: Average
    second: Average


def fresh(phase: Phase, rates: Mapping[str, float], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, VariableState]:
    """The state of new optimizers of a phase for variables of these shapes, before their first step."""
    found: dict[str, VariableState] = {}
    for rate, names in _by_rate(rates, list(shapes)).items():
        variables, optimizer = _standing_in(phase, rate, {name: shapes[name] for name in names})
        found |= slots.read(optimizer, variables).variables
    return found


def measure(
    phase: Phase, rates: Mapping[str, float], gradients: Iterator[Mapping[str, Array]], names: Sequence[str]
) -> dict[str, Measured]:
    """Let the phase's optimizer take a step on stand-ins for every mapping of gradients.

    Args:
        phase: whose optimizer it is.
        rates: name -> the rate at which it learns.
        gradients: float arrays by name, clipped as the optimizer will be given them.
        names: the variables that are measured; their gradients are in every mapping.

    Raises:
        WorkError: a gradient is not a number.
        RequestError: there are no gradients, or some variable has none.
    """
    stands: list[tuple[dict[str, Any], Any]] = []
    squares: dict[str, Array] = {}
    means: dict[str, Array] = {}
    sums: dict[str, Array] = {}
    passes = 0
    for found in gradients:
        _check(found, names, passes)
        if not passes:
            stands = [
                _standing_in(phase, rate, {name: found[name].shape for name in chosen})
                for rate, chosen in _by_rate(rates, names).items()
            ]
        for name in names:
            gradient = np.asarray(found[name], np.float64)
            squares[name] = squares.get(name, 0.0) + gradient**2
            sums[name] = sums.get(name, 0.0) + gradient
            means[name] = _DECAY * means.get(name, 0.0) + (1 - _DECAY) * gradient
        for variables, optimizer in stands:
            optimizer.apply(
                [keras.ops.convert_to_tensor(found[name], "float32") for name in variables], list(variables.values())
            )
        passes += 1
    if not passes:
        raise RequestError("expected gradients to calibrate the optimizer's state with, found no batch of examples")
    states = {name: state for stand in stands for name, state in slots.read(stand[1], stand[0]).variables.items()}
    return {
        name: Measured(
            states[name],
            Average(means[name] / (1 - _DECAY**passes), _DECAY, passes),
            Average(sums[name] / passes, 1.0, passes),
            Average(squares[name] / passes, 1.0, passes),
        )
        for name in names
    }


def moving(found: Moments, squares: Array) -> Moments:
    """The measured mean gradient, as large as it is expected to be while the weights move.

    At weights that stand still all gradients agree on the way down, and their mean is as large as it will ever be. As
    soon as the weights move, the optimizer swings to and fro about it and gradients cancel, at most until noise is
    left: the mean of independent gradients with decay b has `(1 - b) / (1 + b)` of their mean square. The truth lies
    between, and nobody can say where before the first step; the geometric mean of both sizes is off by at most a factor
    of `((1 + b) / (1 - b))**(1/4)`, 2.1 for 0.9, which the first steps' own gradients make good. Sizes are compared as
    the optimizer steps: divided by the root of the mean square, if it does so.

    Args:
        found: the mean gradient, and the mean squared gradient where the optimizer keeps it.
        squares: the mean squared gradient, whether it keeps it or not.
    """
    if found.first is None or not squares.any():
        return found
    unit = squares if found.second is None else found.second.value
    alive = unit > 0
    weight = np.ones_like(unit) if found.second is not None else unit
    full = float(np.sum((weight * found.first.value**2 / np.where(alive, unit, 1.0))[alive]) / np.sum(weight[alive]))
    b = found.first.decay
    noise = (1 - b) / (1 + b) if b < 1 else 1.0 / found.first.steps
    part = min(1.0, (noise / full) ** 0.25) if full > 0 else 1.0
    return Moments(replace(found.first, value=part * found.first.value), found.second)


def _check(found: Mapping[str, Array], names: Sequence[str], passes: int) -> None:
    for name in names:
        if name not in found:
            raise RequestError(f"expected a gradient of '{name}' in every pass of the calibration, found none")
        if not np.isfinite(found[name]).all():
            raise WorkError(
                f"the gradient of '{name}' is not a number in pass {passes + 1} of the calibration; "
                "look for NaN in the source and the data"
            )


def _by_rate(rates: Mapping[str, float], names: Sequence[str]) -> dict[float, list[str]]:
    return {rate: [name for name in names if rates[name] == rate] for rate in dict.fromkeys(rates[n] for n in names)}


def _standing_in(
    phase: Phase, rate: float, shapes: Mapping[str, tuple[int, ...]]
) -> tuple[dict[str, keras.Variable], Any]:
    # Some optimizers go by names: Muon leaves embeddings to Adam.
    variables = {
        name: keras.Variable(np.zeros(shape, np.float32), name=name.replace("/", "_")) for name, shape in shapes.items()
    }
    optimizer = kinds.make(phase, rate)
    optimizer.build(list(variables.values()))
    return variables, optimizer
