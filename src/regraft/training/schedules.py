"""How a learning rate goes over the steps of a phase."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import keras
import numpy as np

from regraft.core.errors import RequestError
from regraft.core.phase import Phase, Schedule

# The part of the peak that each schedule ends at where a phase says nothing: for one-cycle that of fastai, for the
# slanted triangle that of ULMFiT (ratio 32). A drop by steps ends where its last drop leaves it.
FLOORS: Mapping[Schedule, float] = {
    "constant": 1.0,
    "cosine": 0.0,
    "cosine-restarts": 0.0,
    "exponential": 0.01,
    "linear": 0.0,
    "one-cycle": 1e-5,
    "slanted-triangular": 1 / 32,
    "step": 0.0,
}
# One-cycle begins at this part of its peak, as in fastai and in PyTorch.
_ONE_CYCLE_BEGINS = 1 / 25
# Rates for people are worked out for so many steps at once: each alone is a dozen operations.
_READ = 1024


def schedule(phase: Phase, peak: float, steps: int, *, start: int = 0) -> "PhaseSchedule":
    """The schedule of one rate in a phase.

    The first step of a linear warm-up has rate 0: no weight moves by it, and an optimizer that measures gradients has
    then measured one before the first that does. One-cycle and the slanted triangle rise by curves of their own, from
    above 0; their peak is after the phase's `warmup`. The momentum of an optimizer stays what it is in one-cycle too.

    Args:
        phase: its `schedule`, `warmup`, `floor`, `drops` and `cycles`.
        peak: the rate after the warm-up.
        steps: of the whole phase.
        start: the steps that the optimizer has counted when the phase begins.

    Raises:
        RequestError: the phase asks for what its schedule cannot do in so many steps.
    """
    # One step at least is left for the peak.
    rising = min(round(phase.warmup * steps), max(steps - 1, 0))
    kind = phase.schedule
    floor = FLOORS[kind] if phase.floor is None else phase.floor
    _check(phase, max(steps - rising, 1), floor, rising / max(steps, 1))
    drops = tuple(round(part * steps) for part in phase.drops) if kind == "step" else ()
    cycles = phase.cycles if kind == "cosine-restarts" else 1
    return PhaseSchedule(kind, peak, steps, rising, floor, drops, cycles, start)


def _check(phase: Phase, falling: int, floor: float, risen: float) -> None:
    kind = phase.schedule
    if kind == "constant" and phase.floor is not None:
        raise RequestError(
            f"expected no fine_tune.floor beside the schedule 'constant', which does not fall, found {floor}; "
            "leave it out, or take 'linear' or 'cosine'"
        )
    if kind == "exponential" and floor <= 0:
        raise RequestError("expected fine_tune.floor above 0 for the schedule 'exponential', which never gets there")
    if kind == "step" and phase.drops and phase.drops[0] < risen:
        raise RequestError(
            f"expected the first of fine_tune.drops after the warm-up, which takes {risen:.3g} of the phase, "
            f"found {phase.drops[0]:g}"
        )
    if kind == "cosine-restarts" and phase.cycles > falling:
        raise RequestError(
            f"expected fine_tune.cycles up to the {falling} steps of the phase after its warm-up, found {phase.cycles}"
        )


@keras.saving.register_keras_serializable("regraft")
class PhaseSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A rate over the steps of a phase, in float32 operations of the backend, so that it is part of a compiled step."""

    def __init__(
        self,
        kind: Schedule,
        peak: float,
        steps: int,
        rising: int,
        floor: float,
        drops: Sequence[int] = (),
        cycles: int = 1,
        start: int = 0,
        factor: float = 1.0,
    ) -> None:
        """Keep what `schedule` worked out.

        Args:
            kind: one of `core.phase.SCHEDULES`.
            peak: the rate after the rise.
            steps: of the whole phase.
            rising: how many of them the rise takes.
            floor: the part of the peak that it ends at.
            drops: the steps at which it falls to a tenth.
            cycles: how often it falls from the peak.
            start: the step that is the phase's first.
            factor: multiplies all; see `Updates.scaled`.
        """
        super().__init__()
        self.kind: Schedule = kind
        self.peak, self.factor, self.floor = peak, factor, floor
        self.steps, self.rising, self.start = steps, rising, start
        self.drops, self.cycles = tuple(drops), cycles
        self._known: tuple[int, np.ndarray[Any, Any]] = (0, np.zeros(0, np.float32))

    def __call__(self, step: Any) -> Any:
        """The rate of a step of the optimizer: a float32 scalar; after the phase's last step, what it ended at."""
        ops: Any = keras.ops
        # Whole numbers until here: float32 counts to 16,777,216 only.
        at = ops.cast(ops.subtract(ops.convert_to_tensor(step), self.start), "float32")
        at = ops.minimum(ops.maximum(at, 0.0), float(self.steps))
        share = _FALL[self.kind](self, at - float(self.rising), float(max(self.steps - self.rising, 1)))
        if self.rising:
            share = ops.where(at < float(self.rising), _RISE.get(self.kind, _line)(self, at / self.rising), share)
        return self.peak * self.factor * share

    def at(self, step: int) -> float:
        """The rate of a step of the optimizer, for people."""
        begins, rates = self._known
        if not 0 <= step - begins < len(rates):
            begins = step
            rates = np.asarray(keras.ops.convert_to_numpy(self(np.arange(step, step + _READ))))
            self._known = begins, rates
        return float(rates[step - begins])

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, so that an optimizer that has this schedule can be saved."""
        names = ("kind", "peak", "steps", "rising", "floor", "drops", "cycles", "start", "factor")
        return {name: getattr(self, name) for name in names}


def _line(made: PhaseSchedule, part: Any) -> Any:
    return part


def _wave(part: Any, high: float, low: float) -> Any:
    """Half a cosine from high (part 0) to low (part 1)."""
    ops: Any = keras.ops
    return (high - low) * (0.5 * (1.0 + ops.cos(math.pi * part))) + low


def _constant(made: PhaseSchedule, at: Any, length: float) -> Any:
    ops: Any = keras.ops
    return ops.ones_like(at)


def _cosine(made: PhaseSchedule, at: Any, length: float) -> Any:
    return _wave(at / length, 1.0, made.floor)


def _restarts(made: PhaseSchedule, at: Any, length: float) -> Any:
    """Every cycle begins at a whole step, which so has exactly the peak."""
    ops: Any = keras.ops
    borders = [round(index * length / made.cycles) for index in range(made.cycles + 1)]
    begun, lasting = ops.zeros_like(at), ops.ones_like(at)
    for border, following in pairwise(borders):
        begun = ops.where(at >= float(border), ops.full_like(at, float(border)), begun)
        lasting = ops.where(at >= float(border), ops.full_like(at, float(following - border)), lasting)
    return _wave((at - begun) / lasting, 1.0, made.floor)


def _exponential(made: PhaseSchedule, at: Any, length: float) -> Any:
    ops: Any = keras.ops
    return ops.power(ops.full_like(at, made.floor), at / length)


def _linear(made: PhaseSchedule, at: Any, length: float) -> Any:
    return 1.0 - (1.0 - made.floor) * (at / length)


def _step(made: PhaseSchedule, at: Any, length: float) -> Any:
    ops: Any = keras.ops
    share = ops.ones_like(at)
    for index, drop in enumerate(made.drops, start=1):
        share = ops.where(at >= float(drop - made.rising), ops.full_like(at, 10.0**-index), share)
    return ops.maximum(share, made.floor)


def _up_in_a_wave(made: PhaseSchedule, part: Any) -> Any:
    return _wave(part, _ONE_CYCLE_BEGINS, 1.0)


def _up_from_the_floor(made: PhaseSchedule, part: Any) -> Any:
    return made.floor + (1.0 - made.floor) * part


# The part of the peak: after the rise, from how many steps it lasts and how many there are; and in the rise, from the
# part of it that is done.
_FALL: Mapping[Schedule, Callable[[PhaseSchedule, Any, float], Any]] = {
    "constant": _constant,
    "cosine": _cosine,
    "cosine-restarts": _restarts,
    "exponential": _exponential,
    "linear": _linear,
    "one-cycle": _cosine,
    "slanted-triangular": _linear,
    "step": _step,
}
_RISE: Mapping[Schedule, Callable[[PhaseSchedule, Any], Any]] = {
    "one-cycle": _up_in_a_wave,
    "slanted-triangular": _up_from_the_floor,
}
