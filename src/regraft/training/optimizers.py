"""Which variables learn at which rate: one Keras optimizer for each rate, so that every kind of optimizer can do it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import keras

from regraft.core.errors import RequestError
from regraft.core.phase import Phase, Rate
from regraft.core.selectors import assign
from regraft.graph import names
from regraft.training.kinds import make
from regraft.training.schedules import schedule

P = TypeVar("P", bound=Phase)


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Variables that learn at one rate, by canonical name, and the optimizer that owns their state.

    Attributes:
        rate: the peak of the schedule.
        variables: those that learn.
        optimizer: built for exactly these variables, in this order.
    """

    rate: float
    variables: Mapping[str, keras.Variable]
    optimizer: Any

    def state(self) -> dict[str, keras.Variable]:
        """The optimizer's variables, named after the group's rate and their place."""
        return {f"{self.rate!r}/{index}": variable for index, variable in enumerate(self.optimizer.variables)}


def with_rates(spec: P, branch: keras.Model) -> P:
    """The same with a rate written out for every layer of a branch that learns, unless the spec has rates already.

    The topmost layer with a kernel learns at `rate`, each one below at `layer_decay` of the rate of the one above it.
    """
    if spec.rates:
        return spec
    assert not isinstance(spec.rate, str), "a rate that is to be found is found before"
    rates: dict[str, float] = {}
    current = spec.rate
    for path, layer in reversed(list(names.layers(branch))):
        own = own_variables(layer)
        if not any(_can_learn(layer, variable) for variable in own) or _held(layer, spec):
            continue
        rates[path] = current
        if any("kernel" in variable.name for variable in own):
            current *= spec.layer_decay
    rules = [Rate(f"{re.escape(path)}/[^/]*", rate) for path, rate in rates.items()]
    rest = any(name.rpartition("/")[0] not in rates for name in names.variables(branch))
    return replace(spec, rates=(*rules, *([Rate(".*", 0.0)] if rest else [])))


def _held(layer: keras.Layer, spec: Phase) -> bool:
    """Whether the BatchNorm policy keeps a layer as it is."""
    return spec.batch_norm == "frozen" and isinstance(layer, keras.layers.BatchNormalization)


def set_trainable(model: keras.Model, spec: Phase) -> dict[str, float]:
    """Mark in place what learns in this phase, and return the rate of each variable that does.

    The rates alone decide, whatever was trainable before. A variable without a positive rate is frozen; so is, unless
    the plan says `adapt`, everything of a BatchNorm layer, statistics included.

    Raises:
        SelectorError: a variable is matched by no rule, or a rule is the first match of none.
    """
    rates = assign([(rule.pattern, rule.rate) for rule in spec.rates], names.variables(model))
    owners = {id(variable): layer for _, layer in names.layers(model) for variable in own_variables(layer)}
    learning: dict[str, float] = {}
    for name, variable in names.variables(model).items():
        layer = owners[id(variable)]
        held = spec.batch_norm == "frozen" and isinstance(layer, keras.layers.BatchNormalization)
        if rates[name] > 0 and _can_learn(layer, variable) and not held:
            learning[name] = rates[name]
    model.trainable = True
    for name, variable in names.variables(model).items():
        variable.trainable = name in learning
    moved = {id(owners[id(variable)]) for name, variable in names.variables(model).items() if name in learning}
    for _, layer in names.layers(model):
        if own_variables(layer) and id(layer) not in moved:
            layer.trainable = False
    return learning


def own_variables(layer: keras.Layer) -> list[Any]:
    """The variables of a layer that belong to none of the layers that it holds."""
    held = {id(variable) for path, child in names.layers(layer) if path for variable in child.variables}
    return [variable for variable in layer.variables if id(variable) not in held]


def _can_learn(layer: Any, variable: keras.Variable) -> bool:
    """Whether a gradient may ever move the variable, as its layer has it: not statistics, not the state of a seed."""
    return any(variable is member for member in layer._trainable_variables)


def groups(model: keras.Model, spec: Phase, steps: int) -> list[Group]:
    """An optimizer for each rate, over the variables that learn at it.

    Raises:
        RequestError: Keras has no optimizer of that name, or nothing would learn.
        SelectorError: a variable is matched by no rule, or a rule is the first match of none.
    """
    rates = set_trainable(model, spec)
    if not rates:
        raise RequestError(
            "expected a positive rate for some variable, found none: nothing would learn; "
            "give the plan's fine_tune.rates one, such as 'head/.*' with 0.001"
        )
    variables = names.variables(model)
    made: list[Group] = []
    for rate in sorted(set(rates.values()), reverse=True):
        chosen = {name: variables[name] for name in variables if rates.get(name) == rate}
        optimizer = make(spec, schedule(spec, rate, steps))
        if spec.weight_decay:
            optimizer.exclude_from_weight_decay(var_list=[item for item in chosen.values() if len(item.shape) < 2])
        optimizer.build(list(chosen.values()))
        made.append(Group(rate, chosen, optimizer))
    return made
