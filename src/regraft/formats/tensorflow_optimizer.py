"""The state of TensorFlow's optimizers, told from the names that session checkpoints give it."""

import math
import re
from collections.abc import Iterable, Mapping

import numpy as np

from regraft.core.tensors import OptimizerEntry, OptimizerGroup, SlotEntry, TensorEntry

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
_POWERS = re.compile(r"(?:.*/)?beta(?P<which>[12])_power(?:_\d+)?")
_LEAST = float(np.finfo(np.float32).tiny)
_STEP = "global_step"
# What `tf.train`'s optimizers are told by where nothing has their name: the slots that they keep.
_BY_SLOTS: dict[tuple[str, ...], str] = {
    ("m", "v"): "Adam", ("momentum",): "Momentum", ("momentum", "rms"): "RMSProp", ("mg", "momentum", "rms"): "RMSProp",
    ("accumulator",): "Adagrad", ("accum", "accum_update"): "Adadelta", ("accum", "linear"): "Ftrl",
}  # fmt: skip
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
    powers_of = powers_in(config)
    steps = _steps(tensors)
    if steps is None and powers_of is not None:
        steps = counted(powers_of)
    apart = _groups(stated.values()) if len({_kind(found) for found in kinds}) > 1 else ()
    return left, OptimizerEntry(
        class_name(_kind(kind)), config, steps, tuple(slots), kind if "/" not in kind else "", groups=apart
    )


def _kind(found: str) -> str:
    """The optimizer's name without the slot that Keras writes behind it."""
    return found.partition("/")[0]


def _groups(owners: Iterable[tuple[str, str, int]]) -> tuple[OptimizerGroup, ...]:
    """The variables by optimizer, where a file has several; of one that has two, the first counts."""
    kinds: dict[str, str] = {}
    for variable, kind, _ in owners:
        kinds.setdefault(variable, _kind(kind))
    return tuple(
        OptimizerGroup(tuple(name for name, own in kinds.items() if own == kind), kind)
        for kind in dict.fromkeys(kinds.values())
    )


def class_name(stated: str) -> str:
    """Keras' spelling of an optimizer's name, which Keras counts up from the second on; as it is where Keras has none.

    >>> class_name("adam_1"), class_name("RMSProp"), class_name("rm_sprop"), class_name("Momentum")
    ('Adam', 'RMSprop', 'RMSprop', 'SGD')
    """
    counted = _COUNTED.fullmatch(stated)
    kind = counted["kind"] if counted else stated
    return "SGD" if stated == "Momentum" else _CLASSES.get(kind.lower().replace("_", ""), stated)


def told_by_slots(slots: Iterable[str]) -> str:
    """The optimizer of `tf.train` that keeps these slots; `unknown` where none does.

    >>> told_by_slots(["rms", "momentum"]), told_by_slots(["c"])
    ('RMSProp', 'unknown')
    """
    return _BY_SLOTS.get(tuple(sorted(set(slots))), "unknown")


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


def powers_in(config: Mapping[str, float]) -> tuple[float, float] | None:
    """The powers of Adam's two factors; None where there are none, or several optimizers have different ones."""
    found = {which: {value for name, value in config.items() if _is_power(name, which)} for which in "12"}
    return (found["1"].pop(), found["2"].pop()) if all(len(values) == 1 for values in found.values()) else None


def counted(powers: tuple[float, float], factors: tuple[float, float] = (0.9, 0.999)) -> int | None:
    """How often the powers of Adam's two factors were multiplied; they begin with the factor itself.

    The second one lasts longer before float32 takes it for zero. Where both are above zero they must agree: else these
    are not the factors.

    Args:
        powers: as a checkpoint of `tf.train` keeps them.
        factors: the usual ones where nothing says others.

    >>> counted((0.9**4, 0.999**4)), counted((0.0, 0.999**2721)), counted((0.8**4, 0.99**4))
    (3, 2720, None)
    """
    known = [
        math.log(power) / math.log(factor) - 1 if power > _LEAST and 0 < factor < 1 else None
        for power, factor in zip(powers, factors, strict=True)
    ]
    first, second = known
    if second is None:
        # So many steps that bias correction changes nothing any more.
        return math.ceil(math.log(_LEAST) / math.log(factors[1])) if 0 < factors[1] < 1 else None
    # Roundings of float32 come to less than a hundredth as long as both are above zero.
    return None if first is not None and abs(first - second) > 0.5 else max(round(second), 0)


def _is_power(name: str, which: str) -> bool:
    found = _POWERS.fullmatch(name)
    return found is not None and found["which"] == which


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
