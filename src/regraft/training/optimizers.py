"""The optimizers of a phase: one Keras optimizer for each rate and age, so that every kind of optimizer can do it."""

import contextlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from regraft.core.errors import RequestError
from regraft.core.optimizer_state import OptimizerState
from regraft.core.phase import Phase
from regraft.surgery.replicas import sum_over_replicas_only
from regraft.training import slots
from regraft.training.kinds import make
from regraft.training.schedules import PhaseSchedule, schedule

Tensors = Sequence[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Variables that learn at one rate and have had the same number of steps, and the optimizer that owns their state.

    Attributes:
        rate: the peak of the schedule.
        variables: those that learn, by canonical name.
        optimizer: built for exactly these variables, in this order.
        going: how its rate goes.
    """

    rate: float
    variables: Mapping[str, keras.Variable]
    optimizer: Any
    going: PhaseSchedule

    @property
    def rate_now(self) -> float:
        """The rate that the next step is taken at."""
        return self.going.at(slots.calls(self.optimizer))

    def averages(self) -> dict[str, keras.Variable]:
        """The moving averages of the weights, by name; empty where none are kept."""
        kept = getattr(self.optimizer, "_model_variables_moving_average", None) or []
        return dict(zip(self.variables, kept, strict=False))


@dataclass(frozen=True, slots=True, eq=False)
class Updates:
    """All that turns gradients into steps: what learns, at which rates, with which state.

    Attributes:
        groups: a Keras optimizer each, in the order of their rates, the highest first.
        clip_norm: see `Phase`.
        clip_value: see `Phase`.
        pull: see `Phase.l2_sp`.
        anchors: the values that variables are pulled towards, by name; others are not.
    """

    groups: tuple[Group, ...]
    clip_norm: float | None = None
    clip_value: float | None = None
    pull: float = 0.0
    anchors: Mapping[str, Any] | None = None

    @property
    def named(self) -> dict[str, keras.Variable]:
        """The variables that learn, by canonical name, in the order in which gradients are given."""
        return {name: variable for group in self.groups for name, variable in group.variables.items()}

    @property
    def variables(self) -> list[keras.Variable]:
        """The variables that learn, in the order in which gradients are given."""
        return list(self.named.values())

    @property
    def state_variables(self) -> dict[str, keras.Variable]:
        """All that the optimizers keep, by the group's and the variable's place."""
        return {
            f"{place}/{index}": variable
            for place, group in enumerate(self.groups)
            for index, variable in enumerate(group.optimizer.variables)
        }

    def apply(self, gradients: Tensors) -> None:
        """Take one step, in place.

        Args:
            gradients: of the loss, one for each of `variables`, in their order.
        """
        shaped = iter(self.shaped(gradients, [variable.value for variable in self.variables]))
        for group in self.groups:
            chosen = list(group.variables.values())
            group.optimizer.apply([next(shaped) for _ in chosen], chosen)

    @contextlib.contextmanager
    def scaled(self, factor: Any) -> Generator[None]:
        """While the block runs, all rates are multiplied by a number, which may be an argument of a compiled step."""
        before = [group.going.factor for group in self.groups]
        for group in self.groups:
            group.going.factor = factor
        try:
            yield
        finally:
            for group, own in zip(self.groups, before, strict=True):
                group.going.factor = own

    def stateless_apply(
        self, states: Sequence[Tensors], gradients: Tensors, values: Tensors
    ) -> tuple[list[Any], list[Tensors]]:
        """The same without changing anything, for JAX.

        Args:
            states: values of each optimizer's variables.
            gradients: as for `apply`.
            values: of `variables`.

        Returns:
            (values, states) after the step.
        """
        shaped, before = iter(self.shaped(gradients, values)), iter(values)
        after: list[Any] = []
        kept: list[Tensors] = []
        for group, state in zip(self.groups, states, strict=True):
            count = len(group.variables)
            moved, new = group.optimizer.stateless_apply(
                list(state), [next(shaped) for _ in range(count)], [next(before) for _ in range(count)]
            )
            after += moved
            kept.append(new)
        return after, kept

    def shaped(self, gradients: Tensors, values: Tensors) -> list[Any]:
        """Gradients with the pull towards the anchors in them, and cut down to what is allowed."""
        ops: Any = keras.ops
        made = list(gradients)
        if self.pull and self.anchors:
            for index, (name, value) in enumerate(zip(self.named, values, strict=True)):
                if name in self.anchors:
                    made[index] = made[index] + self.pull * (value - ops.cast(self.anchors[name], value.dtype))
        if self.clip_value is not None:
            made = [ops.clip(gradient, -self.clip_value, self.clip_value) for gradient in made]
        if self.clip_norm is not None:
            norm = ops.sqrt(sum(ops.sum(ops.square(ops.cast(gradient, "float32"))) for gradient in made))
            scale = self.clip_norm / ops.maximum(norm, self.clip_norm)
            made = [gradient * ops.cast(scale, gradient.dtype) for gradient in made]
        return made

    def state(self, origin: str = "") -> OptimizerState:
        """What the optimizers have learnt, by variable."""
        kept = [slots.read(group.optimizer, group.variables).variables for group in self.groups]
        return OptimizerState({name: item for part in kept for name, item in part.items()}, origin)

    def averages(self) -> dict[str, keras.Variable]:
        """The moving averages of the weights, by name; empty where none are kept."""
        return {name: average for group in self.groups for name, average in group.averages().items()}


def updates(
    phase: Phase,
    rates: Mapping[str, float],
    variables: Mapping[str, keras.Variable],
    steps: int,
    *,
    state: OptimizerState | None = None,
    anchors: Mapping[str, Any] | None = None,
    done: int = 0,
) -> Updates:
    """The optimizers that a phase begins with.

    Args:
        phase: the kind of optimizer, its schedule and options.
        rates: the peak of each variable that learns.
        variables: by the same names.
        steps: of the whole phase.
        state: what the optimizers begin with; variables without any begin anew.
        anchors: see `Updates`.
        done: steps of the phase that are behind the optimizers which `state` is of.

    Raises:
        RequestError: Keras has no such optimizer or option, or nothing would learn.
    """
    if not rates:
        raise RequestError(
            "expected a positive rate for some variable, found none: nothing would learn; "
            "give the plan's fine_tune.rates one, such as 'head/.*' with 0.001"
        )
    kept = state.variables if state else {}
    alike: dict[tuple[Any, ...], dict[str, keras.Variable]] = {}
    for name, rate in rates.items():
        own = kept.get(name)
        age = (own.steps, tuple(sorted(own.scalars.items())), True) if own else (0, (), False)
        alike.setdefault((-rate, *age), {})[name] = variables[name]
    made = [
        _group(phase, -key[0], chosen, schedule(phase, -key[0], steps, start=key[1] - done), state)
        for key, chosen in sorted(alike.items(), key=_key)
    ]
    return Updates(tuple(made), phase.clip_norm, phase.clip_value, phase.l2_sp, anchors)


def _key(item: tuple[tuple[Any, ...], Any]) -> tuple[Any, ...]:
    return item[0]


def _group(
    phase: Phase,
    rate: float,
    chosen: dict[str, keras.Variable],
    going: PhaseSchedule,
    state: OptimizerState | None,
) -> Group:
    optimizer = make(phase, going)
    if phase.moving_average:
        optimizer.use_ema, optimizer.ema_momentum = True, phase.moving_average
    if phase.weight_decay:
        optimizer.exclude_from_weight_decay(var_list=[item for item in chosen.values() if len(item.shape) < 2])
    optimizer.build(list(chosen.values()))
    sum_over_replicas_only(optimizer)
    own = {name: state.variables[name] for name in chosen if name in state.variables} if state else {}
    if own:
        slots.assign(optimizer, chosen, OptimizerState(own))
    group = Group(rate, chosen, optimizer, going)
    # Keras begins an average at nothing, which an optimizer that has taken steps before would never forget.
    for name, average in group.averages().items():
        average.assign(chosen[name])
    return group
