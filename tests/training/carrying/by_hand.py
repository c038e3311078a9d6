"""One step of every optimizer in NumPy and float64: state, steps with this one, gradient, weight and settings in."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Settings = Mapping[str, float]
_E = 1e-7


def sgd(s: Mapping[str, Array], t: int, g: Array, w: Array, c: Settings) -> Array:
    return w + c["momentum"] * s["momentum"] - c["learning_rate"] * g


def nesterov(s: Mapping[str, Array], t: int, g: Array, w: Array, c: Settings) -> Array:
    buffer = c["momentum"] * s["momentum"] - c["learning_rate"] * g
    return w + c["momentum"] * buffer - c["learning_rate"] * g


def _corrected(s: Mapping[str, Array], t: int, g: Array, c: Settings) -> tuple[Array, Array]:
    first = (c["beta_1"] * s["momentum"] + (1 - c["beta_1"]) * g) / (1 - c["beta_1"] ** t)
    second = (c["beta_2"] * s["velocity"] + (1 - c["beta_2"]) * g**2) / (1 - c["beta_2"] ** t)
    return first, second


def adam(s: Mapping[str, Array], t: int, g: Array, w: Array, c: Settings) -> Array:
    first, second = _corrected(s, t, g, c)
    # Keras adds epsilon before the correction.
    return w - c["learning_rate"] * first / (np.sqrt(second) + _E / np.sqrt(1 - c["beta_2"] ** t))


def amsgrad(s: Mapping[str, Array], t: int, g: Array, w: Array, c: Settings) -> Array:
    first, second = _corrected(s, t, g, c)
    largest = np.maximum(s["velocity_hat"], second * (1 - c["beta_2"] ** t)) / (1 - c["beta_2"] ** t)
    return w - c["learning_rate"] * first / (np.sqrt(largest) + _E)


def adamw(s: Mapping[str, Array], t: int, g: Array, w: Array, c: Settings) -> Array:
    return adam(s, t, g, w * (1 - 0.1 * c["learning_rate"]), c)


def lamb(s: Mapping[str, Array], t: int, g: Array, w: Array, c: Settings) -> Array:
    first, second = _corrected(s, t, g, c)
    update = first / (np.sqrt(second) + _E)
    return w - c["learning_rate"] * np.linalg.norm(w) / np.linalg.norm(update) * update


def nadam(s: Mapping[str, Array], t: int, g: Array, w: Array, c: Settings) -> Array:
    now, following = (c["beta_1"] * (1 - 0.5 * 0.96**step) for step in (t, t + 1))
    product = np.prod([c["beta_1"] * (1 - 0.5 * 0.96**step) for step in range(1, t + 1)])
    first, second = _corrected(s, t, g, c)
    ahead = following * first * (1 - c["beta_1"] ** t) / (1 - product * following) + (1 - now) * g / (1 - product)
    return w - c["learning_rate"] * ahead / (np.sqrt(second) + _E)


def adamax(s: Mapping[str, Array], t: int, g: Array, w: Array, c: Settings) -> Array:
    first = (c["beta_1"] * s["momentum"] + (1 - c["beta_1"]) * g) / (1 - c["beta_1"] ** t)
    return w - c["learning_rate"] * first / (np.maximum(c["beta_2"] * s["norm"], np.abs(g)) + _E)


def lion(s: Mapping[str, Array], t: int, g: Array, w: Array, c: Settings) -> Array:
    return w - c["learning_rate"] * np.sign(c["beta_1"] * s["momentum"] + (1 - c["beta_1"]) * g)


def rmsprop(s: Mapping[str, Array], t: int, g: Array, w: Array, c: Settings) -> Array:
    second = c["rho"] * s["velocity"] + (1 - c["rho"]) * g**2
    return w - c["learning_rate"] * g / np.sqrt(second + _E)


def centred(s: Mapping[str, Array], t: int, g: Array, w: Array, c: Settings) -> Array:
    second = c["rho"] * s["velocity"] + (1 - c["rho"]) * g**2
    mean = c["rho"] * s["average_gradient"] + (1 - c["rho"]) * g
    return w - c["momentum"] * s["momentum"] - c["learning_rate"] * g / np.sqrt(second - mean**2 + _E)


def adagrad(s: Mapping[str, Array], t: int, g: Array, w: Array, c: Settings) -> Array:
    return w - c["learning_rate"] * g / np.sqrt(s["accumulator"] + g**2 + _E)


def adadelta(s: Mapping[str, Array], t: int, g: Array, w: Array, c: Settings) -> Array:
    second = c["rho"] * s["accumulated_grad"] + (1 - c["rho"]) * g**2
    return w - c["learning_rate"] * np.sqrt((s["accumulated_delta_var"] + _E) / (second + _E)) * g


def ftrl(s: Mapping[str, Array], t: int, g: Array, w: Array, c: Settings) -> Array:
    rate, l1, l2, beta = c["learning_rate"], 0.01, 0.01, 0.1
    total = s["accumulator"] + g**2
    linear = s["linear"] + g - (np.sqrt(total) - np.sqrt(s["accumulator"])) / rate * w
    # Keras halves beta and doubles the sum with l2.
    return (np.clip(linear, -l1, l1) - linear) / (np.sqrt(total) / rate + 2 * (l2 + beta / (2 * rate)))


STEPS: dict[str, Callable[[Mapping[str, Array], int, Array, Array, Settings], Array]] = {
    "adadelta": adadelta,
    "adagrad": adagrad,
    "adam": adam,
    "adam, amsgrad": amsgrad,
    "adamax": adamax,
    "adamw": adamw,
    "ftrl": ftrl,
    "lamb": lamb,
    "lion": lion,
    "nadam": nadam,
    "rmsprop": rmsprop,
    "rmsprop, centred, momentum": centred,
    "sgd, momentum": sgd,
    "sgd, nesterov": nesterov,
}
