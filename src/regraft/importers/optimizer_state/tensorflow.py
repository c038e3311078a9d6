"""TensorFlow's checkpoints of all ages, and its SavedModels: the optimizers of `tf.train` and of `tf.keras`."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from regraft.core.optimizer_state import VariableState
from regraft.core.tensors import OptimizerEntry, OptimizerGroup, SlotEntry, TensorArchive
from regraft.formats import tensorflow_checkpoint, tensorflow_meta_graph, tensorflow_saved_model
from regraft.formats.tensorflow_optimizer import class_name, counted, powers_in
from regraft.importers.optimizer_state import terms
from regraft.importers.optimizer_state.terms import UNKNOWN, Asked, Told

FORMATS = (tensorflow_checkpoint.NAME, tensorflow_meta_graph.NAME, tensorflow_saved_model.NAME)

Array = np.ndarray[Any, Any]

_KINDS = {"momentum": "sgd", "rmsprop": "rmsprop", "lazyadam": "adam"}
# Keras 3's names for slots that others call otherwise; those of one kind before those of any.
_SLOTS: dict[str, dict[str, str]] = {
    "adamax": {"v": "norm", "u": "norm"},
    "adadelta": {
        "accum": "accumulated_grad", "accum_grad": "accumulated_grad",
        "accum_update": "accumulated_delta_var", "accum_var": "accumulated_delta_var",
    },
    "ftrl": {"accum": "accumulator"},
    "": {"m": "momentum", "v": "velocity", "vhat": "velocity_hat", "rms": "velocity", "mg": "average_gradient"},
}  # fmt: skip
# What the constants in a graph of `tf.train` are called, in Keras' words.
_CONSTANTS = {
    "learning_rate": "learning_rate", "lr": "learning_rate", "beta1": "beta_1", "beta2": "beta_2",
    "epsilon": "epsilon", "momentum": "momentum", "decay": "rho", "rho": "rho",
}  # fmt: skip
# Where a graph does not say, what `tf.train` takes; it differs from Keras in these.
_DEFAULTS: dict[str, dict[str, float]] = {
    "adam": {"epsilon": 1e-8},
    "adadelta": {"epsilon": 1e-8},
    "rmsprop": {"epsilon": 1e-10},
    "sgd": {"momentum": 0.9},
}


def states(archive: TensorArchive, asked: Asked) -> Told:
    """The slots in Keras' terms.

    Args:
        archive: of a format in `FORMATS`, with an optimizer.
        asked: says the learning rate where the file does not.
    """
    entry = archive.optimizer
    assert entry is not None
    notes: list[str] = []
    found: dict[str, VariableState] = {}
    everything = tuple(dict.fromkeys(slot.variable for slot in entry.slots if slot.variable is not None))
    if not everything:
        notes.append("there are no slots in it that belong to a variable")
    for group in entry.groups or (OptimizerGroup(everything, entry.stated),) * bool(everything):
        found |= _group(archive, entry, group, asked, notes)
    lost = [slot.tensor.name for slot in entry.slots if slot.variable is None]
    notes += [f"'{name}' {UNKNOWN}" for name in lost]
    return Told(found, tuple(dict.fromkeys(notes)))


def _group(
    archive: TensorArchive, entry: OptimizerEntry, group: OptimizerGroup, asked: Asked, notes: list[str]
) -> dict[str, VariableState]:
    stated = group.class_name or entry.stated or entry.class_name
    kind = _KINDS.get(stated.lower(), class_name(stated).lower() if stated else entry.class_name.lower())
    if kind not in terms.SLOTS:
        notes.append(f"the state of {stated} is left out ({_some(group.variables)}): Keras has no such optimizer")
        return {}
    of_keras = not (entry.stated or group.class_name)
    given = _settings(archive, entry, stated, kind, of_keras, asked, notes)
    steps = _steps(entry, kind, given, notes)
    rate = given.get("learning_rate")
    if steps is None:
        notes.append(
            f"the state of {stated} is left out ({_some(group.variables)}): how many steps it took is not said, or "
            "by powers of factors that are not"
        )
        return {}
    # The momentum of `tf.train` is a sum of gradients; Keras' has the rate in it.
    factor = 1.0 if of_keras or kind != "sgd" else None if rate is None else -float(rate)
    if factor is None:
        notes.append(
            f"the momentum of {stated} is left out ({_some(group.variables)}): it is in units of the learning rate, "
            "which the file does not say; give learning_rate"
        )
        return {}
    settings = terms.settings(kind, given)
    scalars = {"u_product": _product(entry, settings, steps)} if kind == "nadam" else {}
    found: dict[str, VariableState] = {}
    for variable in group.variables:
        own = [slot for slot in entry.slots if slot.variable == variable]
        slots = _slots(kind, own, factor, notes)
        if kind == "rmsprop" and not settings["momentum"] and not np.any(slots.get("momentum", 0)):
            # `tf.train` keeps it whether it is used or not.
            slots.pop("momentum", None)
        found[variable] = VariableState(kind, steps, slots, settings, scalars)
    return found


def _slots(kind: str, slots: list[SlotEntry], factor: float, notes: list[str]) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for slot in slots:
        name = _SLOTS.get(kind, {}).get(slot.slot) or _SLOTS[""].get(slot.slot, slot.slot)
        if name not in (*terms.SLOTS[kind], *terms.BESIDE):
            notes.append(f"'{slot.tensor.name}' is left out: {kind} of Keras keeps no '{slot.slot}'")
            continue
        values = np.asarray(slot.tensor.read())
        found[name] = values if factor == 1.0 else (values * np.float64(factor)).astype(values.dtype)
    return found


def _settings(
    archive: TensorArchive,
    entry: OptimizerEntry,
    stated: str,
    kind: str,
    of_keras: bool,
    asked: Asked,
    notes: list[str],
) -> dict[str, Any]:
    """The settings that the file says, or its graph does; where neither does, those that are taken by default."""
    said: dict[str, Any] = dict(entry.config)
    if not of_keras:
        said |= _constants(archive, stated)
        if kind == "rmsprop" and any(slot.slot == "mg" for slot in entry.slots):
            said["centered"] = True
    elif kind == "sgd" and entry.slots:
        said.setdefault("momentum", 0.9)
    if kind == "rmsprop" and of_keras and any(slot.slot in ("mg", "average_gradient") for slot in entry.slots):
        said["centered"] = True
    if asked.learning_rate is not None:
        said["learning_rate"] = asked.learning_rate
    assumed = {} if of_keras else {k: v for k, v in _DEFAULTS.get(kind, {}).items() if k not in said}
    complete = assumed | said
    # Powers of Adam's factors say whether these are the usual ones.
    proven = ("beta_1", "beta_2") if powers_in(entry.config) else ()
    usual = [name for name in terms.settings(kind, {}) if name in _CONSTANTS.values()]
    unsaid = [name for name in usual if name not in said and name not in proven]
    if unsaid:
        notes.append(f"the file does not say {', '.join(unsaid)} of {stated}; the usual is assumed")
    return complete


def _constants(archive: TensorArchive, stated: str) -> dict[str, float]:
    """The settings among the constants of a graph, where one optimizer of the name is in it."""
    found: dict[str, set[float]] = {}
    for name, tensor in archive.tensors.items():
        *_, scope, last = ("", *name.split("/"))
        if scope == stated and last in _CONSTANTS and not tensor.shape:
            found.setdefault(_CONSTANTS[last], set()).add(float(np.asarray(tensor.read())))
    return {name: values.pop() for name, values in found.items() if len(values) == 1}


def _steps(entry: OptimizerEntry, kind: str, settings: dict[str, Any], notes: list[str]) -> int | None:
    """Steps taken: as often as Adam multiplied its powers, or as the file counts them; adds what powers say."""
    powers = powers_in(entry.config) if kind == "adam" else None
    if powers is not None:
        told = counted(powers, (settings.get("beta_1", 0.9), settings.get("beta_2", 0.999)))
        if told is None and entry.iterations is not None:
            told = entry.iterations
            settings["beta_1"], settings["beta_2"] = (power ** (1 / (told + 1)) for power in powers)
        return told
    if entry.iterations is None and kind not in terms.COUNTING:
        notes.append("the file does not say how many steps were taken, on which nothing depends here; 0 is assumed")
        return 0
    return entry.iterations


def _product(entry: OptimizerEntry, settings: Mapping[str, float | bool], steps: int) -> float:
    kept = entry.config.get("u_product")
    return float(kept) if isinstance(kept, float) else terms.u_product(float(settings["beta_1"]), steps)


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (f", ... ({len(names)} in all)" if len(names) > 3 else "")
