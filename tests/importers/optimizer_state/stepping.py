"""The next step of each optimizer, written by hand in float64 from the papers' formulas, in Keras' terms."""

from collections.abc import Callable
from typing import Any

import numpy as np

from regraft.core.optimizer_state import VariableState

Array = np.ndarray[Any, Any]


def step(state: VariableState, weight: Array, gradient: Array) -> Array:
    """The weight after one more step.

    Args:
        state: as read from a file.
        weight: of before.
        gradient: of now.
    """
    slots = {name: slot.astype(np.float64) for name, slot in state.slots.items()}
    settings: Any = dict(state.settings)
    change = _CHANGES[state.kind](slots, settings, state, gradient.astype(np.float64))
    decayed = weight.astype(np.float64)
    if settings.get("weight_decay"):
        decayed = decayed * (1 - settings["weight_decay"] * settings["learning_rate"])
    return decayed - change


def _mean(old: Array, new: Array, factor: float) -> Array:
    return factor * old + (1 - factor) * new


def _adam(slots: Any, s: Any, state: VariableState, g: Array) -> Array:
    t = state.steps + 1
    m, v = _mean(slots["momentum"], g, s["beta_1"]), _mean(slots["velocity"], g**2, s["beta_2"])
    if "velocity_hat" in slots:
        v = np.maximum(slots["velocity_hat"], v)
    rate = s["learning_rate"] * np.sqrt(1 - s["beta_2"] ** t) / (1 - s["beta_1"] ** t)
    return rate * m / (np.sqrt(v) + s["epsilon"])


def _nadam(slots: Any, s: Any, state: VariableState, g: Array) -> Array:
    t, b = state.steps + 1, s["beta_1"]
    m, v = _mean(slots["momentum"], g, b), _mean(slots["velocity"], g**2, s["beta_2"])
    now, after = b * (1 - 0.5 * 0.96**t), b * (1 - 0.5 * 0.96 ** (t + 1))
    product = state.scalars["u_product"] * now
    ahead = after * m / (1 - product * after) + (1 - now) * g / (1 - product)
    return s["learning_rate"] * ahead / (np.sqrt(v / (1 - s["beta_2"] ** t)) + s["epsilon"])


def _adamax(slots: Any, s: Any, state: VariableState, g: Array) -> Array:
    m, u = _mean(slots["momentum"], g, s["beta_1"]), np.maximum(s["beta_2"] * slots["norm"], np.abs(g))
    return s["learning_rate"] / (1 - s["beta_1"] ** (state.steps + 1)) * m / (u + s["epsilon"])


def _sgd(slots: Any, s: Any, state: VariableState, g: Array) -> Array:
    if "momentum" not in slots:
        return s["learning_rate"] * g
    velocity = s["momentum"] * slots["momentum"] - s["learning_rate"] * g
    return s["learning_rate"] * g - s["momentum"] * velocity if s["nesterov"] else -velocity


def _rmsprop(slots: Any, s: Any, state: VariableState, g: Array) -> Array:
    v = _mean(slots["velocity"], g**2, s["rho"])
    if "average_gradient" in slots:
        v = v - _mean(slots["average_gradient"], g, s["rho"]) ** 2
    change = s["learning_rate"] * g / np.sqrt(v + s["epsilon"])
    return s["momentum"] * slots["momentum"] + change if "momentum" in slots else change


def _adagrad(slots: Any, s: Any, state: VariableState, g: Array) -> Array:
    return s["learning_rate"] * g / np.sqrt(slots["accumulator"] + g**2 + s["epsilon"])


def _adadelta(slots: Any, s: Any, state: VariableState, g: Array) -> Array:
    v = _mean(slots["accumulated_grad"], g**2, s["rho"])
    return s["learning_rate"] * g * np.sqrt(slots["accumulated_delta_var"] + s["epsilon"]) / np.sqrt(v + s["epsilon"])


def _lion(slots: Any, s: Any, state: VariableState, g: Array) -> Array:
    return s["learning_rate"] * np.sign(_mean(slots["momentum"], g, s["beta_1"]))


_CHANGES: dict[str, Callable[..., Array]] = {
    "adam": _adam, "adamw": _adam, "nadam": _nadam, "adamax": _adamax, "sgd": _sgd, "rmsprop": _rmsprop,
    "adagrad": _adagrad, "adadelta": _adadelta, "lion": _lion,
}  # fmt: skip
