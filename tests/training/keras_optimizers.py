"""Every optimizer that Keras has, in the variants that keep different slots, and steps with made-up gradients."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

Array = np.ndarray[Any, Any]
_K = keras.optimizers

MADE: dict[str, Callable[[], Any]] = {
    "adadelta": lambda: _K.Adadelta(0.1),
    "adafactor": lambda: _K.Adafactor(0.01),
    "adagrad": lambda: _K.Adagrad(0.1),
    "adam": lambda: _K.Adam(0.01),
    "adam, amsgrad": lambda: _K.Adam(0.01, amsgrad=True),
    "adam, average": lambda: _K.Adam(0.01, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=3),
    "adam, clipped": lambda: _K.Adam(0.01, global_clipnorm=0.5),
    "adam, schedule": lambda: _K.Adam(_K.schedules.CosineDecay(0.01, 20)),
    "adamax": lambda: _K.Adamax(0.01),
    "adamw": lambda: _K.AdamW(0.01, weight_decay=0.1),
    "ftrl": lambda: _K.Ftrl(0.1, l1_regularization_strength=0.01, l2_regularization_strength=0.01, beta=0.1),
    "lamb": lambda: _K.Lamb(0.01),
    "lion": lambda: _K.Lion(0.01),
    "nadam": lambda: _K.Nadam(0.01),
    "rmsprop": lambda: _K.RMSprop(0.01),
    "rmsprop, centred, momentum": lambda: _K.RMSprop(0.01, centered=True, momentum=0.9),
    "sgd": lambda: _K.SGD(0.1),
    "sgd, momentum": lambda: _K.SGD(0.1, momentum=0.9),
    "sgd, nesterov": lambda: _K.SGD(0.1, momentum=0.9, nesterov=True),
}
# Not in the oldest Keras that is supported.
if hasattr(_K, "Muon"):
    MADE["muon"] = lambda: _K.Muon(0.01)
if hasattr(_K, "ScheduleFreeAdamW"):
    MADE["schedule-free adamw"] = lambda: _K.ScheduleFreeAdamW(0.01)

SHAPES: Mapping[str, tuple[int, ...]] = {"low/kernel": (4, 3), "low/bias": (3,), "top/kernel": (3, 2), "top/bias": (2,)}


def variables(order: Sequence[str] = tuple(SHAPES)) -> dict[str, keras.Variable]:
    """New variables with the same values whatever their order."""
    return {name: keras.Variable(_values(name, 0).astype("float32"), name=name.replace("/", "_")) for name in order}


def gradients(name: str, step: int, scale: float = 1.0) -> Array:
    """The gradient of one variable at a step: noise about a constant, the same for everybody who asks."""
    return (scale * (_values(name, step + 1) + 0.2)).astype("float32")


def take(optimizer: Any, chosen: Mapping[str, keras.Variable], steps: range) -> None:
    """Let the optimizer take these steps."""
    for step in steps:
        found = [keras.ops.convert_to_tensor(gradients(name, step)) for name in chosen]
        optimizer.apply(found, list(chosen.values()))


def values(chosen: Mapping[str, keras.Variable]) -> dict[str, Array]:
    """Copies of the variables' values."""
    return {name: np.array(keras.ops.convert_to_numpy(variable)) for name, variable in chosen.items()}


def copied(chosen: Mapping[str, keras.Variable], order: Sequence[str]) -> dict[str, keras.Variable]:
    """New variables with the values of these, in another order."""
    there = values(chosen)
    return {name: keras.Variable(there[name], name=name.replace("/", "_")) for name in order}


def _values(name: str, step: int) -> Array:
    return np.random.default_rng([list(SHAPES).index(name), step]).normal(size=SHAPES[name])
