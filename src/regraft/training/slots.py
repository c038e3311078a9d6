"""The state of live Keras optimizers by name: what `optimizer.variables` holds by position, said by variable and slot.

Keras keeps a slot as a list attribute of the optimizer, with one variable for each variable of the model, in the order
in which it was built; and saves all of them by position, so that a change of what learns moves a state to a neighbour
or drops it. What is relied upon here, and has a test for every kind of optimizer:

- a list among an optimizer's attributes whose members are variables of Keras (or None) is a slot, but for the two lists
  in which Keras keeps the model's variables and its own;
- `_trainable_variables` is the model's variables in the order of the slots;
- a slot's variable is named after the model's variable and the slot;
- a variable without axes among the attributes, other than the count of steps and the rate, is kept once for all.
"""

import inspect
import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from regraft.core.errors import RequestError, nearest
from regraft.core.optimizer_state import OptimizerState, VariableState
from regraft.graph import variable_values

Array = np.ndarray[Any, Any]

_NO_SLOTS = ("_variables", "_trainable_variables")
_NO_SCALARS = ("_iterations", "_learning_rate")
# Arguments that change the gradient before the optimizer sees it, or the weight beside it, and no slot.
_NO_SETTINGS = (
    "learning_rate",
    "weight_decay",
    "clipnorm",
    "clipvalue",
    "global_clipnorm",
    "use_ema",
    "ema_momentum",
    "ema_overwrite_frequency",
    "loss_scale_factor",
    "gradient_accumulation_steps",
    "name",
)
# Slots into which Keras puts the update itself, rate included, instead of the gradient.
RATED: Mapping[str, str] = {"sgd": "momentum", "rmsprop": "momentum"}
BUFFER_RATE = "buffer_rate"
_BATCHES = "batches"


def read(optimizer: Any, variables: Mapping[str, keras.Variable], origin: str = "") -> OptimizerState:
    """The state of a built optimizer, by the names that the mapping gives its variables.

    Args:
        optimizer: any optimizer of Keras; of a `LossScaleOptimizer` the inner one is read, and its scale with it.
        variables: canonical name -> variable of the model; some of those that the optimizer was built with, or all.
        origin: for messages.

    Returns:
        Copies, float32 or what the slots are in. Where the rate is a schedule, `learning_rate` is that of the last
        step, and `buffer_rate` the mean of past rates with the weights that a buffer of momentum gives them.

    Raises:
        RequestError: the optimizer was not built with one of the variables.
    """
    inner = _inner(optimizer)
    _check_built_with(inner, variables)
    found = _slots(inner)
    places = _places(inner)
    kind, steps, settings_ = kind_of(inner), _steps(inner), settings(optimizer)
    scalars = {name: float(_numpy(variable)) for name, variable in _scalars(optimizer).items()}
    if inner.gradient_accumulation_steps:
        scalars[_BATCHES] = float(_numpy(_counter(inner)))
    states: dict[str, VariableState] = {}
    for name, variable in variables.items():
        own = {slot: members[places[id(variable)]] for slot, members in found.items()}
        arrays = {slot: _numpy(member) for slot, member in own.items() if member is not None}
        states[name] = VariableState(kind, steps, arrays, settings_, scalars)
    return OptimizerState(states, origin)


def assign(optimizer: Any, variables: Mapping[str, keras.Variable], state: OptimizerState) -> None:
    """Give a built optimizer a state, in place: slots, what is kept once for all, and the count of steps.

    What the state does not hold begins as in a new optimizer, so that a state without slots resets. Three slots are
    made of the weight where the state has none, because zeros would be another weight: the moving `average`, the
    `momentum` of `ScheduleFreeAdamW`, and the `linear` of `Ftrl`, whose very first step would all but forget the weight
    otherwise.

    Args:
        optimizer: as for `read`; its rate and settings stay its own.
        variables: canonical name -> variable, all that the optimizer was built with.
        state: has all of these names; others in it are left alone.

    Raises:
        RequestError: a name has no state, a slot of the state is unknown to the optimizer or has another shape. Nothing
            was changed then.
    """
    inner = _inner(optimizer)
    _check_built_with(inner, variables)
    places, found = _places(inner), _slots(inner)
    assert len(variables) == len(places), "the state of an optimizer is assigned to all of its variables at once"
    chosen = {name: _state(name, state) for name in variables}
    steps = {item.steps for item in chosen.values()}
    scalars = [dict(item.scalars) for item in chosen.values()]
    assert len(steps) == 1, "variables of different ages need optimizers of their own"
    assert all(item == scalars[0] for item in scalars), "what is kept once for all differs between variables"
    writes: list[tuple[Any, Array]] = []
    for name, variable in variables.items():
        own = {slot: members[places[id(variable)]] for slot, members in found.items()}
        own = {slot: member for slot, member in own.items() if member is not None}
        _check_slots(name, chosen[name], own, state.origin)
        for slot, member in own.items():
            value = chosen[name].slots.get(slot)
            writes.append((member, _initial(inner, slot, variable, member) if value is None else np.asarray(value)))
    for member, value in writes:
        member.assign(value)
    _assign_scalars(optimizer, inner, scalars[0], steps.pop())


def built_with(optimizer: Any) -> list[Any]:
    """The variables of the model that an optimizer was built with, in order; none before it is."""
    return list(vars(_inner(optimizer)).get("_trainable_variables") or ())


def kind_of(optimizer: Any) -> str:
    """The optimizer's kind: the name of its class in small letters."""
    return type(optimizer).__name__.lower()


def settings(optimizer: Any) -> dict[str, float | bool]:
    """What an optimizer's slots depend on, by Keras' argument names, and its rate (see `read`)."""
    inner = _inner(optimizer)
    names = [name for name in inspect.signature(type(inner)).parameters if name not in _NO_SETTINGS]
    values = {name: getattr(inner, name, None) for name in names}
    found: dict[str, float | bool] = {
        name: value for name, value in values.items() if isinstance(value, (bool, int, float))
    }
    last = max(int(_numpy(_counter(inner))) - 1, 0)
    found["learning_rate"] = _rate(inner, last)
    momentum = found.get("momentum")
    if isinstance(vars(inner)["_learning_rate"], keras.optimizers.schedules.LearningRateSchedule) and momentum:
        found[BUFFER_RATE] = _buffer_rate(inner, last, float(momentum))
    return found


def u_product(beta_1: float, steps: int) -> float:
    """Nadam's product of coefficients after so many steps, `beta_1 (1 - 0.96**i / 2)` for each (Dozat 2016)."""
    return math.exp(sum(math.log(beta_1 * (1 - 0.5 * 0.96**step)) for step in range(1, steps + 1))) if beta_1 else 0.0


def is_of_weight(kind: str, slot: str) -> bool:
    """Whether a slot is made of the weight and not of gradients: see `assign`."""
    return slot == "average" or (kind, slot) in (("ftrl", "linear"), ("schedulefreeadamw", "momentum"))


def _inner(optimizer: Any) -> Any:
    return getattr(optimizer, "inner_optimizer", optimizer)


def calls(optimizer: Any) -> int:
    """How many steps an optimizer has counted."""
    return int(variable_values.read(_counter(_inner(optimizer))))


def _counter(inner: Any) -> Any:
    """The variable that counts calls; `iterations` is a quotient of it where gradients are accumulated."""
    return vars(inner)["_iterations"]


def _steps(inner: Any) -> int:
    return int(_numpy(inner.iterations))


def _rate(inner: Any, step: int) -> float:
    rate = vars(inner)["_learning_rate"]
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        rate = rate(step)
    return float(_numpy(inner.learning_rate if callable(rate) else rate))


def _buffer_rate(inner: Any, last: int, momentum: float) -> float:
    """The mean of past rates, weighted as a buffer of momentum weighs past gradients.

    A falling rate makes the last one useless for the purpose: at the end of a cosine it is a hundredth of this.
    """
    window = min(last + 1, math.ceil(math.log(1e-3) / math.log(momentum))) if momentum < 1 else last + 1
    weights = np.power(momentum, np.arange(window))
    rates = [_rate(inner, last - back) for back in range(window)]
    return float(np.average(rates, weights=weights))


def _slots(inner: Any) -> dict[str, list[Any]]:
    """Slot name -> its variable for each of the model's variables, None where that has none."""
    built = list(vars(inner)["_trainable_variables"])
    return {
        _slot_name(attribute, members, built): list(members)
        for attribute, members in vars(inner).items()
        if attribute not in _NO_SLOTS
        and isinstance(members, list)
        and len(members) == len(built)  # pyright: ignore[reportUnknownArgumentType]
        and any(member is not None for member in members)
        and all(member is None or isinstance(member, keras.Variable) for member in members)
    }


def _slot_name(attribute: str, members: list[Any], built: list[Any]) -> str:
    for member, variable in zip(members, built, strict=True):
        prefix = f"{variable.path.replace('/', '_')}_"
        if member is not None and member.name.startswith(prefix):
            return member.name.removeprefix(prefix)
    return attribute.strip("_")


def _scalars(optimizer: Any) -> dict[str, Any]:
    owners = [optimizer] if _inner(optimizer) is optimizer else [_inner(optimizer), optimizer]
    return {
        attribute.strip("_"): value
        for owner in owners
        for attribute, value in vars(owner).items()
        if attribute not in _NO_SCALARS and isinstance(value, keras.Variable) and len(value.shape) == 0
    }


def _places(inner: Any) -> dict[int, int]:
    return {id(variable): index for index, variable in enumerate(vars(inner)["_trainable_variables"])}


def _check_built_with(inner: Any, variables: Mapping[str, keras.Variable]) -> None:
    places = _places(inner)
    for name, variable in variables.items():
        if id(variable) not in places:
            raise RequestError(
                f"expected an optimizer that was built with '{name}', found {type(inner).__name__} built with "
                f"{len(places)} other variables; build it with the variables that learn"
            )


def _state(name: str, state: OptimizerState) -> VariableState:
    found = state.variables.get(name)
    if found is None:
        raise RequestError(
            f"expected the optimizer's state of '{name}' in {state.origin or 'the state'}, "
            f"found none{nearest(name, state.variables)}"
        )
    return found


def _check_slots(name: str, found: VariableState, own: Mapping[str, Any], origin: str) -> None:
    where = f" of {origin}" if origin else ""
    for slot, value in found.slots.items():
        if slot not in own:
            raise RequestError(
                f"expected the slots {', '.join(own) or 'of an optimizer that has none'} for '{name}', "
                f"found '{slot}' in the state{where}, which is of {found.kind}; translate or reset it"
            )
        if tuple(value.shape) != tuple(own[slot].shape):
            raise RequestError(
                f"expected shape {tuple(own[slot].shape)} for slot '{slot}' of '{name}', "
                f"found {tuple(value.shape)} in the state{where}; reset or calibrate it"
            )


def _initial(inner: Any, slot: str, variable: Any, member: Any) -> Array:
    """What a slot begins with: what a new optimizer has, or what the weight says (see `assign`)."""
    kind = kind_of(inner)
    weight = _numpy(variable)
    if is_of_weight(kind, slot):
        return _ftrl_linear(inner, weight) if kind == "ftrl" and slot == "linear" else weight
    if slot == "accumulator":
        return np.full(member.shape, inner.initial_accumulator_value, np.float32)
    return np.zeros(member.shape, np.float32)


def _ftrl_linear(inner: Any, weight: Array) -> Array:
    """The linear term whose minimiser is the weight (McMahan et al. 2013, algorithm 1, solved for z).

    Keras' step sets the weight to `(clip(z, -l1, l1) - z) / q` with `q = n**-p / rate + 2 l2 + beta / rate`.
    """
    rate = _rate(inner, int(_numpy(_counter(inner))))
    if rate <= 0:
        return np.zeros_like(weight)
    quadratic = inner.initial_accumulator_value**-inner.learning_rate_power / rate
    quadratic += 2 * inner.l2_regularization_strength + inner.beta / rate
    return -(weight * quadratic + inner.l1_regularization_strength * np.sign(weight))


def _assign_scalars(optimizer: Any, inner: Any, values: Mapping[str, float], steps: int) -> None:
    for name, variable in _scalars(optimizer).items():
        if name in values:
            variable.assign(np.asarray(values[name], dtype=variable.dtype))
        elif name == "u_product":
            variable.assign(np.asarray(u_product(inner.beta_1, steps), dtype=variable.dtype))
    batches = steps * (inner.gradient_accumulation_steps or 1)
    _counter(inner).assign(int(values.get(_BATCHES, batches)))


def _numpy(tensor: Any) -> Array:
    """A copy: on PyTorch the array would share its memory with the variable."""
    return np.array(keras.ops.convert_to_numpy(tensor))
