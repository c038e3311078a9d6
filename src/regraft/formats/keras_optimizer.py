"""The state of a Keras optimizer: which stored array is which slot of which variable.

Keras keeps it by position. Position and shape together tell it for the optimizers listed here; where they disagree, the
arrays are listed with their position and without a variable.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from regraft.core.tensors import OptimizerEntry, SlotEntry, TensorEntry

_CLASSES = {
    name.lower(): name
    for name in ("Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lamb", "Lion", "Nadam", "RMSprop", "SGD")
}

Variables = Sequence[tuple[str, tuple[int, ...]]]

# Slot names in the order in which Keras makes them; names in one tuple alternate variable by variable in Keras 3.
_SLOTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("adam", "adamw", "nadam", "lamb"), ("momentum", "velocity")),
    "adamax": ("momentum", "norm"),
    "adadelta": ("accumulated_grad", "accumulated_delta_var"),
    "adagrad": ("accumulator",),
    "ftrl": ("accumulator", "linear"),
    "lion": ("momentum",),
}


def entry(
    stated: Any, arrays: Sequence[TensorEntry], orders: Sequence[Variables], alternating: bool
) -> tuple[OptimizerEntry, list[str]]:
    """Tell an optimizer's stored arrays apart.

    Args:
        stated: the optimizer's configuration, `{"class_name": ..., "config": ...}`, or only its name.
        arrays: its arrays in the file's order.
        orders: the trainable variables, name and shape, in every order that the writing version may have used, the
            likeliest first.
        alternating: whether the slots of a variable stand together (Keras 3), instead of one slot of all variables.

    Returns:
        The entry, and warnings.
    """
    class_name, config = _described(stated)
    scalars = 0
    while scalars < min(2, len(arrays)) and not arrays[scalars].shape:
        scalars += 1
    counts = bool(scalars) and ("int" in arrays[0].dtype or "iter" in arrays[0].name)
    iterations = int(arrays[0].read()) if counts else None
    rest = arrays[scalars if counts else 0 :]
    # AMSGrad's slot is there as a stub of one element in files of Keras 2 that do not use it.
    full = [array for array in rest if array.shape != (1,) or not _is_stub(class_name, config)]
    for variables in orders:
        for layout in _layouts(class_name.lower(), config, variables, alternating):
            if len(layout) == len(full) and all(
                array.shape == shape for array, (_, _, shape) in zip(full, layout, strict=True)
            ):
                slots = tuple(_slot(array, slot, name) for array, (slot, name, _) in zip(full, layout, strict=True))
                return OptimizerEntry(class_name, config, iterations, slots), []
    slots = tuple(SlotEntry(str(index), None, array) for index, array in enumerate(rest, start=len(arrays) - len(rest)))
    warnings = [f"optimizer {class_name}: {len(slots)} arrays that cannot be told apart by position"] if slots else []
    return OptimizerEntry(class_name, config, iterations, slots), warnings


def _described(stated: Any) -> tuple[str, Mapping[str, Any]]:
    if isinstance(stated, Mapping):
        return str(stated.get("class_name", "")), dict(stated.get("config") or {})
    name = str(stated or "unknown")
    return _CLASSES.get(name.lower(), name), {}


def _is_stub(class_name: str, config: Mapping[str, Any]) -> bool:
    return class_name.lower() == "adam" and not config.get("amsgrad")


def _slot(array: TensorEntry, slot: str, variable: str) -> SlotEntry:
    return SlotEntry(slot, variable, TensorEntry(f"{variable}/{slot}", array.shape, array.dtype, array.read))


_Layout = list[tuple[str, str, tuple[int, ...]]]


def _layouts(class_name: str, config: Mapping[str, Any], variables: Variables, alternating: bool) -> list[_Layout]:
    """The orders in which a file may list (slot, variable, shape), likeliest first."""
    groups = _groups(class_name, config)
    together: _Layout = []
    apart: _Layout = []
    for group in groups:
        together += [(slot, name, shape) for name, shape in variables for slot in group]
        apart += [(slot, name, shape) for slot in group for name, shape in variables]
    return [together, apart] if alternating else [apart, together]


def _groups(class_name: str, config: Mapping[str, Any]) -> list[tuple[str, ...]]:
    groups: list[tuple[str, ...]] = [("average",)] if config.get("use_ema") else []
    if config.get("gradient_accumulation_steps"):
        groups.append(("gradient_accumulator",))
    if class_name == "sgd":
        groups += [("momentum",)] if config.get("momentum") else []
    elif class_name == "rmsprop":
        groups += [("velocity",), *([("momentum",)] if config.get("momentum") else [])]
        groups += [("average_gradient",)] if config.get("centered") else []
    elif class_name in _SLOTS:
        groups.append(_SLOTS[class_name])
    if class_name in ("adam", "adamw") and config.get("amsgrad"):
        groups.append(("velocity_hat",))
    return groups
