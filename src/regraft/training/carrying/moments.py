"""What an optimizer's state says of the gradients that it has seen: their mean, and the mean of their squares.

Nearly every optimizer keeps one of these or both, each in its own scale. Said without a scale they can be compared with
gradients of now, and written into the slots of another optimizer (`translating.py`). Each function below is the inverse
of a recursion as Keras computes it (`keras/src/optimizers/NAME.py`), `t` being the steps, with zeros at the beginning.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import erf

from regraft.core.optimizer_state import VariableState
from regraft.training.slots import BUFFER_RATE

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Average:
    """A mean over past steps, the weight of each being `decay` to the power of its age; corrected for its beginning.

    Attributes:
        value: of the variable's shape, float64.
        decay: 1.0: all steps weigh alike.
        steps: how many there were.
    """

    value: Array
    decay: float
    steps: int

    @property
    def worth(self) -> float:
        """How many steps of equal weight would give a mean as certain: (sum of weights)**2 / sum of their squares.

        For a decay b this is (1 + b) / (1 - b) in the long run: 19 for 0.9, 1999 for 0.999.
        """
        b, t = self.decay, self.steps
        return float(t) if b >= 1 else (1 + b) / (1 - b) * (1 - b**t) / (1 + b**t)


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """The mean gradient and the mean squared gradient; None where the optimizer keeps no such thing."""

    first: Average | None = None
    second: Average | None = None


def of(state: VariableState) -> Moments:
    """What a state says of its gradients; nothing for kinds that are not in the table, and before the first step."""
    if state.steps < 1 or state.kind not in _KINDS:
        return Moments()
    first, second = _KINDS[state.kind]
    return Moments(first(state), second(state))


def setting(state: VariableState, name: str) -> float:
    """A setting of a state; where a file did not say, Keras' default."""
    default = _DEFAULTS.get((state.kind, name), _DEFAULTS.get(("", name), 0.0))
    return float(state.settings.get(name, default))


def held_rate(state: VariableState) -> float:
    """The rate that a buffer of updates holds: the mean over the steps that it remembers."""
    return float(state.settings.get(BUFFER_RATE, state.settings.get("learning_rate", 0.0)))


@functools.cache
def largest(decay: float, steps: int) -> float:
    """Adamax's norm in standard deviations: the median of the largest decayed |g| for normal gradients.

    Adamax keeps `u = max(decay * u, |g|)` (Kingma and Ba 2015, section 7.1), the largest of `decay**j |g|` over ages j.
    For independent normal gradients P(u < x) is the product of `erf(x / (decay**j sqrt 2))` over ages; this is the x at
    which it is one half. 3.2 for a decay of 0.999 in the long run. The exact relation depends on how heavy the tails
    are.
    """
    ages = np.arange(min(steps, math.ceil(math.log(1e-3) / math.log(decay)) if decay < 1 else steps))
    low, high = 0.0, 40.0
    for _ in range(60):
        middle = (low + high) / 2
        logarithms = np.log(np.maximum(erf(middle / (np.power(decay, ages) * math.sqrt(2))), 1e-300))
        low, high = (middle, high) if logarithms.sum() < math.log(0.5) else (low, middle)
    return high


def _exponential(state: VariableState, slot: str, decay: float) -> Average | None:
    """`s <- b s + (1 - b) x` from zero is `(1 - b**t)` times the mean of x with weights b**age."""
    value = state.slots.get(slot)
    if value is None:
        return None
    weight = 1 - decay**state.steps
    return Average(np.asarray(value, np.float64) / weight, decay, state.steps) if weight > 0 else None


def _geometric(state: VariableState, slot: str, decay: float, scale: float) -> Average | None:
    """`s <- b s + scale * x` from zero is `scale * (1 - b**t) / (1 - b)` times the mean of x with weights b**age."""
    value = state.slots.get(slot)
    if value is None or scale == 0 or not math.isfinite(scale):
        return None
    total = float(state.steps) if decay >= 1 else (1 - decay**state.steps) / (1 - decay)
    return Average(np.asarray(value, np.float64) / (scale * total), decay, state.steps)


def _none(state: VariableState) -> Average | None:
    return None


def _momentum(state: VariableState) -> Average | None:
    """Adam's `momentum`, Adamax's and Nadam's too: an exponential mean by `beta_1`."""
    return _exponential(state, "momentum", setting(state, "beta_1"))


def _velocity(state: VariableState) -> Average | None:
    """Adam's `velocity`: an exponential mean of squares by `beta_2`."""
    return _exponential(state, "velocity", setting(state, "beta_2"))


def _sgd_buffer(state: VariableState) -> Average | None:
    """SGD's buffer `v <- mu v - rate g`, with Nesterov's momentum too: what it has of the rate is divided out."""
    return _geometric(state, "momentum", setting(state, "momentum"), -held_rate(state))


def _lion_momentum(state: VariableState) -> Average | None:
    """Lion's `momentum`: an exponential mean by `beta_2` (Chen et al. 2023, algorithm 2), which it never corrects."""
    return _exponential(state, "momentum", setting(state, "beta_2"))


def _muon_first(state: VariableState) -> Average | None:
    """Muon's buffer `m <- mu m + g`; what is not a matrix has Adam's (`adam_beta_1`) instead."""
    if "velocity" in state.slots:
        return _exponential(state, "momentum", setting(state, "adam_beta_1"))
    return _geometric(state, "momentum", setting(state, "momentum"), 1.0)


def _muon_second(state: VariableState) -> Average | None:
    return _exponential(state, "velocity", setting(state, "adam_beta_2"))


def _rms_first(state: VariableState) -> Average | None:
    """The mean that centred RMSprop keeps; from a buffer of momentum an estimate.

    The buffer is `b <- mu b + rate g / sqrt(v)`. In a steady state, where v hardly changes, its mean normalised
    gradient times sqrt(v) is the mean gradient.
    """
    if "average_gradient" in state.slots:
        return _exponential(state, "average_gradient", setting(state, "rho"))
    normalised = _geometric(state, "momentum", setting(state, "momentum"), held_rate(state))
    second = _rms_second(state)
    if normalised is None or second is None:
        return None
    scale = np.sqrt(second.value + setting(state, "epsilon"))
    return Average(normalised.value * scale, normalised.decay, state.steps)


def _rms_second(state: VariableState) -> Average | None:
    """RMSprop's `velocity`, which RMSprop itself never corrects for its beginning."""
    return _exponential(state, "velocity", setting(state, "rho"))


def _adadelta_second(state: VariableState) -> Average | None:
    return _exponential(state, "accumulated_grad", setting(state, "rho"))


def _sum_of_squares(state: VariableState) -> Average | None:
    """AdaGrad's and Ftrl's `accumulator`: a plain sum, upon an initial value."""
    value = state.slots.get("accumulator")
    if value is None:
        return None
    sum_ = np.maximum(np.asarray(value, np.float64) - setting(state, "initial_accumulator_value"), 0.0)
    return Average(sum_ / state.steps, 1.0, state.steps)


def _adamax_second(state: VariableState) -> Average | None:
    """By the steady state for normal gradients: see `largest`."""
    value = state.slots.get("norm")
    decay = setting(state, "beta_2")
    if value is None:
        return None
    return Average((np.asarray(value, np.float64) / largest(decay, state.steps)) ** 2, decay, state.steps)


def _adafactor_second(state: VariableState) -> Average | None:
    """Adafactor's `velocity`: its decay `1 - t**p` begins at zero, and needs no correction (2018, section 7.2)."""
    value = state.slots.get("velocity")
    if value is None:
        return None
    return Average(np.asarray(value, np.float64), 1 - state.steps ** setting(state, "beta_2_decay"), state.steps)


Of = Callable[[VariableState], Average | None]
_KINDS: dict[str, tuple[Of, Of]] = {
    "adadelta": (_none, _adadelta_second),
    "adafactor": (_none, _adafactor_second),
    "adagrad": (_none, _sum_of_squares),
    "adam": (_momentum, _velocity),
    "adamax": (_momentum, _adamax_second),
    "adamw": (_momentum, _velocity),
    "ftrl": (_none, _sum_of_squares),
    "lamb": (_momentum, _velocity),
    "lion": (_lion_momentum, _none),
    "muon": (_muon_first, _muon_second),
    "nadam": (_momentum, _velocity),
    "rmsprop": (_rms_first, _rms_second),
    "schedulefreeadamw": (_none, _velocity),
    "sgd": (_sgd_buffer, _none),
}
_DEFAULTS: dict[tuple[str, str], float] = {
    ("", "beta_1"): 0.9,
    ("", "beta_2"): 0.999,
    ("lion", "beta_2"): 0.99,
    ("", "adam_beta_1"): 0.9,
    ("", "adam_beta_2"): 0.999,
    ("", "rho"): 0.9,
    ("adadelta", "rho"): 0.95,
    ("muon", "momentum"): 0.95,
    ("", "initial_accumulator_value"): 0.1,
    ("", "beta_2_decay"): -0.8,
    ("", "epsilon"): 1e-7,
}
