"""The state of a PyTorch optimizer: slots by the number of a parameter, which `pytorch_numbers` gives names.

Where a name is not certain, the slot is listed without a variable.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from regraft.core.tensors import OptimizerEntry, OptimizerGroup, SlotEntry, TensorEntry
from regraft.formats import pytorch_numbers
from regraft.formats.pickled_torch import Tensor

# Which class keeps a slot of this name, and settings of these names; the first that fits.
_CLASSES: tuple[tuple[str, str, str], ...] = (
    ("NAdam", "exp_avg_sq", "momentum_decay"),
    ("AdamW", "exp_avg_sq", "decoupled_weight_decay"),
    ("Adam or AdamW", "exp_avg_sq", "amsgrad"),
    ("RAdam", "exp_avg_sq", "weight_decay"),
    ("Adam", "exp_avg_sq", ""),
    ("Adamax", "exp_inf", ""),
    ("Muon", "momentum_buffer", "ns_coefficients"),
    ("RMSprop", "square_avg", "alpha"),
    ("Adadelta", "acc_delta", ""),
    ("SGD", "momentum_buffer", ""),
    ("RMSprop", "square_avg", ""),
    ("Adagrad", "sum", ""),
    ("Lion", "exp_avg", "betas"),
    ("SGD", "", "nesterov"),
)
# A setting that is there and says no is none.
_SAYS = ("decoupled_weight_decay",)
# Buffers of PyTorch's own normalisation layers, which no optimizer changes.
_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
# What is kept once for each parameter and is no array of its shape.
_STEP, _PRODUCT = "step", "mu_product"
_SCALARS = (_STEP, _PRODUCT, "eta", "mu")

_Read = Callable[[str, Tensor], TensorEntry]


def entry(
    value: Mapping[str, Any], variables: Sequence[tuple[str, tuple[int, ...]]], read: _Read
) -> tuple[OptimizerEntry, list[str]]:
    """What an optimizer's `state_dict` holds.

    Args:
        value: with `state` and `param_groups`.
        variables: names and shapes of the network's tensors, buffers included.
        read: makes a tensor entry of a name and a tensor at rest.

    Returns:
        The entry, and warnings.
    """
    held = cast(dict[Any, Any], value["state"]) if isinstance(value["state"], dict) else {}
    states = {number: cast(dict[Any, Any], state) for number, state in held.items() if isinstance(state, dict)}
    groups = [cast(dict[str, Any], group) for group in _listed(value["param_groups"]) if isinstance(group, dict)]
    numbered = _names(groups, states, variables)
    names = numbered.names
    slots = tuple(
        SlotEntry(str(slot), names.get(number), read(f"{names.get(number, number)}/{slot}", item))
        for number, state in states.items()
        for slot, item in state.items()
        if isinstance(item, Tensor) and slot not in _SCALARS
    )
    unsure = any(item.variable is None for item in slots)
    warnings = ["the optimizer's parameters are known by number only"] if unsure else []
    if numbered.reason:
        warnings.append(numbered.reason)
    kinds = {item.slot for item in slots}
    apart = tuple(part for group in groups for part in _parts(group, states, names, read))
    settings = _settings(groups[0], read) if groups else {}
    shown = {key: item for key, item in settings.items() if not isinstance(item, tuple)}
    steps = next((part.iterations for part in apart if part.iterations is not None), None)
    steps = steps if steps is not None else _first_step(states, read)
    return OptimizerEntry(_class(kinds, settings), shown, steps, slots, groups=apart), warnings


def _listed(value: Any) -> list[Any]:
    return list(cast(list[Any], value)) if isinstance(value, (list, tuple)) else []


def _names(
    groups: Sequence[Mapping[str, Any]],
    states: Mapping[Any, Mapping[Any, Any]],
    variables: Sequence[tuple[str, tuple[int, ...]]],
) -> pytorch_numbers.Numbered:
    """The parameter that each number stands for."""
    order = [_listed(group.get("params")) for group in groups]
    flat = [number for numbers in order for number in numbers]
    if not all(isinstance(number, (int, str)) for number in flat) or len(set(flat)) != len(flat):
        return pytorch_numbers.Numbered({}, "its groups do not number the parameters")
    stated = [str(name) for group in groups for name in _listed(group.get("param_names"))]
    learning = {name: shape for name, shape in variables if name.rpartition(".")[2] not in _BUFFERS}
    shapes = {number: shape for number, state in states.items() if (shape := _shape(state)) is not None}
    if len(stated) == len(flat):
        together = dict(zip(flat, stated, strict=True))
        fits = all(shapes.get(number, learning.get(name)) == learning.get(name) for number, name in together.items())
        if fits and set(stated) <= set(learning):
            return pytorch_numbers.Numbered(together)
    return pytorch_numbers.named(order, shapes, learning)


def _shape(state: Mapping[Any, Any]) -> tuple[int, ...] | None:
    """The shape that all slots of a parameter have; None where there are none."""
    shapes = {item.shape for slot, item in state.items() if isinstance(item, Tensor) and slot not in _SCALARS}
    # Slots that differ fit no parameter.
    return (shapes.pop() if len(shapes) == 1 else (-1,)) if shapes else None


def _class(kinds: set[str], settings: Mapping[str, Any]) -> str:
    for name, slot, setting in _CLASSES:
        stated = not setting or (bool(settings.get(setting)) if setting in _SAYS else setting in settings)
        if (not slot or slot in kinds) and stated:
            return name
    return "unknown"


def _settings(group: Mapping[str, Any], read: _Read) -> dict[str, Any]:
    """The settings of a group: plain values, pairs of numbers, and numbers that are kept as tensors."""
    found: dict[str, Any] = {}
    for key, value in group.items():
        if key in ("params", "param_names"):
            continue
        plain = (
            tuple(_plain(item, read) for item in _listed(value)) if isinstance(value, tuple) else _plain(value, read)
        )
        if plain is not None and not (isinstance(plain, tuple) and None in plain):
            found[str(key)] = plain
    return found


def _plain(value: Any, read: _Read) -> str | int | float | bool | None:
    if isinstance(value, Tensor):
        return float(read("setting", value).read()) if value.shape == () else None
    return value if isinstance(value, (str, int, float, bool)) else None


def _parts(
    group: Mapping[str, Any], states: Mapping[Any, Mapping[Any, Any]], names: Mapping[Any, str], read: _Read
) -> list[OptimizerGroup]:
    """The parameters of a group that have taken as many steps, together."""
    settings = _settings(group, read)
    together: dict[tuple[int | None, str, float | None], list[str]] = {}
    for number in _listed(group.get("params")):
        if not isinstance(number, (int, str)) or number not in names:
            continue
        state = states.get(number, {})
        kinds = {str(slot) for slot, item in state.items() if isinstance(item, Tensor)}
        product = state.get(_PRODUCT)
        scalar = float(read(_PRODUCT, product).read()) if isinstance(product, Tensor) and not product.shape else product
        key = (_step(state, read), _class(kinds, settings), scalar if isinstance(scalar, float) else None)
        together.setdefault(key, []).append(names[number])
    return [
        OptimizerGroup(tuple(members), kind, settings | ({} if product is None else {_PRODUCT: product}), steps)
        for (steps, kind, product), members in together.items()
    ]


def _first_step(states: Mapping[Any, Mapping[Any, Any]], read: _Read) -> int | None:
    return next((steps for state in states.values() if (steps := _step(state, read)) is not None), None)


def _step(state: Mapping[Any, Any], read: _Read) -> int | None:
    step = state.get(_STEP)
    if isinstance(step, int):
        return step
    return int(read(_STEP, step).read()) if isinstance(step, Tensor) and step.shape == () else None
