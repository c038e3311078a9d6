"""Files of our own for an `OptimizerState`: an `.npz` that NumPy opens, with a part in JSON that says what is what.

A zip file keeps a checksum of each member, so that an altered file is told from a whole one; the format of safetensors
keeps none.
"""

import io
import itertools
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core import plain, storage
from regraft.core.errors import CorruptFileError, RequestError, SourceError
from regraft.core.optimizer_state import OptimizerState, VariableState
from regraft.formats import damage, elements, npy, zip_members
from regraft.formats.zip_members import Members

ABOUT = "optimizer_state.json"

_VERSION = 1
_MOMENT = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class _Variable:
    """A `VariableState` without its arrays: the names of these, by slot."""

    kind: str
    steps: int
    slots: Mapping[str, str]
    settings: Mapping[str, bool | float] = field(default_factory=dict[str, "bool | float"])
    scalars: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class _About:
    """What the file says beside its arrays."""

    version: int
    origin: str
    notes: tuple[str, ...]
    variables: Mapping[str, _Variable]


def write(path: Path, state: OptimizerState) -> None:
    """Write the state of an optimizer, whole or not at all; equal states make equal files.

    Args:
        path: of the file, ending in `.npz`.
        state: of which every number is kept as it is.

    Raises:
        StorageError: the disk refused.
    """
    # By number: a name may be none that a zip file should have.
    count = itertools.count()
    members = {name: {slot: str(next(count)) for slot in own.slots} for name, own in state.variables.items()}
    about = _About(
        _VERSION,
        state.origin,
        state.notes,
        {
            name: _Variable(own.kind, own.steps, members[name], own.settings, own.scalars)
            for name, own in state.variables.items()
        },
    )
    text = json.dumps(plain.to_plain(about), indent=1)
    with storage.replacing(path) as partial, zipfile.ZipFile(partial, "w") as file:
        file.writestr(zipfile.ZipInfo(ABOUT, _MOMENT), text)
        for name, own in state.variables.items():
            for slot, array in own.slots.items():
                content = io.BytesIO()
                np.lib.format.write_array(content, np.asarray(array), allow_pickle=False)
                file.writestr(zipfile.ZipInfo(f"{members[name][slot]}.npy", _MOMENT), content.getbuffer())


def read(path: Path) -> OptimizerState:
    """Read what `write` wrote.

    Args:
        path: the file.

    Raises:
        SourceError: there is no such file, or it is none of these.
        CorruptFileError: it is truncated or was altered; nothing of it is used.
    """
    if not path.is_file():
        raise SourceError(f"expected the state of an optimizer at '{path}', found no file")
    with damage.refusing_damage(path):
        members = zip_members.members(path)
        if ABOUT not in members.by_name:
            raise SourceError(f"expected '{ABOUT}' in '{path}', found {', '.join(list(members.by_name)[:3])}")
        stated = json.loads(members.content(ABOUT))
        if stated.get("version") != _VERSION:
            raise SourceError(f"'{path}' is of version {stated.get('version')}, expected {_VERSION}; update Regraft")
        try:
            about = plain.from_plain(_About, stated)
        except RequestError as error:
            raise CorruptFileError(f"'{path}' was altered ({error}); get the file again") from error
        _refuse_strays(path, members, about)
        variables = {name: _variable(path, members, own) for name, own in about.variables.items()}
    return OptimizerState(variables, about.origin, about.notes)


def is_one(path: Path) -> bool:
    """Whether a file is one of these, by its content."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    with damage.refusing_damage(path), zipfile.ZipFile(path) as file:
        return ABOUT in file.namelist()


def _refuse_strays(path: Path, members: Members, about: _About) -> None:
    wanted = {f"{array}.npy" for own in about.variables.values() for array in own.slots.values()} | {ABOUT}
    strays = sorted(wanted ^ members.by_name.keys())
    if strays:
        word = "lacks" if strays[0] in wanted else "says nothing of"
        raise CorruptFileError(f"'{path}' was altered: it {word} '{strays[0]}'; get the file again")


def _variable(path: Path, members: Members, own: _Variable) -> VariableState:
    slots = {slot: _array(path, members, f"{array}.npy") for slot, array in own.slots.items()}
    return VariableState(own.kind, own.steps, slots, own.settings, own.scalars)


def _array(path: Path, members: Members, member: str) -> np.ndarray[Any, Any]:
    content = members.content(member)
    found = npy.header(content[: npy.LONGEST_HEADER], path, f"'{member}'")
    if found.dtype is None or found.pickled:
        raise CorruptFileError(f"'{path}': '{member}' is of type {found.code}, expected numbers; get the file again")
    npy.check_size(found, len(content), path, f"'{member}'")
    values = content[found.start :]
    entry = elements.dense(
        path, member, found.shape, found.dtype, lambda: values, fortran=found.fortran, little=found.little
    )
    return entry.read()
