"""Optimizers by name: Keras' classes, made with the options that a phase gives them, each checked before."""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

import keras

from regraft.core.errors import RequestError, nearest
from regraft.core.phase import Phase

# What people call SGD with a momentum, and what that means. Plain SGD has momentum too unless options say otherwise:
# hardly anybody who says `sgd` means without.
_WORDS: Mapping[str, tuple[str, dict[str, float | bool]]] = {
    "sgd": ("SGD", {"momentum": 0.9}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
}
# Optimizers that hold other optimizers.
_WRAPPERS = {
    "lossscaleoptimizer": "what a step is computed in is said by fine_tune.precision",
    "multioptimizer": "which variables learn at which rate is said by fine_tune.rates",
}
# What a phase says in words of its own, because it means the whole step and not the variables of one rate.
_OF_THE_PHASE = {
    "learning_rate": "rate",
    "weight_decay": "weight_decay",
    "clipnorm": "clip_norm",
    "global_clipnorm": "clip_norm",
    "clipvalue": "clip_value",
    "use_ema": "moving_average",
    "ema_momentum": "moving_average",
    "ema_overwrite_frequency": "moving_average",
    "loss_scale_factor": "precision",
    "gradient_accumulation_steps": "accumulate",
    "name": "name",
}


def make(phase: Phase, rate: Any) -> Any:
    """The Keras optimizer of a phase, not yet built.

    Args:
        phase: its `optimizer`, `options` and `weight_decay`.
        rate: a number or a schedule.

    Returns:
        A `keras.optimizers.Optimizer`.

    Raises:
        RequestError: Keras has no such optimizer, or it has no such option, or the option cannot have such a value.
    """
    kind, given = _found(phase.optimizer)
    allowed = options_of(kind)
    for name, value in phase.options.items():
        given[name] = _checked(phase.optimizer, name, value, allowed)
    if given.get("nesterov") is True and given.get("momentum") == 0:
        raise RequestError("expected a momentum above 0 beside 'nesterov', found 0; leave out one of the two")
    # AdamW and Muon decay by figures of their own where they are not told of one, and AdamW takes no None.
    decay = phase.weight_decay or (0.0 if kind.__name__ == "AdamW" else None)
    if "adam_weight_decay" in allowed:
        given.setdefault("adam_weight_decay", phase.weight_decay)
    try:
        return kind(learning_rate=rate, weight_decay=decay, **given)
    except (TypeError, ValueError) as error:
        raise RequestError(f"Keras refuses these options of the optimizer '{phase.optimizer}': {error}") from None


def known() -> dict[str, Any]:
    """Keras' optimizers that take steps, by the name of the class in small letters."""
    return {
        name.lower(): kind
        for name, kind in sorted(vars(keras.optimizers).items())
        if isinstance(kind, type)
        and issubclass(kind, keras.optimizers.Optimizer)
        and kind is not keras.optimizers.Optimizer
        and name.lower() not in _WRAPPERS
    }


def options_of(kind: type) -> dict[str, Any]:
    """The options that a plan may give to an optimizer, and what they are by default: numbers and switches only."""
    parameters = inspect.signature(kind).parameters
    return {
        name: parameter.default
        for name, parameter in parameters.items()
        if name not in _OF_THE_PHASE and isinstance(parameter.default, int | float)
    }


def _found(said: str) -> tuple[Any, dict[str, float | bool]]:
    word = said.lower()
    if word in _WRAPPERS:
        raise RequestError(f"'{said}' is no optimizer for a phase, it holds another one; {_WRAPPERS[word]}")
    classes = known()
    name, given = _WORDS.get(word, (word, {}))
    kind = classes.get(name.lower())
    if kind is None:
        raise RequestError(f"Keras has no optimizer '{said}'{nearest(word, {**classes, **_WORDS})}")
    return kind, dict(given)


def _checked(optimizer: str, name: str, value: object, allowed: Mapping[str, Any]) -> float | bool:
    where = f"fine_tune.options of the optimizer '{optimizer}'"
    if name in _OF_THE_PHASE:
        raise RequestError(f"'{name}' does not belong in {where}: a phase says it as fine_tune.{_OF_THE_PHASE[name]}")
    if name not in allowed:
        raise RequestError(f"expected known names in {where}, found '{name}'{nearest(name, allowed)}")
    wanted, holds, converted = _wanted(name, allowed[name])
    if not holds(value):
        raise RequestError(f"expected {name} in {where} as {wanted}, found {value!r}")
    return converted(value)


def _wanted(name: str, default: object) -> tuple[str, Callable[[Any], bool], Callable[[Any], Any]]:
    """What values an option takes: in words, as a test, and what is made of one for Keras."""
    if isinstance(default, bool):
        return "true or false", _is_switch, bool
    # Defaults do not tell: Muon writes a ratio as 1.
    if name.endswith("_steps"):
        return "a whole number from 0 on", _is_count, int
    for names, words, holds in _SIZES:
        if name in names:
            return words, holds, float
    return "a number", _is_number, float


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


def _is_count(value: object) -> bool:
    return _is_number(value) and value >= 0 and value == int(value)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _below_one(value: object) -> bool:
    return _is_number(value) and 0 <= value < 1


def _above_zero(value: object) -> bool:
    return _is_number(value) and value > 0


def _from_zero(value: object) -> bool:
    return _is_number(value) and value >= 0


# What Keras itself takes without a word, and what then ends in NaN or in nothing learnt.
_SIZES: tuple[tuple[tuple[str, ...], str, Callable[[Any], bool]], ...] = (
    (("beta_1", "beta_2", "rho", "momentum", "adam_beta_1", "adam_beta_2"), "a number from 0 to below 1", _below_one),
    (("epsilon", "epsilon_1", "epsilon_2", "clip_threshold"), "a number above 0", _above_zero),
    (("initial_accumulator_value", "adam_weight_decay"), "a number from 0 on", _from_zero),
)
