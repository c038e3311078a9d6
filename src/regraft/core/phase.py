"""One phase of training: what learns at which rate, by which optimizer, for how long, and what is kept of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, Self, get_args

from regraft.core.errors import RequestError

Schedule = Literal[
    "constant", "cosine", "cosine-restarts", "exponential", "linear", "one-cycle", "slanted-triangular", "step"
]
SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)
# What becomes of an optimizer's state where a phase begins.
Carry = Literal["auto", "calibrate", "keep", "reset", "translate"]
BatchNorm = Literal["frozen", "affine", "adapt", "recalibrate"]
# Decay of the moving average of the weights that the phases of a plan keep unless it says otherwise.
AVERAGED = 0.9
Precision = Literal["auto", "float32", "mixed_bfloat16"]


@dataclass(frozen=True, slots=True)
class Rate:
    """A learning rate for the variables whose canonical names the pattern matches; rate 0 means frozen.

    Attributes:
        pattern: a regular expression that must match the whole name.
        rate: the peak of the schedule.
    """

    pattern: str
    rate: float


@dataclass(frozen=True, slots=True)
class StateRule:
    """What becomes of the optimizer's state of the variables whose canonical names the pattern matches.

    Attributes:
        pattern: a regular expression that must match the whole name.
        policy: see `Phase.state`.
    """

    pattern: str
    policy: Carry


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What is trained for a while in one way.

    Attributes:
        name: for the history; no two phases of a plan share one.
        rate: the peak of the head's learning rate; `find`: by a learning-rate range test.
        layer_decay: each reused layer learns at this part of the rate of the layer above it.
        rates: which variables learn at which rate, first match wins, over the canonical names of the branch; empty:
            made from `rate` and `layer_decay`, and written out in the resolved plan.
        optimizer: a Keras optimizer's name.
        options: what else it is made with, by Keras' own argument names, such as `nesterov` or `beta_2`.
        schedule: how the rate goes after the warm-up.
        warmup: the part of all steps during which the rate rises from zero.
        floor: the part of the peak that a falling schedule ends at; None: the schedule's own.
        drops: `step`: after which parts of the phase the rate drops, tenfold each time.
        cycles: `cosine-restarts`: how many there are.
        epochs: passes over the training examples, one view of each per pass; None: chosen from how many there are.
        steps: end after so many steps of the optimizer, if that is before the last epoch's end.
        batch_size: examples per step.
        accumulate: batches whose gradients are averaged for one step of the optimizer.
        clip_norm: gradients of all variables together are scaled down to this Euclidean norm; None: never.
        clip_value: elements of gradients are cut off at this size; None: never.
        weight_decay: decoupled decay of kernels.
        l2_sp: pull of the reused layers towards the source's weights: this times half the squared distance is added to
            the loss (Li et al. 2018, L2-SP).
        dropout: part of the head's input that is dropped while training.
        label_smoothing: as in Keras.
        batch_norm: what BatchNorm layers do while their neighbours learn. `frozen`: nothing moves; `affine`: scale and
            offset learn, statistics stay; `adapt`: they learn and follow the data like any layer; `recalibrate`:
            statistics are measured anew on the training examples before the first step and then stay, and scale and
            offset stay as they are.
        feature_brightness: activations are multiplied by a random factor for each example and epoch while training,
            from 1 - this to 1 + this.
        feature_noise: normal noise is added to activations, drawn anew in each epoch of training; its standard
            deviation is this part of the channel's own over the training examples.
        precision: what a step is computed in; `auto`: in bfloat16 where the device gains by it, else in float32.
        patience: end after so many epochs in which `monitor` did not improve; None: never early.
        monitor: the validation figure that tells.
        keep: the weights that the phase ends with: `best` by validation, or the `last`.
        moving_average: decay of an exponential moving average of the weights, which is then what is judged and kept;
            0: the weights themselves.
        state: what becomes of the optimizer's state of before, where a variable has any. `keep`: taken over;
            `translate`: brought into the terms of another optimizer; `calibrate`: measured anew in passes without a
            step; `reset`: empty, its steps counted from zero; `auto`: by comparing gradients with it.
        state_rules: the same for single variables, first match wins; `state` for all others.
        calibration: batches that `calibrate` and `auto` look at.
    """

    # Where a plan has it, for messages.
    WHERE: ClassVar[str] = "fine_tune"

    name: str = "fine-tune"
    rate: float | Literal["find"] = 3e-4
    layer_decay: float = 0.85
    rates: tuple[Rate, ...] = ()
    optimizer: str = "adam"
    options: Mapping[str, float | bool] = field(default_factory=dict[str, float | bool])
    schedule: Schedule = "cosine"
    warmup: float = 0.1
    floor: float | None = None
    drops: tuple[float, ...] = (0.5, 0.75)
    cycles: int = 3
    epochs: int | None = None
    steps: int | None = None
    batch_size: int = 32
    accumulate: int = 1
    clip_norm: float | None = None
    clip_value: float | None = None
    weight_decay: float = 0.0
    l2_sp: float = 0.0
    dropout: float = 0.0
    label_smoothing: float = 0.0
    batch_norm: BatchNorm = "frozen"
    feature_brightness: float = 0.0
    feature_noise: float = 0.0
    precision: Precision = "auto"
    patience: int | None = None
    monitor: Literal["loss", "accuracy"] = "loss"
    keep: Literal["best", "last"] = "best"
    moving_average: float = 0.0
    state: Carry = "auto"
    state_rules: tuple[StateRule, ...] = ()
    calibration: int = 20

    def __post_init__(self) -> None:
        """Refuse figures that no phase can have.

        Raises:
            RequestError: one of them, named, with what is allowed.
        """
        for name, allowed, holds in _BOUNDS:
            value = getattr(self, name)
            if value is not None and not isinstance(value, str) and not holds(value):
                raise RequestError(f"expected the plan's {self.WHERE}.{name} {allowed}, found {value}")
        if list(self.drops) != sorted(set(self.drops)) or not all(0 < part < 1 for part in self.drops):
            raise RequestError(
                f"expected the plan's {self.WHERE}.drops rising from above 0 to below 1, found {self.drops}"
            )

    @classmethod
    def of(cls, phase: "Phase", **changes: Any) -> Self:
        """A phase with all that another one says of phases, but for what is changed."""
        return cls(**{item.name: getattr(phase, item.name) for item in fields(Phase)} | changes)


def latest_good(accuracies: Sequence[float], n: int) -> int:
    """The latest epoch within one standard error of the best accuracy, and not below the start.

    On few examples the very best epoch is one of luck; a later one has seen the rate fall further.

    Args:
        accuracies: after each epoch; the first is of the state before training.
        n: how many examples they are of.
    """
    best, top = 0, 0.0
    for epoch, value in enumerate(accuracies):
        top = max(top, value)
        if value >= max(top - (top * (1 - top) / n) ** 0.5, accuracies[0]):
            best = epoch
    return best


def _positive(value: float) -> bool:
    return 0 < value < math.inf


def _at_least_zero(value: float) -> bool:
    return 0 <= value < math.inf


def _part(value: float) -> bool:
    return 0 <= value < 1


def _count(value: float) -> bool:
    return value >= 1


_BOUNDS = (
    ("rate", "above 0, or 'find'", _positive),
    ("layer_decay", "above 0", _positive),
    ("warmup", "from 0 (none) to below 1", _part),
    ("floor", "from 0 to below 1", _part),
    ("cycles", "as 1 or more", _count),
    ("epochs", "as 1 or more", _count),
    ("steps", "as 1 or more", _count),
    ("batch_size", "as 1 or more", _count),
    ("accumulate", "as 1 or more", _count),
    ("clip_norm", "above 0", _positive),
    ("clip_value", "above 0", _positive),
    ("weight_decay", "as 0 (off) or above", _at_least_zero),
    ("l2_sp", "as 0 (off) or above", _at_least_zero),
    ("dropout", "from 0 (off) to below 1", _part),
    ("label_smoothing", "from 0 (off) to below 1", _part),
    ("feature_brightness", "from 0 (off) to below 1", _part),
    ("feature_noise", "as 0 (off) or above", _at_least_zero),
    ("patience", "as 1 or more", _count),
    ("moving_average", "from 0 (off) to below 1", _part),
    ("calibration", "as 1 or more", _count),
)
