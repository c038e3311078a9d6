"""The state of an optimizer from whatever file it is in: one table of kinds, one way from each of them to a model."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import keras as _keras
import numpy as np

from regraft import formats
from regraft.core import rules as rule_text
from regraft.core.card import is_source
from regraft.core.errors import RequestError, SelectorError, SourceError, nearest
from regraft.core.optimizer_state import OptimizerState, VariableState
from regraft.core.rules import RulesValue
from regraft.core.tensors import TensorArchive
from regraft.formats import damage, optimizer_states, tensorflow_checkpoint
from regraft.graph import names
from regraft.importers import catalogued
from regraft.importers.optimizer_state import keras, placing, pytorch, tensorflow
from regraft.importers.optimizer_state.terms import UNKNOWN, Asked
from regraft.importers.pretrained import Source

# Each has `FORMATS` and `states(archive, asked)`.
KINDS: tuple[ModuleType, ...] = (keras, tensorflow, pytorch)


def optimizer_state(
    source: Source,
    model: _keras.Model | None = None,
    *,
    rules: RulesValue | None = None,
    learning_rate: float | None = None,
) -> OptimizerState:
    """Read what an optimizer had learnt about each variable, so that training goes on with it.

    Slots, steps and settings come in Keras' terms, whoever wrote them, and belong to names: the canonical ones of the
    model that `regraft.open` makes of the same file. What belongs to no name that is certain is in `notes`.

    Args:
        source: a whole model of Keras, a checkpoint of TensorFlow or PyTorch, or a file that
            `regraft.formats.optimizer_states.write` wrote; or `zoo:NAME`, a model of the catalogue that was added with
            it.
        model: whose names the state is to have; needed where the file does not say its network, such as a checkpoint
            without a graph. It is not changed.
        rules: from the names of the file to those of the model, as `regraft.restore` takes them.
        learning_rate: that of the last step, where the file does not say it.

    Returns:
        The state of each variable that the optimizer had one for; frozen ones have none.

    Raises:
        SourceError: the file has no optimizer in it, says no network, or none of its state can be attributed.
        SelectorError: several ways from the file to the model are possible, or a rule has no effect.
        CorruptFileError: the file is truncated or was altered.
    """
    if not isinstance(source, (str, os.PathLike)):
        raise RequestError(f"expected a file that holds an optimizer's state, found {type(source).__name__}")
    if rules is not None and model is None:
        raise RequestError("expected a model whose names the rules lead to, found rules alone; give the model")
    if is_source(source):
        kept = catalogued.optimizer_state(os.fspath(source))
        return _known_to(model, kept) if model is not None else kept
    path = Path(source)
    if optimizer_states.is_one(path):
        return _known_to(model, optimizer_states.read(path)) if model is not None else optimizer_states.read(path)
    archive = _read(path)
    entry, kind = archive.optimizer, next((kind for kind in KINDS if archive.format in kind.FORMATS), None)
    if entry is None or kind is None:
        raise SourceError(
            f"expected the state of an optimizer in '{path}', found {_held(archive)} and none of it; save the model "
            "compiled, or the optimizer's state dict beside the model's"
        )
    with damage.refusing_damage(path):
        told = kind.states(archive, Asked(path, learning_rate, lambda: placing.own_model(path)))
    if not told.states:
        # What names one array each says nothing beside what says why.
        why = [note for note in told.notes if not note.endswith(UNKNOWN)] or told.notes
        reason = f": {'; '.join(why)}" if why else ""
        raise SourceError(f"none of the optimizer's state in '{path}' can be attributed to variables{reason}")
    states, notes = _placed(archive, path, told.states, model, rules)
    plain = {name: _plain(item) for name, item in states.items()}
    broken = [name for name, item in plain.items() if not all(np.isfinite(slot).all() for slot in item.slots.values())]
    said = [f"the state of '{name}' is left out: it holds NaN or infinity" for name in broken]
    whole = {name: item for name, item in plain.items() if name not in broken}
    if not whole:
        raise SourceError(f"none of the optimizer's state in '{path}' is finite; take an earlier checkpoint")
    state = OptimizerState(whole, str(path), (*told.notes, *notes, *said))
    return state if model is None else _known_to(model, state)


def _read(path: Path) -> TensorArchive:
    archive = formats.read(path)
    if archive.format != tensorflow_checkpoint.NAME:
        return archive
    # The graph beside a checkpoint says which network it is of, and the optimizer's settings.
    meta = tensorflow_checkpoint.beside(Path(archive.metadata["prefix"]))
    return archive if meta is None else formats.read(meta)


def _held(archive: TensorArchive) -> str:
    return f"{len(archive.tensors)} tensors ({formats.FORMATS[archive.format].TITLE})"


def _placed(
    archive: TensorArchive,
    path: Path,
    states: Mapping[str, VariableState],
    model: _keras.Model | None,
    rules: RulesValue | None,
) -> placing.Placed:
    """The states by canonical names: by those of the file's own network, unless only the given model is known."""
    if rules is None and placing.is_network(archive):
        try:
            load = placing.loader(archive, path)
            own = placing.placed(archive, states, load) if load else (dict(states), ())
        except SourceError:
            if model is None:
                raise
            own = ({}, ())
        if model is None or _shared(own[0], model):
            return own
    if model is None:
        raise SourceError(
            f"'{path}' does not say which network it is of; give the model that the state is for: "
            "regraft.optimizer_state(source, model)"
        )
    given = None if rules is None else rule_text.of(rules)
    return placing.placed(archive, states, placing.restoring(archive, path, model, given))


def _shared(states: Mapping[str, VariableState], model: _keras.Model) -> set[str]:
    return states.keys() & names.variables(model).keys()


def _known_to(model: _keras.Model, state: OptimizerState) -> OptimizerState:
    """The state of the variables that a model has, of its shapes; notes about the others.

    Raises:
        SourceError: it has none of them.
    """
    shapes = {name: tuple(variable.shape) for name, variable in names.variables(model).items()}
    kept, notes = dict[str, VariableState](), list(state.notes)
    for name, own in state.variables.items():
        found = {slot.shape for slot in own.slots.values()}
        if name not in shapes:
            notes.append(f"'{name}' is no variable of model '{model.name}'{nearest(name, shapes, 1)}")
        elif found - {shapes[name]}:
            shape = (found - {shapes[name]}).pop()
            notes.append(f"'{name}' has state of shape {shape}, and shape {shapes[name]} in model '{model.name}'")
        else:
            kept[name] = own
    if not kept and state.variables:
        raise SelectorError(
            f"expected names of model '{model.name}' in '{state.origin}', found none of the {len(state.variables)}: "
            f"{notes[len(state.notes)]}; give rules"
        )
    return OptimizerState(kept, state.origin, tuple(notes))


def _plain(state: VariableState) -> VariableState:
    """The same in types that NumPy has by itself."""
    slots = {
        name: np.ascontiguousarray(slot if slot.dtype in (np.float32, np.float64) else slot.astype(np.float32))
        for name, slot in state.slots.items()
    }
    return VariableState(state.kind, state.steps, slots, state.settings, state.scalars)
