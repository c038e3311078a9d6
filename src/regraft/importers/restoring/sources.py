"""What a source offers: its tensors as plain data, and what its format says about their order and layout."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from regraft.core.tensors import TensorArchive, TensorEntry
from regraft.formats import damage
from regraft.graph import names
from regraft.importers import keras_legacy
from regraft.importers.restoring import places
from regraft.importers.restoring.places import STATE

# Formats that keep their tensors in the order of the layers.
_ORDERED = ("keras", "keras-folder", "keras-h5", "pytorch", "torchscript", "npz", "caffe")
# Formats that say how a kernel lies; the others are asked by the shapes of what they hold.
_OUTPUTS_FIRST = ("pytorch", "torchscript", "caffe")
_OUTPUTS_LAST = ("keras", "keras-folder", "keras-h5", "keras-weights", "tensorflow")
# Formats of Theano and Lasagne, among others; their convolutions turn the kernel around, or not.
_PERHAPS_TURNED = ("npz", "npy", "pickle")
# What BatchNorm adds to a variance unless it is told otherwise, where that is not what Keras adds.
_EPSILONS = {"pytorch": 1e-5, "torchscript": 1e-5}
_CHANNELS_FIRST = ("pytorch", "torchscript", "caffe", "onnx")


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """The tensors of a source.

    Attributes:
        text: the source, for messages.
        tensors: by name, in the order of the source; what is no weight (a graph's constants) is not among them.
        own: for a tensor that the file has in another form, the names of what it was made of there.
        changed: what was done to tensors so that they are as today's layers hold them, by name.
        constants: what the source holds beside weights.
        slots: the tensors of its optimizer's state.
        ordered: whether the order is that of the layers.
        outputs_first: whether kernels have their outputs first; None where the format does not say.
        channels_first: whether maps have their channels first.
        turned: whether convolutions turn their kernels around; None where the format does not say.
        epsilon: what BatchNorm adds to a variance by default; None where the format does not say.
        notes: what one should know.
    """

    text: str
    tensors: Mapping[str, TensorEntry]
    own: Mapping[str, tuple[str, ...]]
    changed: Mapping[str, str]
    constants: tuple[str, ...]
    slots: tuple[str, ...]
    ordered: bool
    outputs_first: bool | None
    channels_first: bool
    turned: bool | None = False
    epsilon: float | None = None
    notes: tuple[str, ...] = ()


def of_model(model: keras.Model) -> Source:
    """What a live model offers."""
    tensors = {
        name: TensorEntry(name, tuple(variable.shape), str(variable.dtype), variable.numpy)
        for name, variable in names.variables(model).items()
        if not name.endswith(STATE)
    }
    optimizer = getattr(model, "optimizer", None)
    slots = tuple(variable.path for variable in optimizer.variables) if optimizer is not None else ()
    return Source(f"model '{model.name}'", tensors, {}, {}, (), slots, places.is_ordered(model), False, False)


def of_archive(archive: TensorArchive, target: keras.Model, path: Path) -> Source:
    """What an opened file offers for a model.

    Args:
        archive: as `formats.read` gives it.
        target: tells of what classes the layers are that old versions of Keras stored otherwise; is not changed.
        path: the file.

    Raises:
        CorruptFileError: the file is truncated or was altered.
    """
    learned = archive.metadata.get("variables")
    constants = [
        name for name in archive.tensors if (learned is not None and name not in learned) or name.endswith(STATE)
    ]
    weights = {name: entry for name, entry in archive.tensors.items() if name not in constants}
    today, notes = weights, tuple[str, ...]()
    if archive.format.startswith("keras"):
        with damage.refusing_damage(path):
            today, notes = keras_legacy.as_today(archive, target)
        today = {name: entry for name, entry in today.items() if name not in constants}
    slots = archive.optimizer.slots if archive.optimizer else ()
    return Source(
        text=f"'{path}'",
        tensors=today,
        own=_own(weights, today),
        changed=_changed(weights, today, notes),
        constants=tuple(constants),
        slots=tuple(slot.tensor.name for slot in slots),
        ordered=archive.format in _ORDERED,
        outputs_first=_outputs_first(archive.format),
        channels_first=archive.format in _CHANNELS_FIRST or keras_legacy.had_channels_first(archive),
        turned=None if archive.format in _PERHAPS_TURNED else False,
        epsilon=_EPSILONS.get(archive.format),
        notes=notes,
    )


def _outputs_first(name: str) -> bool | None:
    if name in _OUTPUTS_FIRST:
        return True
    return False if name.startswith(_OUTPUTS_LAST) else None


def _own(stored: Mapping[str, TensorEntry], today: Mapping[str, TensorEntry]) -> dict[str, tuple[str, ...]]:
    """Tensors that the file does not have under their name: those of their layer that are gone."""
    made = [name for name in today if name not in stored]
    gone = [name for name in stored if name not in today]
    return {
        name: tuple(old for old in gone if name.startswith(f"{old.rpartition('/')[0]}/")) or (name,) for name in made
    }


def _changed(
    stored: Mapping[str, TensorEntry], today: Mapping[str, TensorEntry], notes: tuple[str, ...]
) -> dict[str, str]:
    """Which tensors old versions of Keras stored otherwise."""
    if not notes:
        return {}
    said = "as today's layers hold it"
    return {
        name: said
        for name, entry in today.items()
        if name not in stored or not np.array_equal(entry.read(), stored[name].read())
    }
