"""NumPy archives (`.npz`): arrays by name, compressed or not; no pickle in them is run."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regraft.core.errors import SourceError
from regraft.core.tensors import OperationGraph, TensorArchive, TensorEntry
from regraft.formats import damage, elements, extents, npy, pickles, zip_members
from regraft.formats.npy import Header
from regraft.formats.zip_members import Members

NAME = "npz"
TITLE = "NumPy archive (.npz)"

_NUMBERED = re.compile(r"arr_(\d+)")


def read(path: Path, architecture: Mapping[str, Any] | None = None) -> TensorArchive:
    """Open an `.npz` file; arrays that were saved without names come in the order in which they were saved.

    Args:
        path: the file.
        architecture: not used: names are the file's own.

    Raises:
        CorruptFileError: the file is truncated, was altered, or claims more than it holds.
        SourceError: it holds no numbers, or a pickle that asks to run something.
    """
    tensors: dict[str, TensorEntry] = {}
    warnings: list[str] = []
    with damage.refusing_damage(path):
        members = zip_members.members(path)
        for member in _in_order(members):
            name = member.removesuffix(".npy")
            found = npy.header(members.head(member, npy.LONGEST_HEADER), path, f"'{name}'")
            if found.pickled:
                more, about = _objects(path, members, member, found)
                tensors |= {f"{name}/{key}": _renamed(entry, f"{name}/{key}") for key, entry in more.items()}
                warnings += about
            elif found.dtype is None:
                warnings.append(f"'{name}' holds no numbers and was left out")
            else:
                tensors[name] = _entry(path, members, member, found)
    if not tensors:
        raise SourceError(f"'{path}': expected arrays of numbers, found none; save the weights of the network")
    return TensorArchive(NAME, tensors, metadata={"path": str(path)}, warnings=tuple(warnings))


def graph(archive: TensorArchive) -> OperationGraph:
    """None: arrays have no graph.

    Raises:
        SourceError: always.
    """
    return pickles.graph(archive)


def _in_order(members: Members) -> list[str]:
    """The names of the members; those that NumPy numbered, by number, as the zip file may have them in any order."""
    names = list(members.by_name)
    numbers = [_NUMBERED.fullmatch(name.removesuffix(".npy")) for name in names]
    if not all(numbers):
        return names
    return sorted(names, key=lambda name: int(name.removesuffix(".npy").partition("_")[2]))


def _entry(path: Path, members: Members, member: str, found: Header) -> TensorEntry:
    npy.check_size(found, members.by_name[member].size, path, f"'{member}'")

    def content() -> bytes:
        return members.content(member)[found.start :]

    return elements.dense(
        path,
        member.removesuffix(".npy"),
        found.shape,
        found.dtype or "uint8",
        content,
        fortran=found.fortran,
        little=found.little,
    )


def _objects(path: Path, members: Members, member: str, found: Header) -> tuple[dict[str, TensorEntry], list[str]]:
    """Arrays in a member that is a pickle."""
    compressed = members.by_name[member].compressed
    whole = extents.in_memory(path, members.content(member)) if compressed else members.extent(member)
    archive = pickles.archived(NAME, path, whole, found.start, empty=True)
    if not archive.tensors:
        return {}, [f"'{member.removesuffix('.npy')}' holds no numbers and was left out"]
    return dict(archive.tensors), list(archive.warnings)


def _renamed(entry: TensorEntry, name: str) -> TensorEntry:
    return TensorEntry(name, entry.shape, entry.dtype, entry.read)
