"""The state of TensorFlow's optimizers, told from the names that session checkpoints give it."""

import re
from collections.abc import Iterable, Mapping

import numpy as np

from regraft.core.tensors import OptimizerEntry, SlotEntry, TensorEntry

Tensors = Mapping[str, TensorEntry]

# The slots of `tf.train`'s optimizers in the order in which they are made: `w/Adam`, `w/Adam_1`, ...
_SLOTS = {
    "Adam": ("m", "v"), "AdaMax": ("m", "v"), "LazyAdam": ("m", "v"), "Momentum": ("momentum",),
    "Adagrad": ("accumulator",), "AdagradDA": ("gradient_accumulator", "gradient_squared_accumulator"),
    "Adadelta": ("accum", "accum_update"), "Ftrl": ("accum", "linear"), "ProximalAdagrad": ("accumulator",),
}  # fmt: skip
_RMSPROP = {2: ("rms", "momentum"), 3: ("rms", "mg", "momentum")}
_KERAS_SLOTS = ("m", "v", "vhat", "momentum", "rms", "mg", "accumulator", "accum_grad", "accum_var", "linear")
_COUNTED = re.compile(r"(?P<kind>.+?)(?:_(?P<number>\d+))?")
# Averages of weights are weights that one may want, not state.
_AVERAGE = "ExponentialMovingAverage"
_POWERS = re.compile(r"(?:.*/)?beta[12]_power(?:_\d+)?")
_STEP = "global_step"
# As Keras writes them.
_CLASSES = {
    name.lower(): name
    for name in ("Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lamb", "Lion", "Nadam", "RMSprop", "SGD")
}


def split(tensors: Tensors) -> tuple[dict[str, TensorEntry], OptimizerEntry | None]:
    """Part the variables of a session checkpoint from the optimizer's state.

    A tensor whose name begins with that of another of the same shape, as `conv1/weights/Adam_1` does, is its slot; so
    is what Keras named `training/Adam/conv1/kernel/m`.
    """
    stated = {name: owner for name in tensors if (owner := _owner(name, tensors))}
    kinds = [found[1] for found in stated.values()]
    if not kinds:
        return dict(tensors), None
    kind = max(sorted(set(kinds)), key=kinds.count)
    slots = [
        slot_entry(_slot(number, suffix, kinds_of), variable, tensors[name])
        for name, (variable, suffix, number) in stated.items()
        for kinds_of in [sum(1 for owner in stated.values() if owner[0] == variable and owner[1] == suffix)]
    ]
    powers = {name: tensors[name] for name in tensors if _POWERS.fullmatch(name) and not tensors[name].shape}
    left = {name: tensor for name, tensor in tensors.items() if name not in stated and name not in powers}
    config = {name: scalar(tensor) for name, tensor in powers.items()}
    return left, OptimizerEntry(class_name(kind), config, _steps(tensors), tuple(slots))


def class_name(stated: str) -> str:
    """Keras' spelling of an optimizer's name, which Keras counts up from the second on; as it is where Keras has none.

    >>> class_name("adam_1"), class_name("RMSProp"), class_name("Momentum")
    ('Adam', 'RMSprop', 'SGD')
    """
    counted = _COUNTED.fullmatch(stated)
    kind = counted["kind"] if counted else stated
    return "SGD" if stated == "Momentum" else _CLASSES.get(kind.lower(), stated)


def slot_entry(slot: str, variable: str | None, tensor: TensorEntry) -> SlotEntry:
    """A slot under the name of its variable; one whose variable is not known keeps its own."""
    name = tensor.name if variable is None else f"{variable}/{slot}"
    return SlotEntry(slot, variable, TensorEntry(name, tensor.shape, tensor.dtype, tensor.read))


def scalar(tensor: TensorEntry) -> float:
    """A setting that is kept as a tensor without dimensions."""
    return float(np.asarray(tensor.read()).astype(np.float64))


def steps_taken(tensors: Iterable[TensorEntry]) -> int | None:
    """The first whole number among some tensors; None where there is none."""
    for tensor in tensors:
        if not tensor.shape and tensor.dtype in ("int64", "int32"):
            return int(tensor.read())
    return None


def _steps(tensors: Tensors) -> int | None:
    return steps_taken(tensors[name] for name in (_STEP, "training/Adam/iter", "Adam/iter") if name in tensors)


def _owner(name: str, tensors: Tensors) -> tuple[str, str, int] | None:
    """The variable that a slot belongs to, the optimizer's name, and the slot's number; None where it is none."""
    variable, _, suffix = name.rpartition("/")
    if _same(name, variable, tensors) and suffix != _AVERAGE:
        found = _COUNTED.fullmatch(suffix)
        return (variable, found["kind"], int(found["number"] or 0)) if found else None
    kind, _, rest = name.removeprefix("training/").partition("/")
    variable, _, slot = rest.rpartition("/")
    if slot in _KERAS_SLOTS and _same(name, variable, tensors):
        return variable, f"{kind}/{slot}", -1
    return None


def _same(name: str, variable: str, tensors: Tensors) -> bool:
    return variable in tensors and tensors[variable].shape == tensors[name].shape


def _slot(number: int, kind: str, count: int) -> str:
    if number < 0:
        return kind.rpartition("/")[2]
    order = _RMSPROP.get(count, ("rms",)) if kind == "RMSProp" else _SLOTS.get(kind, ())
    if not order:
        return f"{kind}_{number}" if number else kind
    return order[number % len(order)]
