"""Keras' terms: what its optimizers call their slots and settings, and what the kinds of files are asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from regraft.core.optimizer_state import VariableState

# Kinds whose slots have the shape of their variable, with the names of these.
SLOTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("adam", "adamw"), ("momentum", "velocity", "velocity_hat")),
    **dict.fromkeys(("nadam", "lamb"), ("momentum", "velocity")),
    "adamax": ("momentum", "norm"),
    "adadelta": ("accumulated_grad", "accumulated_delta_var"),
    "adagrad": ("accumulator",),
    "ftrl": ("accumulator", "linear"),
    "lion": ("momentum",),
    "rmsprop": ("velocity", "momentum", "average_gradient"),
    "sgd": ("momentum",),
}
# What any optimizer of Keras may keep beside them.
BESIDE = ("average", "gradient_accumulator")
# Kinds whose step depends on the count of steps.
COUNTING = ("adam", "adamw", "adamax", "nadam", "lamb")
# Settings that slots depend on, or the next step does.
_SETTINGS = (
    *("learning_rate", "beta_1", "beta_2", "epsilon", "rho", "momentum", "nesterov", "centered", "amsgrad"),
    *("weight_decay", "use_ema", "ema_momentum", "gradient_accumulation_steps"),
    *("learning_rate_power", "l1_regularization_strength", "l2_regularization_strength", "beta"),
)

# How a note ends that names an array without a place.
UNKNOWN = "belongs to no variable that is known"


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What reading a file's state may need beside its archive.

    Attributes:
        path: the file.
        learning_rate: that of the last step, where the user says it.
        saved: opens the model that the file holds; asked only where positions must be told by it.
    """

    path: Path
    learning_rate: float | None
    saved: Callable[[], keras.Model]


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """The state of an optimizer by the names that the file has for variables.

    Attributes:
        states: in Keras' terms; the arrays lie as the file's do.
        notes: what could not be told, and what was assumed.
    """

    states: Mapping[str, VariableState]
    notes: tuple[str, ...] = field(default=())


def settings(kind: str, given: Mapping[str, Any]) -> dict[str, float | bool]:
    """The settings of an optimizer by Keras' names; what is not given has Keras' own value.

    >>> settings("adam", {"beta_1": 0.5, "name": "adam"})["beta_1"], settings("sgd", {})["nesterov"]
    (0.5, False)
    """
    optimizer: Any = keras.optimizers.get(kind)
    own: dict[str, Any] = optimizer.get_config()
    # A file may know settings that the Keras of today has not.
    both = {**own, **{name: value for name, value in given.items() if name in own and value is not None}}
    known = {name: both[name] for name in _SETTINGS if isinstance(both.get(name), (int, float, bool))}
    return {name: value if isinstance(value, bool) else float(value) for name, value in known.items()}


def u_product(beta_1: float, steps: int) -> float:
    """What Keras' Nadam would have multiplied up to in so many steps.

    >>> round(u_product(0.9, 1), 4)
    0.468
    """
    product = 1.0
    # Beyond that it is zero in float32.
    for step in range(1, min(steps, 5000) + 1):
        product *= beta_1 * (1.0 - 0.5 * 0.96**step)
    return product
