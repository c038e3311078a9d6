"""The state that a phase's optimizer begins with, variable by variable, and what was done to each, in words."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from regraft.core.errors import RequestError
from regraft.core.optimizer_state import Carried, OptimizerState, VariableState
from regraft.core.phase import Carry, Phase
from regraft.training import slots
from regraft.training.carrying import calibrating, comparing, moments, translating
from regraft.training.carrying.calibrating import Measured
from regraft.training.carrying.moments import Average, Moments

Array = np.ndarray[Any, Any]
Samples = Callable[[int], Iterator[Mapping[str, Array]]]

# These begin at a small part of their peak, whatever the warm-up.
_RISING = ("one-cycle", "slanted-triangular")


def plan(
    kept: OptimizerState | None, learning: Mapping[str, float], phase: Phase, samples: Samples
) -> tuple[OptimizerState, tuple[Carried, ...]]:
    """Decide and compute the state that the optimizer of a phase begins with.

    Args:
        kept: what is known of variables, by canonical name; those that do not learn now are left out of the result.
        learning: the variables that learn in the phase -> the peak of their rate.
        phase: its optimizer and options, `state`, `state_rules` and `calibration`.
        samples: the gradients, float32 by name and clipped as in a step, of that many batches at today's weights;
            nothing moves. Called once, and only if some variable needs it.

    Returns:
        The state, to be given to `slots.assign`, and a row for each variable, in the order of `learning`. A state
        without slots is that of a new optimizer.

    Raises:
        RequestError: `keep` is asked for and the optimizer is another one, or a rule matches no variable that learns.
        WorkError: a gradient is not a number.
    """
    policies: dict[str, Carry] = {name: _policy(phase, name) for name in learning}
    # A first phase that begins with a rising rate does what the passes would do, and learns meanwhile.
    first = {name for name, policy in policies.items() if policy == "auto" and kept is None and phase.warmup}
    _check_rules(phase, learning)
    found = {name: kept.variables[name] for name in learning if kept and name in kept.variables}
    found = {name: state for name, state in found.items() if state.steps > 0 and state.slots}
    empty = _empty(phase, learning)
    shapes = {name: _shape(state) for name, state in found.items() if policies[name] == "translate"}
    templates = calibrating.fresh(phase, learning, shapes)
    asked = [
        name for name in learning if name not in first and _asks(policies[name], found.get(name), templates.get(name))
    ]
    measured = calibrating.measure(phase, learning, samples(phase.calibration), asked) if asked else {}
    templates |= {name: item.state for name, item in measured.items()}
    states: dict[str, VariableState] = {}
    rows: list[Carried] = []
    for name in learning:
        case = _Case(name, phase, learning[name], found.get(name), empty[name], templates, measured.get(name))
        state, row = _reset(case, "a first phase, whose rate rises") if name in first else _DO[policies[name]](case)
        states[name] = state if row.done == "keep" else _without_weights(state)
        rows.append(row)
    return OptimizerState(states, f"phase '{phase.name}'", kept.notes if kept else ()), tuple(rows)


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """One variable where a phase begins."""

    name: str
    phase: Phase
    rate: float
    kept: VariableState | None
    empty: VariableState
    templates: Mapping[str, VariableState]
    measured: Measured | None

    @property
    def template(self) -> VariableState:
        return self.templates[self.name]

    @property
    def begins(self) -> float:
        """The rate of the first step, which a buffer of updates holds."""
        return 0.0 if self.phase.warmup or self.phase.schedule in _RISING else self.rate

    def row(self, done: Carry, state: VariableState, why: str, ratio: float | None = None) -> Carried:
        kind = self.kept.kind if self.kept else ""
        return Carried(self.name, done, kind, state.kind, state.steps, ratio, why)


Done = tuple[VariableState, Carried]


def _reset(case: _Case, why: str = "as asked") -> Done:
    return case.empty, case.row("reset", case.empty, f"{why}: empty, steps counted from zero")


def _keep(case: _Case) -> Done:
    if case.kept is None:
        return _reset(case, "nothing was kept of it")
    if not comparing.same_kind(case.kept.kind, case.empty.kind):
        raise RequestError(
            f"expected the phase '{case.phase.name}' to go on with {case.kept.kind} where its state is kept, found "
            f"{case.empty.kind} for '{case.name}'; say state 'translate' or 'auto'"
        )
    return _as_it_is(case, "as asked")


def _as_it_is(case: _Case, why: str, ratio: float | None = None) -> Done:
    assert case.kept is not None
    state = replace(case.kept, kind=case.empty.kind, settings=case.empty.settings)
    return state, case.row("keep", state, why, ratio)


def _calibrate(case: _Case, why: str = "as asked", ratio: float | None = None) -> Done:
    assert case.measured is not None, "was to be measured"
    raw = case.measured.state
    # What is not corrected for its beginning by the optimizer is corrected here, or its first steps would be too small.
    wanted = translating.needs(raw)
    found = calibrating.moving(moments.of(raw), case.measured.second.value)
    state = raw if wanted is None else translating.into(raw, found, case.begins, settled=True)
    return state, case.row("calibrate", state, f"{why}: measured in {raw.steps} passes without a step", ratio)


def _translate(case: _Case, why: str = "as asked", ratio: float | None = None) -> Done:
    if case.kept is None:
        return _reset(case, "nothing was kept of it")
    has = moments.of(case.kept)
    wanted = translating.needs(case.template)
    if wanted is None or (has.first is None and has.second is None):
        pair = f"no relation is known between {case.kept.kind} and {case.empty.kind}"
        return _calibrate(case, pair, ratio) if case.measured else _reset(case, pair)
    missing = _missing(has, wanted)
    state = translating.into(case.template, _completed(has, case.measured), case.begins)
    words = [why, _said(case, missing)]
    if case.begins == 0 and slots.RATED.get(state.kind) in state.slots:
        words.append("the buffer holds the rate, which begins at zero")
    return state, case.row("translate", state, "; ".join(words), ratio)


def _auto(case: _Case) -> Done:
    if case.kept is None:
        return _calibrate(case, "new to the optimizer")
    assert case.measured is not None, "was to be measured"
    has = moments.of(case.kept)
    shape, then = case.measured.second.value.shape, _shape(case.kept)
    if then != shape:
        return _calibrate(case, f"of shape {shape} now, {then} before")
    if has.first is None and has.second is None:
        return _calibrate(case, f"{case.kept.kind} kept nothing that gradients can be compared with")
    ratio = comparing.ratio(has, case.measured)
    if ratio is None or not comparing.within(ratio):
        return _calibrate(case, _scale(ratio), ratio)
    if has.second is None and "second" in (translating.needs(case.template) or ()):
        return _calibrate(case, f"{case.kept.kind} kept no mean of squares", ratio)
    if comparing.same_settings(case.kept, case.template) and _same_rate(case):
        return _as_it_is(case, _scale(ratio), ratio)
    return _translate(case, _scale(ratio), ratio)


_DO: dict[Carry, Callable[[_Case], Done]] = {
    "auto": _auto,
    "calibrate": _calibrate,
    "keep": _keep,
    "reset": _reset,
    "translate": _translate,
}


def _policy(phase: Phase, name: str) -> Carry:
    for rule in phase.state_rules:
        if re.fullmatch(rule.pattern, name):
            return rule.policy
    return phase.state


def _check_rules(phase: Phase, learning: Mapping[str, float]) -> None:
    for rule in phase.state_rules:
        if not any(re.fullmatch(rule.pattern, name) for name in learning):
            raise RequestError(
                f"expected the plan's state rule '{rule.pattern}' to match a variable that learns in phase "
                f"'{phase.name}', found none; they are {', '.join(list(learning)[:5])}"
            )


def _empty(phase: Phase, learning: Mapping[str, float]) -> dict[str, VariableState]:
    """For each variable the state of a new optimizer, without slots: only the variable itself knows its shape."""
    found: dict[float, VariableState] = {}
    for rate in dict.fromkeys(learning.values()):
        (state,) = calibrating.fresh(phase, {"": rate}, {"": (1,)}).values()
        found[rate] = replace(state, slots={})
    return {name: found[rate] for name, rate in learning.items()}


def _asks(policy: Carry, kept: VariableState | None, template: VariableState | None) -> bool:
    """Whether a variable needs gradients of now."""
    if policy in ("auto", "calibrate"):
        return True
    if policy != "translate" or kept is None or template is None:
        return False
    wanted = translating.needs(template)
    return wanted is None or bool(_missing(moments.of(kept), wanted))


def _missing(has: Moments, wanted: frozenset[str]) -> frozenset[str]:
    there = {name for name, mean in (("first", has.first), ("second", has.second)) if mean is not None}
    return wanted - there


def _completed(has: Moments, measured: Measured | None) -> Moments:
    """What was kept, and the rest from the passes."""
    if measured is None:
        return has
    now = moments.of(measured.state)
    if has.first is None and has.second is not None:
        pooled = _pooled(has.second, measured.second)
        return calibrating.moving(Moments(now.first or measured.first, pooled), pooled.value)
    second = now.second or measured.second
    if has.second is None and has.first is not None:
        # A mean of squares is never below the square of the mean; these two are of different steps.
        second = replace(second, value=np.maximum(second.value, has.first.value**2))
    return Moments(has.first or now.first or measured.first, has.second or second)


def _pooled(kept: Average, measured: Average) -> Average:
    """Both mean squares, each weighing what it is worth.

    Beside a mean gradient that was measured, the passes' squares have to be in: a single element that had no gradient
    lately, and has one now, would otherwise be divided by next to nothing.
    """
    worth = kept.worth + measured.worth
    value = (kept.worth * kept.value + measured.worth * measured.value) / worth
    return (
        Average(value, kept.decay, kept.steps) if kept.worth > 2 * measured.worth else Average(value, 1.0, round(worth))
    )


def _shape(state: VariableState) -> tuple[int, ...]:
    return next(iter(state.slots.values())).shape


def _same_rate(case: _Case) -> bool:
    assert case.kept is not None
    rated = slots.RATED.get(case.kept.kind) in case.kept.slots
    return not rated or math.isclose(moments.held_rate(case.kept), case.begins, rel_tol=1e-6)


def _without_weights(state: VariableState) -> VariableState:
    """Without slots that are made of the weight, where they were measured on a stand-in for it."""
    kept = {slot: value for slot, value in state.slots.items() if not slots.is_of_weight(state.kind, slot)}
    return replace(state, slots=kept)


_MEANS = {
    "first": "the mean gradient",
    "second": "the mean squared gradient",
    "own": "the size of its own steps",
}


def _said(case: _Case, missing: frozenset[str]) -> str:
    assert case.kept is not None
    wanted = translating.needs(case.template) or frozenset()
    taken = [words for name, words in _MEANS.items() if name in wanted - missing]
    passed = [words for name, words in _MEANS.items() if name in missing]
    parts = [f"{' and '.join(taken)} from {case.kept.kind}"] if taken else []
    if passed and case.measured:
        parts.append(f"{' and '.join(passed)} measured in {case.measured.second.steps} passes")
    return ", ".join(parts) or f"{case.empty.kind} keeps nothing"


def _scale(ratio: float | None) -> str:
    if ratio is None:
        return "the kept state has seen no gradient"
    low, high = (math.sqrt(end) for end in comparing.BAND)
    held = "within" if comparing.within(ratio) else "outside"
    return f"gradients are {math.sqrt(ratio):.2g} times as large as the state has seen, {held} {low:.2g} to {high:.2g}"
