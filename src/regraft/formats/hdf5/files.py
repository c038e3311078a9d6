"""HDF5 files: opened, walked once from the root, and closed again."""

import contextlib
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from regraft.core.errors import CorruptFileError, SourceError
from regraft.formats import extents
from regraft.formats.damage import stamp
from regraft.formats.extents import Extent
from regraft.formats.hdf5 import datasets, groups, headers, superblock
from regraft.formats.hdf5.attributes import Attributes
from regraft.formats.hdf5.content import Content
from regraft.formats.hdf5.datasets import Values
from regraft.formats.hdf5.groups import Link
from regraft.formats.hdf5.headers import Message

# Networks inside of networks have some dozens.
_DEEPEST = 200
# What the paths of all members may take together, in times of the file's size: honest ones take a tenth of it.
_LONGEST, _SMALL = 16, 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """Where an HDF5 file is to be read from, again and again: no file stays open between two readings.

    Attributes:
        path: the file, for reading and for messages.
        extent: the part of it that is HDF5.
        stamp: size and time of the file when it was opened first; it must not change under a reader's hands.
    """

    path: Path
    extent: Extent
    stamp: tuple[int, int]

    def check(self) -> None:
        """See that it is still the same file.

        Raises:
            CorruptFileError: it is not.
        """
        if stamp(self.path) != self.stamp:
            raise CorruptFileError(f"'{self.path}' was replaced while it was in use; open it again")

    @contextlib.contextmanager
    def opened(self) -> Generator["Group"]:
        """The root group, to be read from inside the block.

        Raises:
            CorruptFileError: it is not the file that it was.
            SourceError: it is kept in a way that is not read.
            ValueError: it is damaged.
        """
        self.check()
        with self.extent.opened() as file:
            content, root = superblock.opened(self.path, file, self.extent.size)
            yield Group("/", Attributes(content, held := headers.messages(content, root), "/"), content, held, root)


def source(path: Path, extent: Extent | None = None) -> Source:
    """The HDF5 file at a path, or the part of the file that is HDF5."""
    return Source(path, extents.whole(path) if extent is None else extent, stamp(path))


def is_hdf5(file: BinaryIO, size: int) -> bool:
    """Whether a file is one of HDF5.

    Args:
        file: any file.
        size: of it.
    """
    return superblock.start(file, size) is not None


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """A group: `attrs`, and what it holds.

    Attributes:
        name: its path from the root.
        attrs: its attributes.
        content: the file.
        held: the messages of its header.
        address: of its header.
    """

    name: str
    attrs: Attributes
    content: Content
    held: list[Message]
    address: int

    def members(self) -> list[Link]:
        """What it holds, by name; links to elsewhere too."""
        return groups.links(self.content, self.held, self.name)


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A dataset: `attrs`, and what its values are.

    Attributes:
        name: its path from the root.
        attrs: its attributes.
        values: what its header says of its values.
        content: the file.
    """

    name: str
    attrs: Attributes
    values: Values
    content: Content

    @property
    def shape(self) -> tuple[int, ...]:
        """Of its values; that of a number where there is nothing."""
        return self.values.space.shape or ()


def held(root: Group, path: Path) -> tuple[dict[str, Group], dict[str, Dataset]]:
    """The groups and the datasets of a file by path; an object that has two names has the first of them.

    Every attribute is looked at too, so that a damaged file is refused whole.

    Args:
        root: of the file.
        path: the file, for messages.

    Raises:
        SourceError: it holds a link to elsewhere; none is followed, and Keras, which writes none, would follow it.
        ValueError: it is damaged.
    """
    content = root.content
    found_groups: dict[str, Group] = {}
    found_datasets: dict[str, Dataset] = {}
    _check(root.attrs)
    left = _LONGEST * content.size + _SMALL
    seen, pending = {root.address}, [_members(root, "", path)]
    while pending:
        if not pending[-1]:
            pending.pop()
            continue
        name, address = pending[-1].pop()
        left -= len(name)
        if left < 0 or len(pending) > _DEEPEST:
            raise ValueError("groups inside each other without end")
        if address in seen:
            continue
        seen.add(address)
        messages = headers.messages(content, address)
        attributes = Attributes(content, messages, name)
        _check(attributes)
        if datasets.is_dataset(messages):
            found_datasets[name] = Dataset(f"/{name}", attributes, datasets.described(content, messages), content)
        elif groups.is_group(messages):
            found_groups[name] = group = Group(f"/{name}", attributes, content, messages, address)
            pending.append(_members(group, f"{name}/", path))
    return found_groups, found_datasets


def _members(group: Group, prefix: str, path: Path) -> list[tuple[str, int]]:
    """The members of a group, the last first."""
    members: list[tuple[str, int]] = []
    for link in group.members():
        if link.address is None:
            raise SourceError(
                f"'{prefix}{link.name}' of '{path}' is a link to {link.elsewhere}; "
                "expected a file that holds all its own, as Keras writes it; nothing of it was read"
            )
        members.append((prefix + link.name, link.address))
    return members[::-1]


def _check(attributes: Attributes) -> None:
    for name, stored in attributes.stored.items():
        if stored.type.text == "variable":
            attributes[name]
