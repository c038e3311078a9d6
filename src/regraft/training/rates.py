"""Which variables learn, and at which rate."""

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any, TypeVar

import keras

from regraft.core.phase import Phase, Rate
from regraft.core.selectors import assign
from regraft.graph import names
from regraft.surgery import silencing
from regraft.surgery.copy import set_flag

P = TypeVar("P", bound=Phase)

# What of a BatchNorm layer may learn, by policy: all of its trainable variables, or none.
_LEARNS = {"frozen": False, "recalibrate": False, "affine": True, "adapt": True}


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


def set_trainable(model: keras.Model, spec: Phase) -> dict[str, float]:
    """Mark in place what learns in this phase, and return the rate of each variable that does.

    The rates alone decide, whatever was trainable before. A variable without a positive rate is frozen; and everything
    of a BatchNorm layer is by policy, statistics included: they follow the data only with `adapt`.

    Raises:
        SelectorError: a variable is matched by no rule, or a rule is the first match of none.
    """
    rates = assign([(rule.pattern, rule.rate) for rule in spec.rates], names.variables(model))
    variables = names.variables(model)
    owners = {id(variable): layer for _, layer in names.layers(model) for variable in own_variables(layer)}
    learning: dict[str, float] = {}
    for name, variable in variables.items():
        layer = owners[id(variable)]
        if rates[name] > 0 and _can_learn(layer, variable) and not _held(layer, spec):
            learning[name] = rates[name]
    for name, variable in variables.items():
        variable.trainable = name in learning
    moving = {id(variables[name]) for name in learning}
    for _, layer in names.layers(model):
        # The layer's own flag alone: `layer.trainable = ...` overrules what it holds, and does not reach the layers of
        # every model of Keras 3.15. A BatchNorm layer that is not trainable computes with its statistics in any case.
        held = is_batch_norm(layer) and spec.batch_norm != "adapt"
        learns = not layer.variables or any(id(variable) in moving for variable in layer.variables)
        set_flag(layer, learns and not held)
    return learning


def following(model: keras.Model, learning: Collection[str]) -> set[str]:
    """What changes by itself in layers that learn: the statistics of BatchNorm, the vectors of a spectral norm."""
    own = {id(variable): name for name, variable in names.variables(model).items()}
    return {
        own[id(variable)]
        for _, layer in names.layers(model)
        if layer.trainable and any(own.get(id(item)) in learning for item in layer.trainable_variables)
        for variable in layer.non_trainable_variables
        if is_batch_norm(layer) or silencing.is_restless(layer)
    }


def may_learn(layer: keras.Layer, variable: keras.Variable, phase: Phase) -> bool:
    """Whether a rate lets a variable of a layer learn: it can be moved, and no BatchNorm policy holds it."""
    return any(_can_learn(part, variable) and not _held(part, phase) for _, part in names.layers(layer))


def own_variables(layer: keras.Layer) -> list[Any]:
    """The variables of a layer that belong to none of the layers that it holds."""
    held = {id(variable) for path, child in names.layers(layer) if path for variable in child.variables}
    return [variable for variable in layer.variables if id(variable) not in held]


def _held(layer: keras.Layer, spec: Phase) -> bool:
    """Whether the BatchNorm policy keeps the variables of a layer as they are."""
    return is_batch_norm(layer) and not _LEARNS[spec.batch_norm]


def is_batch_norm(layer: keras.Layer) -> bool:
    """Whether the layer keeps statistics of batches."""
    return isinstance(layer, keras.layers.BatchNormalization)


def _can_learn(layer: Any, variable: keras.Variable) -> bool:
    """Whether a gradient may ever move the variable, as its layer has it: not statistics, not the state of a seed."""
    return any(variable is member for member in layer._trainable_variables)
