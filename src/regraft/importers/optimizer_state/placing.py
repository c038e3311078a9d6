"""From the names of a file to the canonical names of a model, each array as the variable lies."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from regraft.core.errors import SourceError
from regraft.core.optimizer_state import VariableState
from regraft.core.rules import Rule
from regraft.core.tensors import TensorArchive
from regraft.graph import names
from regraft.importers import families, keras_file, keras_legacy, state_dict
from regraft.importers.graphs import converting
from regraft.importers.optimizer_state.tracing import Load, Origin, traced
from regraft.importers.pretrained import Request
from regraft.importers.restoring import carrying, places, planning, sources

Array = np.ndarray[Any, Any]
Placed = tuple[dict[str, VariableState], tuple[str, ...]]


def own_model(path: Path) -> keras.Model:
    """The model that a file holds, with its weights, as `regraft.open` gives it.

    Raises:
        SourceError: it holds none, or one that cannot be opened.
    """
    return keras_file.load(Request(str(path), str(path))).model


def is_network(archive: TensorArchive) -> bool:
    """Whether a file says which network it is of."""
    if archive.format in converting.TABLES or archive.config is not None:
        return True
    return archive.format in families.FORMATS and families.recognised(archive) is not None


def loader(archive: TensorArchive, path: Path) -> Load | None:
    """What loads an archive into the network that the file holds; None where it holds none that is known.

    A whole model of Keras 3 has none: its tensors have the names of the variables, and lie as these do.
    """
    text = str(path)
    if archive.format in converting.TABLES:
        return lambda other: names.values(
            converting.from_graph(other, converting.TABLES[other.format](other), text).built.model
        )
    if archive.format in families.FORMATS and families.recognised(archive) is not None:
        return lambda other: names.values(_drawn(other, text))
    if archive.config is not None and keras_legacy.is_old(archive):
        return lambda other: names.values(keras_legacy.load(other, path).model)
    return None


def placed(archive: TensorArchive, states: Mapping[str, VariableState], load: Load) -> Placed:
    """The states by the variables of the network that `load` makes, and what got lost on the way.

    Args:
        archive: the file.
        states: by the names of its tensors.
        load: see `loader`.
    """
    known = [name for name, state in states.items() if name in archive.tensors and _fits(archive, name, state)]
    notes = [f"'{name}' is no weight of the file, or not of its shape" for name in states if name not in known]
    found = traced(archive, known, load)
    placed: dict[str, VariableState] = {}
    for variable, origin in found.origins.items():
        state = _state([states[name] for name in origin.tensors], origin)
        if state is None:
            notes.append(f"'{variable}' is made of {', '.join(origin.tensors)}, which differ in their optimizer")
        else:
            placed[variable] = state
    if found.computed:
        notes.append(
            f"the state of {', '.join(found.computed)} is left out: these are in no variable of the network as they are"
        )
    return placed, tuple(notes)


def restoring(archive: TensorArchive, path: Path, model: keras.Model, rules: Sequence[Rule] | None) -> Load:
    """What loads an archive into the variables of a model, as `regraft.restore` would.

    Args:
        archive: the file.
        path: its path.
        model: is not changed.
        rules: that are followed; None: found.

    Raises:
        SelectorError: no way from the file to the model is certain, or a rule has no effect.
    """
    wanted = {place.name: place for place in places.places(model)}
    moves = planning.planned(sources.of_archive(archive, model, path), model, rules).moves
    dtypes = dict.fromkeys(wanted, "float32")

    def load(other: TensorArchive) -> Mapping[str, Array]:
        return carrying.computed(moves, sources.of_archive(other, model, path), wanted, dtypes)[0]

    return load


def _drawn(archive: TensorArchive, text: str) -> keras.Model:
    found = families.recognised(archive)
    if found is None:
        raise SourceError(f"'{text}': its network is not recognised")
    return state_dict.drawn(archive, found, text).model


def _fits(archive: TensorArchive, name: str, state: VariableState) -> bool:
    return all(slot.shape == archive.tensors[name].shape for slot in state.slots.values())


def _state(states: Sequence[VariableState], origin: Origin) -> VariableState | None:
    """The state of a variable that is made of some tensors; None where these are not alike."""
    first = states[0]
    for state in states[1:]:
        alike = state.kind == first.kind and state.steps == first.steps and set(state.slots) == set(first.slots)
        if not alike or state.settings != first.settings or state.scalars != first.scalars:
            return None
    slots = {slot: origin.arranged([state.slots[slot] for state in states]) for slot in first.slots}
    return VariableState(first.kind, first.steps, slots, first.settings, first.scalars)
