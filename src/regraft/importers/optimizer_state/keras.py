"""What Keras of any version saved with a whole model: slots by position, or by name where a file has names."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from regraft.core.optimizer_state import VariableState
from regraft.core.tensors import OptimizerEntry, TensorArchive
from regraft.formats import keras_folder, keras_h5, keras_optimizer, keras_zip
from regraft.graph import names
from regraft.importers.optimizer_state import terms
from regraft.importers.optimizer_state.terms import UNKNOWN, Asked, Told

FORMATS = (keras_zip.NAME, keras_folder.NAME, keras_h5.NAME)

# Schedules that are looked up here and not by the file's word, which could name any module.
_SCHEDULES = (
    *("CosineDecay", "CosineDecayRestarts", "ExponentialDecay", "InverseTimeDecay"),
    *("PiecewiseConstantDecay", "PolynomialDecay"),
)


def states(archive: TensorArchive, asked: Asked) -> Told:
    """The slots in Keras' terms, which they are in already.

    Args:
        archive: of a format in `FORMATS`, with an optimizer.
        asked: opens the saved model, whose order of variables is what positions mean.
    """
    assert archive.optimizer is not None
    kind = archive.optimizer.class_name.lower()
    if kind not in terms.SLOTS:
        count = len(archive.optimizer.slots)
        return Told({}, (f"the {count} slots of {archive.optimizer.class_name} cannot be told apart",))
    entry, learning, notes = _resolved(archive, archive.optimizer, asked)
    slots: dict[str, dict[str, np.ndarray[Any, Any]]] = {name: {} for name in learning}
    for slot in entry.slots:
        if slot.variable is None:
            notes.append(f"'{slot.tensor.name}' {slot.tensor.shape} {UNKNOWN}")
        else:
            slots.setdefault(slot.variable, {})[slot.slot] = np.asarray(slot.tensor.read())
    if any(slot.variable is None for slot in entry.slots):
        # Those without slots would otherwise be variables of which the optimizer had learnt nothing.
        slots = {name: own for name, own in slots.items() if own}
    steps = entry.iterations or 0
    if entry.iterations is None:
        notes.append("the file does not say how many steps were taken; 0 is assumed")
    taken = terms.settings(kind, _settings(entry, asked))
    # Keras counts batches there, and steps only every so often.
    steps //= int(taken.get("gradient_accumulation_steps") or 1)
    product = entry.scalars.get("u_product") if _is_today(archive) else None
    scalars = _scalars(kind, product, taken, steps)
    return Told({name: VariableState(kind, steps, own, taken, scalars) for name, own in slots.items()}, tuple(notes))


def _resolved(
    archive: TensorArchive, entry: OptimizerEntry, asked: Asked
) -> tuple[OptimizerEntry, tuple[str, ...], list[str]]:
    """The entry with its positions told by the saved model; the variables that learnt; notes."""
    if not _by_position(archive):
        return entry, (), []
    model = asked.saved()
    stated = {"class_name": entry.class_name, "config": entry.config}
    learning = _learning(model)
    found, wrong = keras_optimizer.entry(stated, entry.arrays, [learning], alternating=True)
    if not wrong:
        return found, tuple(name for name, _ in learning), []
    # The model was opened for this alone, so that it may be changed.
    for _, layer in names.layers(model):
        layer.trainable = True
    everything = _learning(model)
    found, still = keras_optimizer.entry(stated, entry.arrays, [everything], alternating=True)
    if found.slots and not still:
        note = "the optimizer's state is of all layers, of those too that were frozen when the model was saved"
        return found, tuple(name for name, _ in everything), [note]
    reason = (
        f"the {len(found.slots)} arrays of the optimizer's state do not fit the {len(learning)} variables that learn "
        "in the saved model: other layers were frozen when it was compiled, and the file does not say which"
    )
    return found, (), [reason]


def _learning(model: keras.Model) -> list[tuple[str, tuple[int, ...]]]:
    """The variables that an optimizer of the model would be given, in their order."""
    called = {id(variable): name for name, variable in names.variables(model).items()}
    return [(called[id(variable)], tuple(variable.shape)) for variable in model.trainable_variables]


def _by_position(archive: TensorArchive) -> bool:
    """Whether Keras 3 wrote the slots, and without the names of their variables."""
    if archive.format != keras_h5.NAME:
        return True
    entry = archive.optimizer
    return _is_today(archive) and entry is not None and (not entry.slots or entry.slots[0].variable is None)


def _is_today(archive: TensorArchive) -> bool:
    """Whether Keras 3 wrote the file, or TensorFlow's Keras of 2.13 and later as if it were that."""
    return archive.format != keras_h5.NAME or str(archive.metadata.get("keras_version")).startswith("3")


def _settings(entry: OptimizerEntry, asked: Asked) -> dict[str, Any]:
    rate = asked.learning_rate if asked.learning_rate is not None else _rate(entry)
    return {**entry.config, "learning_rate": rate}


def _rate(entry: OptimizerEntry) -> float | None:
    """The learning rate of the last step."""
    steps = max((entry.iterations or 0) - 1, 0)
    if "learning_rate" in entry.scalars:
        return entry.scalars["learning_rate"]
    stated = entry.config.get("learning_rate", entry.config.get("lr"))
    if isinstance(stated, Mapping):
        return _scheduled(stated, steps)
    if not isinstance(stated, (int, float)):
        return None
    decay = entry.config.get("decay") or 0.0
    return float(stated) / (1 + (decay if isinstance(decay, (int, float)) else 0.0) * steps)


def _scheduled(stated: Mapping[str, Any], step: int) -> float | None:
    name = str(stated.get("class_name"))
    if name not in _SCHEDULES:
        return None
    schedule: Any = getattr(keras.optimizers.schedules, name)(**dict(stated.get("config") or {}))
    return float(schedule(step))


def _scalars(kind: str, product: float | None, settings: Mapping[str, float | bool], steps: int) -> dict[str, float]:
    """What is kept once for all; Keras 2 multiplied something else for its Nadam, which is no use to today's."""
    if kind != "nadam":
        return {}
    return {"u_product": terms.u_product(float(settings["beta_1"]), steps) if product is None else product}
