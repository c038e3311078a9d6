"""The mean gradient and the mean squared gradient, written into the slots of a kind of optimizer.

The other direction of `moments.py`: each function says what the slots would hold if this optimizer had seen gradients
of these moments. Where the decays are equal this is exact, because both optimizers are then sums of the same terms;
where not, it is the steady state, in which a mean does not depend on how fast it forgets.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from regraft.core.optimizer_state import VariableState
from regraft.training import slots
from regraft.training.carrying.moments import Moments, largest, setting

Array = np.ndarray[Any, Any]

# What one variable needs before its slots can be written; `own` is a slot that only the optimizer itself can fill.
_OWN = "own"
_FIRST = "first"
_SECOND = "second"

# Centred RMSprop divides by v - mean**2. Two means that are worth different numbers of steps can make that negative;
# the mean is cut off where it would be less than this part of v, so that no step is over 1.5 times the uncentred one.
_CENTRED_LEAST = 0.5


def needs(template: VariableState) -> frozenset[str] | None:
    """What it takes to write this variable's slots: `first`, `second`, `own`; None: no relation is known."""
    if template.kind not in _KINDS:
        return None
    return frozenset(
        _NEEDS[slot] for slot in template.slots if slot in _NEEDS and not slots.is_of_weight(template.kind, slot)
    )


def into(template: VariableState, found: Moments, rate: float, *, settled: bool = False) -> VariableState:
    """The state of a kind of optimizer that has seen gradients of these moments.

    Args:
        template: kind, settings, and slots of the right names and shapes; slots that moments say nothing of stay.
        found: has what `needs` names.
        rate: at which the optimizer begins; a buffer of updates holds it.
        settled: written as after many steps, also where few were seen.

    Returns:
        The count of steps is that of the second moment where there is one: bias correction, and how fast the new
        optimizer forgets, hang on it. Where the decays differ it is at most what the old mean is worth, so that twenty
        steps' knowledge is not held for the next thousand.
    """
    steps = _count(template, found)
    values = _KINDS[template.kind](_Into(template, found, rate, steps, settled))
    arrays = {slot: np.asarray(values.get(slot, old), old.dtype) for slot, old in template.slots.items()}
    scalars = dict(template.scalars)
    if "u_product" in scalars:
        scalars["u_product"] = slots.u_product(setting(template, "beta_1"), steps)
    return replace(template, steps=steps, slots=arrays, scalars=scalars)


class _Into:
    """What each relation is given: means without their scale, and how much of a beginning is left in the slots."""

    def __init__(self, template: VariableState, found: Moments, rate: float, steps: int, settled: bool) -> None:
        self.template, self.rate, self.steps, self.settled = template, rate, steps, settled
        self._found = found

    @property
    def first(self) -> Array:
        assert self._found.first is not None, "the mean gradient was not measured"
        return self._found.first.value

    @property
    def second(self) -> Array:
        assert self._found.second is not None, "the mean squared gradient was not measured"
        return self._found.second.value

    def has(self, slot: str) -> bool:
        return slot in self.template.slots

    def setting(self, name: str) -> float:
        return setting(self.template, name)

    def begun(self, decay: float) -> float:
        """Which part of its steady value an exponential mean has after these steps."""
        return 1 - decay**self.steps

    def total(self, decay: float) -> float:
        """The sum of a buffer's weights: exact for the buffer of as many steps, else that of the long run."""
        if decay >= 1:
            return float(self.steps)
        mean = self._found.first
        assert mean is not None, "the mean gradient was not measured"
        exact = math.isclose(mean.decay, decay) and not self.settled
        return (1 - decay**mean.steps if exact else 1.0) / (1 - decay)


def _count(template: VariableState, found: Moments) -> int:
    mean = found.second if found.second is not None and _SECOND in (needs(template) or ()) else None
    if mean is None:
        mean = found.first or found.second
        return mean.steps if mean else 0
    if template.kind in _FORGETFUL or math.isclose(mean.decay, _second_decay(template)):
        return mean.steps
    return max(1, min(mean.steps, round(mean.worth)))


def _second_decay(template: VariableState) -> float:
    return setting(template, "adam_beta_2" if template.kind == "muon" else "beta_2")


def _adam(to: _Into) -> Mapping[str, Array]:
    """`m = (1 - beta_1**t) mean`, `v = (1 - beta_2**t) mean square` (Kingma and Ba 2015, equation 4).

    So the corrected ones are the means. AMSGrad's largest v so far begins at v.
    """
    velocity = to.second * to.begun(to.setting("beta_2"))
    return {"momentum": to.first * to.begun(to.setting("beta_1")), "velocity": velocity, "velocity_hat": velocity}


def _free(to: _Into) -> Mapping[str, Array]:
    """The velocity is Adam's; the other slot is made of the weight."""
    return {"velocity": to.second * to.begun(to.setting("beta_2"))}


def _muon(to: _Into) -> Mapping[str, Array]:
    if not to.has("velocity"):
        return {"momentum": to.first * to.total(to.setting("momentum"))}
    return {
        "momentum": to.first * to.begun(to.setting("adam_beta_1")),
        "velocity": to.second * to.begun(to.setting("adam_beta_2")),
    }


def _adamax(to: _Into) -> Mapping[str, Array]:
    """The mean as Adam's; the norm by the steady state of normal gradients (`moments.largest`)."""
    norm = np.sqrt(to.second) * largest(to.setting("beta_2"), to.steps)
    return {"momentum": to.first * to.begun(to.setting("beta_1")), "norm": norm}


def _sgd(to: _Into) -> Mapping[str, Array]:
    """`v = -rate (1 - mu**t) / (1 - mu) mean`: with `mu = beta_1` that is `-rate m / (1 - beta_1)` of Adam's m."""
    return {"momentum": -to.rate * to.total(to.setting("momentum")) * to.first} if to.has("momentum") else {}


def _rmsprop(to: _Into) -> Mapping[str, Array]:
    """The corrected mean square, because RMSprop corrects nothing; its buffer by the steady state.

    In that state the buffer is `rate mean / sqrt(v) / (1 - momentum)`. The mean of centred RMSprop is cut off where v
    leaves no room for it.
    """
    found: dict[str, Array] = {"velocity": to.second}
    denominator = to.second
    if to.has("average_gradient"):
        room = np.sqrt((1 - _CENTRED_LEAST) * to.second)
        found["average_gradient"] = np.clip(to.first, -room, room)
        denominator = to.second - found["average_gradient"] ** 2
    if to.has("momentum"):
        step = to.rate * to.first / np.sqrt(denominator + to.setting("epsilon"))
        found["momentum"] = step * to.total(to.setting("momentum"))
    return found


def _accumulator(to: _Into) -> Mapping[str, Array]:
    """AdaGrad and Ftrl sum: the initial value, and the mean square once for each step."""
    return {"accumulator": to.setting("initial_accumulator_value") + to.steps * to.second}


def _adadelta(to: _Into) -> Mapping[str, Array]:
    """The mean square. How large its steps were, only Adadelta itself can say: they depend on all steps before."""
    return {"accumulated_grad": to.second}


def _adafactor(to: _Into) -> Mapping[str, Array]:
    """Rows and columns of the mean square, and their product over the mean (Shazeer and Stern 2018, algorithm 2)."""
    if to.second.ndim < 2:
        return {"velocity": to.second}
    rows, columns = to.second.mean(axis=-1), to.second.mean(axis=-2)
    share = rows / np.maximum(rows.mean(axis=-1, keepdims=True), np.finfo(np.float64).tiny)
    return {"r": rows, "c": columns, "velocity": share[..., None] * columns[..., None, :]}


def _lion(to: _Into) -> Mapping[str, Array]:
    """The mean gradient itself: Lion corrects nothing, and its steps are signs, to which a scale means nothing."""
    return {"momentum": to.first}


_KINDS: dict[str, Callable[[_Into], Mapping[str, Array]]] = {
    "adadelta": _adadelta,
    "adafactor": _adafactor,
    "adagrad": _accumulator,
    "adam": _adam,
    "adamax": _adamax,
    "adamw": _adam,
    "ftrl": _accumulator,
    "lamb": _adam,
    "lion": _lion,
    "muon": _muon,
    "nadam": _adam,
    "rmsprop": _rmsprop,
    "schedulefreeadamw": _free,
    "sgd": _sgd,
}
_NEEDS: dict[str, str] = {
    "momentum": _FIRST,
    "average_gradient": _FIRST,
    "velocity": _SECOND,
    "norm": _SECOND,
    "accumulator": _SECOND,
    "accumulated_grad": _SECOND,
    "accumulated_delta_var": _OWN,
}
# What corrects no second moment for its beginning: the count of steps says nothing of how fast it forgets.
_FORGETFUL = ("adadelta", "adafactor", "adagrad", "adamax", "ftrl", "rmsprop")
