"""The state of a Keras optimizer: which stored array is which slot of which variable.

Keras keeps it by position. The names of arrays tell it where they have the names of variables in them; else position
and shape together tell it for the optimizers listed here. Where they disagree, the arrays are listed with their
position and without a variable.
"""

from collections.abc import Iterable, Mapping, Sequence
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
# What scales losses to fit float16 wraps the optimizer, and keeps these four before the optimizer's own: a count, a
# rate, the steps since the scale changed, the scale.
_WRAPPER, _OF_WRAPPER = "LossScaleOptimizer", 4
# Keras 3's slots, and what Keras before 3 called them.
_FORMER = {
    "m": "momentum", "v": "velocity", "vhat": "velocity_hat", "rms": "velocity", "mg": "average_gradient",
    "accum_grad": "accumulated_grad", "accum_var": "accumulated_delta_var", "u": "norm",
}  # fmt: skip


def entry(
    stated: Any,
    arrays: Sequence[TensorEntry],
    orders: Sequence[Variables],
    alternating: bool,
    session: Mapping[str, str] | None = None,
) -> tuple[OptimizerEntry, list[str]]:
    """Tell an optimizer's stored arrays apart.

    Args:
        stated: the optimizer's configuration, `{"class_name": ..., "config": ...}`, or only its name.
        arrays: its arrays in the file's order.
        orders: the trainable variables, name and shape, in every order that the writing version may have used, the
            likeliest first.
        alternating: whether the slots of a variable stand together (Keras 3), instead of one slot of all variables.
        session: the canonical name of every variable by the name that the writing version gave it, where arrays may
            have that in theirs.

    Returns:
        The entry, and warnings.
    """
    class_name, config = _described(stated)
    if class_name == _WRAPPER and isinstance(config.get("inner_optimizer"), Mapping):
        class_name, config = _described(config["inner_optimizer"])
        arrays = arrays[_OF_WRAPPER:]
    found = OptimizerEntry(class_name, config, None, arrays=tuple(arrays))
    shapes = dict(variable for variables in orders for variable in variables)
    for first in _beginnings(arrays):
        last = len(arrays) - (class_name == "Nadam" and bool(arrays) and not arrays[-1].shape)
        whole = arrays[first:last] if first < last else []
        # AMSGrad's slot is there as a stub of one element in files of Keras 2 that do not use it.
        full = [array for array in whole if array.shape != (1,) or not _is_stub(class_name, config)]
        slots = _by_name(full, session or {}, shapes, class_name) or _by_position(
            full, class_name, config, orders, alternating
        )
        if slots is not None:
            count, scalars = _scalars([*arrays[:first], *arrays[last:]], first, alternating)
            return OptimizerEntry(class_name, config, count, slots, scalars=scalars, arrays=found.arrays), []
    first = _beginnings(arrays)[0]
    count, scalars = _scalars(arrays[:first], first, alternating)
    slots = tuple(SlotEntry(str(index), None, array) for index, array in enumerate(arrays) if index >= first)
    warnings = [f"optimizer {class_name}: {len(slots)} arrays that cannot be told apart by position"] if slots else []
    return OptimizerEntry(class_name, config, count, slots, scalars=scalars, arrays=found.arrays), warnings


def _described(stated: Any) -> tuple[str, Mapping[str, Any]]:
    if isinstance(stated, Mapping):
        # Keras 2.11 and later registered its own optimizers as if they were the user's.
        return str(stated.get("class_name", "")).removeprefix("Custom>"), dict(stated.get("config") or {})
    name = str(stated or "unknown")
    return _CLASSES.get(name.lower(), name), {}


def _beginnings(arrays: Sequence[TensorEntry]) -> list[int]:
    """Where the slots may begin, the likeliest first: behind a count of steps and a rate, if there are such.

    A variable without dimensions has slots without dimensions, so that there may be fewer before them.
    """
    scalars = 0
    while scalars < min(2, len(arrays)) and not arrays[scalars].shape:
        scalars += 1
    counts = bool(scalars) and ("int" in arrays[0].dtype or "iter" in arrays[0].name)
    return list(range(scalars, 0, -1)) if counts else [0]


def _scalars(arrays: Sequence[TensorEntry], before: int, alternating: bool) -> tuple[int | None, dict[str, float]]:
    """The count of steps and what else is kept once for all variables."""
    kept = {
        "learning_rate" if index < before and alternating else "u_product": float(array.read())
        for index, array in enumerate(arrays)
        if index and not array.shape
    }
    return int(arrays[0].read()) if before else None, kept


def _is_stub(class_name: str, config: Mapping[str, Any]) -> bool:
    return class_name.lower() == "adam" and not config.get("amsgrad")


def _slot(array: TensorEntry, slot: str, variable: str) -> SlotEntry:
    return SlotEntry(slot, variable, TensorEntry(f"{variable}/{slot}", array.shape, array.dtype, array.read))


def _by_name(
    arrays: Sequence[TensorEntry], session: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]], class_name: str
) -> tuple[SlotEntry, ...] | None:
    """The slots where every array has the name of its variable in its own; None where one has not.

    `Adam/conv2d/kernel/m` of Keras 2, `Adam/m/conv2d/kernel` of Keras 2.11, `adam/conv2d_kernel_momentum` of Keras 3.
    """
    plain = {name.partition(":")[0]: variable for name, variable in session.items()}
    joined = {name.replace("/", "_"): variable for name, variable in plain.items()}
    if not arrays or len(joined) != len(session):
        return None
    found: dict[tuple[str, str], TensorEntry] = {}
    for array in arrays:
        told = _told(array.name.removeprefix("optimizer/").partition(":")[0], plain, joined)
        if told is None or told in found or shapes.get(told[0], array.shape) != array.shape:
            return None
        found[told] = array
    norm = {"velocity": "norm"} if class_name.lower() == "adamax" else {}
    today = {(variable, slot): _FORMER.get(slot, slot) for variable, slot in found}
    return tuple(_slot(array, norm.get(today[key], today[key]), key[0]) for key, array in found.items())


def _told(name: str, plain: Mapping[str, str], joined: Mapping[str, str]) -> tuple[str, str] | None:
    """The variable and the slot in the name of an array."""
    inner = name.removeprefix("training/").partition("/")[2]
    variable, _, slot = inner.rpartition("/")
    if variable in plain:
        return plain[variable], slot
    slot, _, variable = inner.partition("/")
    if variable in plain:
        return plain[variable], slot
    for end in range(len(inner) - 1, 0, -1):
        if inner[end] == "_" and inner[:end] in joined:
            return joined[inner[:end]], inner[end + 1 :]
    return None


def _by_position(
    arrays: Sequence[TensorEntry],
    class_name: str,
    config: Mapping[str, Any],
    orders: Sequence[Variables],
    alternating: bool,
) -> tuple[SlotEntry, ...] | None:
    """The slots where number and shapes are those of the variables in one of the orders; None where they are not."""
    for variables in orders:
        for layout in _layouts(class_name.lower(), config, variables, alternating):
            if len(layout) == len(arrays) and all(
                array.shape == shape for array, (_, _, shape) in zip(arrays, layout, strict=True)
            ):
                return tuple(_slot(array, slot, name) for array, (slot, name, _) in zip(arrays, layout, strict=True))
    return None


_Layout = list[tuple[str, str, tuple[int, ...]]]


def _layouts(class_name: str, config: Mapping[str, Any], variables: Variables, alternating: bool) -> list[_Layout]:
    """The orders in which a file may list (slot, variable, shape), likeliest first."""
    layouts: list[_Layout] = []
    for groups in _groups(class_name, config, alternating):
        together: _Layout = []
        apart: _Layout = []
        for group in groups:
            together += [(slot, name, shape) for name, shape in variables for slot in group]
            apart += [(slot, name, shape) for slot in group for name, shape in variables]
        layouts += [together, apart] if alternating else [apart, together]
    return layouts


def _groups(class_name: str, config: Mapping[str, Any], alternating: bool) -> Iterable[list[tuple[str, ...]]]:
    """The slots that there are, in order; of those that alternate, several together."""
    groups: list[tuple[str, ...]] = [("average",)] if config.get("use_ema") else []
    if config.get("gradient_accumulation_steps"):
        groups.append(("gradient_accumulator",))
    if class_name == "sgd":
        groups += [("momentum",)] if config.get("momentum") else []
        # Keras before 2.3 kept a momentum that it did not use.
        yield groups
        if not config.get("momentum") and not alternating:
            yield [*groups, ("momentum",)]
        return
    if class_name == "rmsprop":
        groups += [("velocity",), *([("momentum",)] if config.get("momentum") else [])]
        groups += [("average_gradient",)] if config.get("centered") else []
    elif class_name in _SLOTS:
        groups.append(_SLOTS[class_name])
    if class_name in ("adam", "adamw") and config.get("amsgrad"):
        groups.append(("velocity_hat",))
    yield groups
