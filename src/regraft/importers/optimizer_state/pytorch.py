"""PyTorch's checkpoints: the state dict of an optimizer beside that of a network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from regraft.core.optimizer_state import VariableState
from regraft.core.tensors import OptimizerGroup, SlotEntry, TensorArchive
from regraft.formats import pytorch
from regraft.importers.optimizer_state import terms
from regraft.importers.optimizer_state.terms import Asked, Told

FORMATS = (pytorch.NAME,)

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class _Same:
    """What an optimizer of PyTorch is in Keras: its kind, its slots, and what it calls its settings.

    `epsilon` is squared where PyTorch adds it to a root and Keras to what is under the root.
    """

    kind: str
    slots: Mapping[str, str]
    settings: Mapping[str, str]
    squared: bool = False


_ADAM = {"exp_avg": "momentum", "exp_avg_sq": "velocity", "max_exp_avg_sq": "velocity_hat"}
_BETAS = {"eps": "epsilon", "amsgrad": "amsgrad"}
_SAME: dict[str, _Same] = {
    "Adam": _Same("adam", _ADAM, _BETAS),
    "Adam or AdamW": _Same("adam", _ADAM, _BETAS),
    "AdamW": _Same("adamw", _ADAM, {**_BETAS, "weight_decay": "weight_decay"}),
    "RAdam": _Same("adam", _ADAM, _BETAS),
    "NAdam": _Same("nadam", _ADAM, _BETAS),
    "Adamax": _Same("adamax", {"exp_avg": "momentum", "exp_inf": "norm"}, _BETAS),
    "Lion": _Same("lion", {"exp_avg": "momentum"}, {"weight_decay": "weight_decay"}),
    "SGD": _Same("sgd", {"momentum_buffer": "momentum"}, {"momentum": "momentum", "nesterov": "nesterov"}),
    "RMSprop": _Same(
        "rmsprop",
        {"square_avg": "velocity", "momentum_buffer": "momentum", "grad_avg": "average_gradient"},
        {"alpha": "rho", "eps": "epsilon", "momentum": "momentum", "centered": "centered"},
        squared=True,
    ),
    "Adagrad": _Same("adagrad", {"sum": "accumulator"}, {"eps": "epsilon"}, squared=True),
    "Adadelta": _Same(
        "adadelta",
        {"square_avg": "accumulated_grad", "acc_delta": "accumulated_delta_var"},
        {"rho": "rho", "eps": "epsilon"},
    ),
}
# Their decay is a part of the gradient, which Keras has no setting for.
_COUPLED = ("Adam", "Adam or AdamW", "RAdam", "NAdam", "Adamax", "SGD", "RMSprop", "Adagrad", "Adadelta")


def states(archive: TensorArchive, asked: Asked) -> Told:
    """The slots in Keras' terms: a momentum there has the learning rate in it, here it has not.

    Args:
        archive: of a format in `FORMATS`, with an optimizer.
        asked: says a learning rate that is to be taken in place of the file's.
    """
    entry = archive.optimizer
    assert entry is not None
    notes = [line for line in archive.warnings if line.startswith("the optimizer ")]
    found: dict[str, VariableState] = {}
    for group in entry.groups:
        found |= _group(group, entry.class_name, entry.slots, asked, notes)
    lost = [slot.tensor.name for slot in entry.slots if slot.variable is None]
    if lost:
        notes.append(f"known by number only, and left out: {_some(lost)}")
    return Told(found, tuple(dict.fromkeys(notes)))


def _group(
    group: OptimizerGroup, whole: str, slots: tuple[SlotEntry, ...], asked: Asked, notes: list[str]
) -> dict[str, VariableState]:
    members = set(group.variables)
    own = [slot for slot in slots if slot.variable in members]
    stated = group.class_name if group.class_name != "unknown" else whole
    if not own and group.iterations is None and stated != "SGD":
        notes.append(f"the optimizer never changed {_some(group.variables)}")
        return {}
    same = _SAME.get(stated)
    if same is None:
        notes.append(f"the state of {stated} is left out ({_some(group.variables)}): Keras has no such optimizer")
        return {}
    rate = _rate(group.config, asked, notes)
    settings = _settings(same, stated, group.config, rate, notes)
    factors = {"sgd": {"momentum": -rate}, "rmsprop": {"momentum": rate}}.get(same.kind, {})
    found: dict[str, dict[str, Array]] = {name: {} for name in group.variables}
    for slot in own:
        name = same.slots.get(slot.slot)
        if name is None:
            notes.append(f"'{slot.tensor.name}' is left out: {same.kind} of Keras keeps no such slot")
        elif slot.variable is not None:
            values = np.asarray(slot.tensor.read())
            factor = factors.get(name)
            made = values if factor is None else (values * np.float64(factor)).astype(values.dtype)
            found[slot.variable][name] = made
    steps = group.iterations
    if steps is None:
        notes.append("the file does not say how many steps were taken, on which nothing depends here; 0 is assumed")
    scalars = _scalars(same.kind, settings, steps or 0)
    return {name: VariableState(same.kind, steps or 0, kept, settings, scalars) for name, kept in found.items()}


def _settings(
    same: _Same, stated: str, config: Mapping[str, Any], rate: float, notes: list[str]
) -> dict[str, float | bool]:
    given: dict[str, Any] = {new: config[old] for old, new in same.settings.items() if old in config}
    betas = config.get("betas")
    if isinstance(betas, tuple) and len(betas) == 2:
        given["beta_1"], given["beta_2"] = betas
    if same.squared and isinstance(given.get("epsilon"), float):
        given["epsilon"] = given["epsilon"] ** 2
    # With damping a gradient enters the momentum with a part of the rate.
    given["learning_rate"] = rate * (1.0 - float(config.get("dampening") or 0.0))
    decay = config.get("weight_decay")
    if decay and stated in _COUPLED and not config.get("decoupled_weight_decay"):
        which = "Adam's, in the gradient, or AdamW's" if stated == "Adam or AdamW" else "in the gradient"
        notes.append(f"weight decay of {decay:g} is {which}, and is not among the settings")
    return terms.settings(same.kind, given)


def _rate(config: Mapping[str, Any], asked: Asked, notes: list[str]) -> float:
    """The rate of the group; that which a schedule came from where it has gone to zero."""
    if asked.learning_rate is not None:
        return asked.learning_rate
    rate, first = float(config.get("lr") or 0.0), float(config.get("initial_lr") or 0.0)
    if not rate and first:
        notes.append(f"a schedule has brought the learning rate to 0; {first:g}, which it began with, is taken")
    return rate or first


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f", ... ({len(names)} in all)" if len(names) > 3 else "")


def _scalars(kind: str, settings: Mapping[str, float | bool], steps: int) -> dict[str, float]:
    # PyTorch's product has another schedule.
    return {"u_product": terms.u_product(float(settings["beta_1"]), steps)} if kind == "nadam" else {}
