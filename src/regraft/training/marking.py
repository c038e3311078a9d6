"""Marking in place, on a model that somebody trains in a loop of their own, what learns and what is still."""

from dataclasses import dataclass
from typing import Any

import keras

from regraft.core.errors import RequestError
from regraft.core.phase import Phase
from regraft.core.selectors import assign
from regraft.graph import names
from regraft.graph.digest import of_variable
from regraft.surgery import silencing
from regraft.surgery.copy import set_flag
from regraft.training.rates import following, set_trainable


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """What was set on a model, and what it was before.

    Attributes:
        learning: the peak of the rate of each variable that learns, by canonical name.
        frozen: the digest of each variable that is to keep its bytes, by canonical name.
        silenced: the paths of the layers whose dropout or noise is off.
        variables: whether each was trainable before, by name.
        layers: the same of layers, by path.
    """

    learning: dict[str, float]
    frozen: dict[str, str]
    silenced: tuple[str, ...]
    variables: dict[str, bool]
    layers: dict[str, bool]

    def undo(self, model: keras.Model) -> None:
        """Set the model's flags, dropout and noise in place as they were."""
        _undo(model, self.variables, self.layers)


def mark(model: keras.Model, phase: Phase) -> Marks:
    """Set on a model, in place, what learns in a phase; everything else is still, whatever calls the model how.

    Raises:
        RequestError: the model is not built, nothing would learn, or a rate has no effect. The model is as it was.
        SelectorError: as in `rates.set_trainable`.
        SourceError: as in `silencing.silence_below`.
    """
    found = names.variables(model)
    if not model.built or not found:
        raise RequestError(f"expected a built model, found '{model.name}' without variables; call it on a batch first")
    variables = {name: variable.trainable for name, variable in found.items()}
    # A layer may give another answer than it has itself, from what holds it: `surgery.copy.set_flag` sets its own.
    layers = {path: layer.trainable for path, layer in names.layers(model)}
    silencing.give_back(model)
    try:
        learning = set_trainable(model, phase)
        _check(phase, learning, found)
        silenced = silencing.silence_below(model, learning)
        _refuse_restless(model, learning)
    except BaseException:
        _undo(model, variables, layers)
        raise
    moving = {*learning, *following(model, learning)}
    still = [name for name in found if name not in moving and "seed_generator" not in name]
    return Marks(learning, {name: of_variable(found[name]) for name in still}, silenced, variables, layers)


def _undo(model: keras.Model, variables: dict[str, bool], layers: dict[str, bool]) -> None:
    silencing.give_back(model)
    for path, layer in names.layers(model):
        set_flag(layer, layers[path])
    for name, variable in names.variables(model).items():
        variable.trainable = variables[name]


def _check(phase: Phase, learning: dict[str, float], found: dict[str, Any]) -> None:
    """Refuse a positive rate that no variable learns by: what was asked for would silently not be done."""
    rules = [(rule.pattern, rule) for rule in phase.rates]
    by_rule: dict[str, list[str]] = {}
    for name, rule in assign(rules, found).items():
        by_rule.setdefault(rule.pattern, []).append(name)
    for rule in phase.rates:
        if rule.rate > 0 and not any(name in learning for name in by_rule[rule.pattern]):
            raise RequestError(
                f"expected variables that can learn for rate {rule.rate:g} of '{rule.pattern}', found only "
                f"{', '.join(by_rule[rule.pattern][:3])}; scale and offset of BatchNorm learn with batch_norm 'affine' "
                "or 'adapt', statistics and seeds never"
            )
    if not learning:
        raise RequestError(
            "expected a rate above 0 for some pattern, found none: nothing would learn; "
            "give one, such as {'head/.*': 1e-3, '.*': None}"
        )


def _refuse_restless(model: keras.Model, learning: dict[str, float]) -> None:
    """Frozen layers above others that learn are not silenced, but must not change their weights either."""
    for path, layer in names.layers(model):
        held = [f"{path}/{name}" for name in names.variables(layer)]
        if silencing.is_restless(layer) and not set(held) & set(learning):
            silencing.silence(layer, path)
