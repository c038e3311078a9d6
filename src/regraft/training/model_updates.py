"""The updates of a model in a loop of one's own: one call takes a step, on every backend."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras

from regraft.core.errors import ProofError, RequestError, nearest
from regraft.core.optimizer_state import Carried, OptimizerState, VariableState
from regraft.graph import names
from regraft.graph.digest import of_variable
from regraft.graph.gradients import whole, without_gradients
from regraft.training import slots
from regraft.training.carried_text import table
from regraft.training.marking import Marks
from regraft.training.optimizers import Group, Updates

# One for each variable that learns, in the order of `ModelUpdates.variables`, or by canonical name. None: no gradient.
Gradients = Sequence[Any] | Mapping[str, Any]


class Values(NamedTuple):
    """All that a step reads and changes, as values: a tuple of JAX's kind, so that it goes through `jax.jit` whole.

    Attributes:
        learning: of the variables that learn, by canonical name.
        others: of all other variables of the model, by canonical name.
        optimizers: of each optimizer's variables.
    """

    learning: dict[str, Any]
    others: dict[str, Any]
    optimizers: list[list[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class ModelUpdates:
    """What learns in a model, and what turns gradients into steps.

    Attributes:
        model: the one that was given; its flags say what learns.
        updates: the optimizers, one for each rate and age.
        carried: what became of the state of before, for each variable that learns.
        marks: what was set on the model.
    """

    model: keras.Model
    updates: Updates
    carried: tuple[Carried, ...]
    marks: Marks

    @property
    def named(self) -> dict[str, keras.Variable]:
        """The variables that learn, by canonical name, in the order in which gradients are given."""
        return self.updates.named

    @property
    def variables(self) -> list[keras.Variable]:
        """The variables that learn, in the order in which gradients are given."""
        return self.updates.variables

    @property
    def frozen(self) -> tuple[str, ...]:
        """The canonical names of the variables that keep their bytes."""
        return tuple(self.marks.frozen)

    @property
    def silenced(self) -> tuple[str, ...]:
        """The paths of the layers whose dropout or noise is off, because they are frozen below all that learns."""
        return self.marks.silenced

    @property
    def rates(self) -> dict[str, float]:
        """The rate that the next step is taken at, of each variable that learns."""
        return {name: group.rate_now for group in self.updates.groups for name in group.variables}

    @property
    def summary(self) -> str:
        """What learns, at which rate, and what became of the state of before: a few lines of text."""
        rates = {name: group.rate for group in self.updates.groups for name in group.variables}
        kinds = {type(group.optimizer).__name__ for group in self.updates.groups}
        lines = [f"{len(rates)} variables learn by {', '.join(sorted(kinds))}, {len(self.frozen)} are frozen"]
        if self.silenced:
            lines.append(f"dropout and noise are off in {len(self.silenced)} frozen layers: {_some(self.silenced)}")
        return "\n".join([*lines, table(self.carried, rates)])

    def apply(self, gradients: Gradients) -> None:
        """Take one step, in place; on TensorFlow inside or outside a `tf.function`.

        Args:
            gradients: of the loss, one for each of `variables`, in their order or by canonical name. None counts as
                zeros: what the loss does not depend on has that gradient.

        Raises:
            RequestError: there are more or fewer, a name is unknown, a shape is another, or all are None.
        """
        with without_gradients():
            self.updates.apply(listed(gradients, self.named))

    def values(self) -> Values:
        """What a step reads and changes now, for loops that are functions of values, as in JAX."""
        optimizers = [[variable.value for variable in group.optimizer.variables] for group in self.updates.groups]
        learning = {name: variable.value for name, variable in self.named.items()}
        return Values(learning, {name: item.value for name, item in self._others().items()}, optimizers)

    def call(
        self, learning: Mapping[str, Any], others: Mapping[str, Any], *inputs: Any, training: bool = True
    ) -> tuple[Any, dict[str, Any]]:
        """The model's outputs as a function of values, without changing anything.

        Args:
            learning: as in `Values`; what to take the gradient by.
            others: as in `Values`.
            inputs: what the model is called with.
            training: whether it is called for training.

        Returns:
            (outputs, others): what of the others the call changes, such as the seeds of dropout, is changed in them.
        """
        own, rest = self.named, self._others()
        pairs = [(variable, learning[name]) for name, variable in own.items()]
        pairs += [(variable, others[name]) for name, variable in rest.items()]
        model: Any = self.model
        with keras.StatelessScope(state_mapping=pairs) as scope:
            outputs = model(*inputs, training=training)
        return outputs, {name: scope.get_current_value(variable) for name, variable in rest.items()}

    def stateless_apply(self, values: Values, gradients: Gradients, others: Mapping[str, Any] | None = None) -> Values:
        """One step as a function of values, for JAX.

        Args:
            values: before the step.
            gradients: as for `apply`.
            others: what `call` made of them; None: as they were.

        Returns:
            The values after it.
        """
        before = [values.learning[name] for name in self.named]
        after, kept = self.updates.stateless_apply(values.optimizers, listed(gradients, self.named), before)
        rest = values.others if others is None else others
        return Values(dict(zip(self.named, after, strict=True)), dict(rest), [list(item) for item in kept])

    def put(self, values: Values) -> None:
        """Write values back into the variables of the model and of the optimizers."""
        for name, variable in {**self.named, **self._others()}.items():
            variable.assign(values.learning[name] if name in values.learning else values.others[name])
        for group, own in zip(self.updates.groups, values.optimizers, strict=True):
            for variable, value in zip(group.optimizer.variables, own, strict=True):
                variable.assign(value)

    def state(self) -> OptimizerState:
        """What the optimizers have learnt, by canonical name: for the next updates, of this model or another."""
        return self.updates.state(f"updates of model '{self.model.name}'")

    def restore(self, state: OptimizerState) -> None:
        """Go back, in place, to what `state` gave before; the weights are not in it.

        Args:
            state: of these updates, or of others alike.

        Raises:
            RequestError: a variable that learns has none, of another optimizer, or has taken other steps than those of
                its rate: give the state to `regraft.updates` then.
        """
        chosen = [_restorable(group, state) for group in self.updates.groups]
        for group, own in zip(self.updates.groups, chosen, strict=True):
            slots.assign(group.optimizer, group.variables, OptimizerState(own, state.origin))

    def averages(self) -> dict[str, keras.Variable]:
        """The moving averages of the weights, by canonical name; empty without `moving_average`."""
        return self.updates.averages()

    def verify(self) -> None:
        """Prove that every frozen variable has the bytes that it began with, BatchNorm statistics included.

        Raises:
            ProofError: some moved; the first is named.
        """
        now = names.variables(self.model)
        moved = [name for name, before in self.marks.frozen.items() if of_variable(now[name]) != before]
        if moved:
            raise ProofError(
                f"{len(moved)} of {len(self.marks.frozen)} frozen variables moved, first '{moved[0]}'; "
                "look for what assigns to them in the loop"
            )

    def release(self) -> None:
        """Let the model, in place, be as trainable and as random as before; what it learnt stays."""
        self.marks.undo(self.model)

    def _others(self) -> dict[str, keras.Variable]:
        own = {id(variable) for variable in self.variables}
        return {name: item for name, item in names.variables(self.model).items() if id(item) not in own}


def listed(gradients: Gradients, named: Mapping[str, keras.Variable]) -> list[Any]:
    """Gradients in the order of the variables, zeros where there is none.

    Raises:
        RequestError: see `ModelUpdates.apply`.
    """
    given = _by_name(gradients, named) if isinstance(gradients, Mapping) else list(gradients)
    if len(given) != len(named):
        raise RequestError(
            f"expected {len(named)} gradients, one for each of `.variables`, found {len(given)}; "
            "take them by `.variables`, not by `model.trainable_variables`, whose order is another"
        )
    if all(gradient is None for gradient in given):
        raise RequestError(
            f"expected a gradient for some of {len(named)} variables, found None for all; compute the loss by the "
            "model that the updates are of, inside the tape"
        )
    return [_checked(name, whole(gradient), named[name]) for name, gradient in zip(named, given, strict=True)]


def _by_name(gradients: Mapping[str, Any], named: Mapping[str, keras.Variable]) -> list[Any]:
    for name in gradients:
        if name not in named:
            raise RequestError(
                f"expected gradients of variables that learn, found one of '{name}'{nearest(name, named)}"
            )
    missing = [name for name in named if name not in gradients]
    if missing:
        raise RequestError(
            f"expected a gradient of every variable that learns, found none of '{missing[0]}'; give None or zeros "
            "where the loss does not depend on it"
        )
    return [gradients[name] for name in named]


def _checked(name: str, gradient: Any, variable: Any) -> Any:
    if gradient is None:
        return keras.ops.zeros(variable.shape, variable.dtype)
    shape = tuple(gradient.shape)
    if shape != tuple(variable.shape):
        raise RequestError(
            f"expected a gradient of shape {tuple(variable.shape)} for '{name}', found {shape}; "
            "give them in the order of `.variables`, or by name"
        )
    return gradient


def _restorable(group: Group, state: OptimizerState) -> dict[str, VariableState]:
    kind = type(group.optimizer).__name__.lower()
    own: dict[str, VariableState] = {}
    for name in group.variables:
        found = state.variables.get(name)
        if found is None:
            raise RequestError(f"expected the state of '{name}', found none{nearest(name, state.variables)}")
        if found.kind != kind:
            raise RequestError(
                f"expected the state of {kind} for '{name}', found that of {found.kind}; give it to regraft.updates, "
                "which translates it"
            )
        own[name] = found
    ages = {item.steps for item in own.values()}
    if len(ages) > 1:
        raise RequestError(
            f"expected one count of steps for the variables of rate {group.rate:g}, found "
            f"{', '.join(map(str, sorted(ages)))}; give the state to regraft.updates"
        )
    return own


def _some(found: Iterable[str], most: int = 3) -> str:
    every = list(found)
    return ", ".join(every[:most]) + (", ..." if len(every) > most else "")
