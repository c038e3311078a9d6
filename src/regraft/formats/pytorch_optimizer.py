"""The state of a PyTorch optimizer: slots by the number of a parameter, which names and shapes tell.

PyTorch numbers parameters in the order in which the optimizer got them; that of a network is the order of its state
dict without its buffers. Where number and shapes agree, the parameter is known; elsewhere the slot is listed without
one.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from regraft.core.tensors import OptimizerEntry, SlotEntry, TensorEntry
from regraft.formats.pickled_torch import Tensor

# Which class keeps a slot of this name.
_CLASSES = {
    "exp_avg_sq": "Adam or AdamW",
    "exp_inf": "Adamax",
    "momentum_buffer": "SGD",
    "square_avg": "RMSprop",
    "sum": "Adagrad",
    "acc_delta": "Adadelta",
}
# Buffers of PyTorch's own normalisation layers, which no optimizer changes.
_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def entry(
    value: Mapping[str, Any], variables: Sequence[tuple[str, tuple[int, ...]]], read: Any
) -> tuple[OptimizerEntry, list[str]]:
    """What an optimizer's `state_dict` holds.

    Args:
        value: with `state` and `param_groups`.
        variables: names and shapes of the network's tensors, buffers included.
        read: makes a tensor entry of a name and a tensor at rest.

    Returns:
        The entry, and warnings.
    """
    states = cast(dict[Any, Any], value["state"]) if isinstance(value["state"], dict) else {}
    groups = [group for group in _listed(value["param_groups"]) if isinstance(group, dict)]
    order = [number for group in groups for number in _listed(group.get("params"))]
    names = _names(groups, order, states, variables)
    slots = [
        (slot, names.get(number), number, item)
        for number, state in states.items()
        if isinstance(state, dict)
        for slot, item in cast(dict[Any, Any], state).items()
        if isinstance(item, Tensor) and slot != "step"
    ]
    entries = tuple(
        SlotEntry(str(slot), name, cast(TensorEntry, read(f"{number if name is None else name}/{slot}", item)))
        for slot, name, number, item in slots
    )
    unsure = any(item.variable is None for item in entries)
    warnings = ["the optimizer's parameters are known by number only"] if unsure else []
    kinds = {str(slot) for slot, _, _, _ in slots}
    return OptimizerEntry(_class(kinds, groups), _settings(groups), _steps(states, read), entries), warnings


def _listed(value: Any) -> list[Any]:
    return list(cast(list[Any], value)) if isinstance(value, (list, tuple)) else []


def _names(
    groups: Sequence[Mapping[str, Any]],
    order: Sequence[Any],
    states: Mapping[Any, Any],
    variables: Sequence[tuple[str, tuple[int, ...]]],
) -> dict[Any, str]:
    """The parameter that each number stands for, as far as all shapes agree."""
    stated = [str(name) for group in groups for name in _listed(group.get("param_names"))]
    learning = [(name, shape) for name, shape in variables if name.rpartition(".")[2] not in _BUFFERS]
    shapes = dict(learning)
    names = stated if len(stated) == len(order) else [name for name, _ in learning]
    plain = [number for number in order if isinstance(number, (int, str))]
    if len(names) != len(order) or len(plain) != len(order):
        return {}
    together = dict(zip(plain, names, strict=True))
    return together if all(_fits(states.get(number), shapes.get(name)) for number, name in together.items()) else {}


def _fits(state: Any, shape: tuple[int, ...] | None) -> bool:
    if not isinstance(state, dict):
        return True
    tensors = [item for slot, item in cast(dict[Any, Any], state).items() if slot != "step"]
    return all(item.shape == shape for item in tensors if isinstance(item, Tensor))


def _class(kinds: set[str], groups: Sequence[Mapping[str, Any]]) -> str:
    for slot, name in _CLASSES.items():
        if slot in kinds:
            return name
    return "SGD" if any("nesterov" in group for group in groups) else "unknown"


def _settings(groups: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The settings of the first group; later groups differ in the learning rate as a rule."""
    plain = (str, int, float, bool)
    return {str(key): value for key, value in groups[0].items() if isinstance(value, plain)} if groups else {}


def _steps(states: Mapping[Any, Any], read: Any) -> int | None:
    for state in states.values():
        step = cast(dict[Any, Any], state).get("step") if isinstance(state, dict) else None
        if isinstance(step, int):
            return step
        if isinstance(step, Tensor) and step.shape == ():
            return int(read("step", step).read())
    return None
