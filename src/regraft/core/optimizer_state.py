"""What an optimizer has learnt about each variable, by name: its slots, what they mean, the steps they have seen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from regraft.core.phase import Carry

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class VariableState:
    """What an optimizer keeps about one variable.

    Every variable has its own count of steps: one that was thawed later has seen fewer, and bias correction counts
    them.

    Attributes:
        kind: the optimizer, by the name of Keras' class in small letters: `sgd`, `rmsprop`, `adam`, ...
        steps: updates that the slots have seen.
        slots: arrays of the variable's shape, by Keras' name in the singular without the underscore, such as `momentum`
            and `velocity` for Adam. SGD's `momentum` has the rate in it, as Keras keeps it.
        settings: what the slots depend on, by Keras' argument names: `beta_1`, `rho`, `momentum`, ...; and
            `learning_rate`, that of the last step.
        scalars: what is kept once for all variables of one optimizer, such as Nadam's `u_product`.
    """

    kind: str
    steps: int
    slots: Mapping[str, Array]
    settings: Mapping[str, float | bool] = field(default_factory=dict[str, float | bool])
    scalars: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True, eq=False)
class OptimizerState:
    """The state of one or several optimizers, by the canonical names of the variables.

    Attributes:
        variables: frozen ones have none.
        origin: where it is from, for messages: a file, or a phase.
        notes: what could not be read, and why.
    """

    variables: Mapping[str, VariableState]
    origin: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Carried:
    """What became of the optimizer's state of one variable where a phase began.

    Attributes:
        variable: canonical name.
        done: what was done.
        kind: the optimizer of before; empty where there was no state.
        to: the optimizer of now.
        steps: that bias correction counts from here on.
        ratio: median over elements of the squared gradient now to the second moment kept; None where none was compared.
        why: in words.
    """

    variable: str
    done: Carry
    kind: str
    to: str
    steps: int
    ratio: float | None = None
    why: str = ""
