"""Where PyTorch keeps its numbers: one storage for each key, in a zip file, behind a pickle, or in a tar file.

The layouts are those of `torch.serialization`: the zip file of PyTorch 1.6 and later, the legacy file of 0.2 to 1.5,
and the tar file of 0.1.
"""

import struct
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, cast

import numpy as np

from regraft.core.errors import CorruptFileError, SourceError
from regraft.core.tensors import TensorEntry
from regraft.formats import damage, elements, extents, zip_members
from regraft.formats.extents import Extent
from regraft.formats.pickled_torch import TORCH, NestedFile, Storage, Tensor, storage
from regraft.formats.pickled_values import Name, Rules, Text
from regraft.formats.unpickling import unpickled
from regraft.formats.zip_members import Members

MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
# What a tensor may claim beyond its storage: strides of zero repeat an element.
_SMALL = 1 << 20


@dataclass(frozen=True, slots=True)
class Stored:
    """The bytes of a storage.

    Attributes:
        size: of them.
        read: gives some of them: offset, count.
        little: whether the least significant byte of an element comes first.
    """

    size: int
    read: Callable[[int, int], bytes]
    little: bool = True


@dataclass(frozen=True, slots=True)
class Saved:
    """A file of `torch.save`.

    Attributes:
        value: what was saved.
        foreign: classes and functions that the pickle names and the table of stand-ins does not know.
        stored: gives the bytes of a storage.
        layout: `zip`, `legacy`, `tar` or `pickle`.
        unchecked: whether the file was written without checksums.
    """

    value: Any
    foreign: tuple[Name, ...]
    stored: Callable[[Storage], Stored]
    layout: str
    unchecked: bool = False


def in_zip(path: Path, pickle: str = "data.pkl", folder: str = "data") -> Saved:
    """A zip file: the pickle `data.pkl` and one member for each storage.

    Args:
        path: the file.
        pickle: the member that holds the structure.
        folder: where the storages are.
    """
    members = zip_members.members(path, unchecked=True)
    root = _root(path, members, pickle)
    order = members.content(f"{root}byteorder") if f"{root}byteorder" in members.by_name else b"little"
    if order not in (b"little", b"big"):
        raise CorruptFileError(f"'{path}': expected the byte order little or big, found {order[:20]!r}")
    found = unpickled(members.extent(root + pickle), Rules(TORCH, _persistent, foreign=True))

    def stored(item: Storage) -> Stored:
        name = f"{root}{folder}/{item.key}"
        if name not in members.by_name:
            raise CorruptFileError(f"'{path}' names the storage '{name}' and does not hold it; get the file again")

        def read(offset: int, count: int) -> bytes:
            return members.extent(name).within(offset, count, f"'{name}'").bytes()

        return Stored(members.by_name[name].size, read, order == b"little")

    return Saved(found.value, found.foreign, stored, "zip", members.unchecked)


def _root(path: Path, members: Members, pickle: str) -> str:
    """The folder that everything is in; its name is that of the file at saving."""
    roots = [name.removesuffix(pickle) for name in members.by_name if name.rpartition("/")[2] == pickle]
    roots = [root for root in roots if root.count("/") <= 1]
    if len(roots) != 1:
        raise CorruptFileError(f"'{path}': expected one '{pickle}', found {len(roots)}; get the file again")
    return roots[0]


def _persistent(key: Any) -> Any:
    """What PyTorch keeps outside of the pickle: storages, and modules with their source, which is left alone."""
    kind, *rest = key
    kind = kind.decode("ascii") if isinstance(kind, bytes) else kind
    if kind == "module":
        return rest[0]
    if kind != "storage" or len(rest) not in (4, 5):
        raise TypeError("neither a storage nor a module")
    return storage(rest[0], rest[1], rest[3], *rest[4:])


def legacy(extent: Extent) -> Saved:
    """A legacy file: four pickles, the list of storages, and their bytes one after the other, always little-endian."""
    path, place = extent.path, 0
    for expected in (MAGIC, _PROTOCOL, None):
        head = unpickled(extent, Rules({}), place)
        if expected is not None and head.value != expected:
            raise CorruptFileError(f"'{path}' is no PyTorch file: its first pickles are others; get the file again")
        place = head.end
    named: dict[str, Storage] = {}

    def persistent(key: Any) -> Any:
        value = _persistent(key)
        if isinstance(value, Storage):
            named.setdefault(value.key, value)
        return value

    found = unpickled(extent, Rules(TORCH, persistent, foreign=True), place)
    keys = unpickled(extent, Rules({}), found.end)
    parts = _behind(extent, keys.end, keys.value, named)
    return Saved(found.value, found.foreign, _finder(path, parts), "legacy")


def _behind(extent: Extent, place: int, keys: Any, named: dict[str, Storage]) -> dict[str, Extent]:
    """The storages behind the pickles: for each the number of its elements, then these."""
    parts: dict[str, Extent] = {}
    for key in cast(list[Any], keys) if isinstance(keys, list) else []:
        name = key.decode("ascii") if isinstance(key, bytes) else str(key)
        if name not in named:
            raise CorruptFileError(f"'{extent.path}' holds a storage '{name}' that it does not use; get the file again")
        size = elements.itemsize(named[name].dtype or "uint8")
        (count,) = struct.unpack("<q", extent.within(place, 8, f"the length of storage '{name}'").bytes())
        parts[name] = extent.within(place + 8, count * size, f"storage '{name}'")
        place += 8 + count * size
    return parts


def _finder(path: Path, parts: dict[str, Extent]) -> Callable[[Storage], Stored]:
    def stored(item: Storage) -> Stored:
        if item.key not in parts:
            raise CorruptFileError(f"'{path}' names the storage '{item.key}' and does not hold it; get the file again")
        part = parts[item.key]
        return Stored(part.size, lambda offset, count: part.within(offset, count, f"storage '{item.key}'").bytes())

    return stored


def in_tar(path: Path) -> Saved:
    """A tar file: the members `storages`, `tensors` and `pickle`."""
    whole = extents.whole(path)
    with damage.refusing_damage(path), tarfile.open(path, "r:") as archive:
        members = {
            item.name: whole.within(item.offset_data, item.size, f"'{item.name}'")
            for item in archive.getmembers()
            if item.isreg() and not item.issparse()
        }
    missing = {"storages", "tensors", "pickle"} - set(members)
    if missing:
        raise CorruptFileError(f"'{path}' lacks '{sorted(missing)[0]}'; expected a PyTorch file; get the file again")
    storages, parts = _tar_storages(members["storages"])
    tensors = _tar_tensors(members["tensors"], storages)

    def persistent(key: Any) -> Any:
        if isinstance(key, tuple):
            return cast(tuple[Any, ...], key)[0]
        return tensors[int(key)] if int(key) in tensors else storages[int(key)]

    found = unpickled(members["pickle"], Rules(TORCH, persistent, foreign=True))
    return Saved(found.value, found.foreign, _finder(path, parts), "tar")


def _tar_storages(extent: Extent) -> tuple[dict[int, Storage], dict[str, Extent]]:
    rules = Rules(TORCH)
    head = unpickled(extent, rules)
    place, storages, parts = head.end, dict[int, Storage](), dict[str, Extent]()
    for _ in range(_bounded(head.value, extent)):
        about = unpickled(extent, rules, place)
        key, _location, kind = about.value
        (count,) = struct.unpack("<q", extent.within(about.end, 8, "the length of a storage").bytes())
        item = storage(kind, key, count)
        parts[item.key] = extent.within(about.end + 8, item.size(), f"storage '{item.key}'")
        storages[int(key)] = item
        place = about.end + 8 + item.size()
    for target, root, offset, count in cast(list[Any], unpickled(extent, rules, place).value):
        item = storages[int(root)]
        storages[int(target)] = Storage(item.key, item.dtype, int(count), int(offset))
    return storages, parts


def _tar_tensors(extent: Extent, storages: dict[int, Storage]) -> dict[int, Tensor]:
    rules = Rules(TORCH)
    head = unpickled(extent, rules)
    place, tensors = head.end, dict[int, Tensor]()
    for _ in range(_bounded(head.value, extent)):
        about = unpickled(extent, rules, place)
        key, source, _kind = about.value
        # The number of axes takes four bytes, the four after it say nothing.
        (axes,) = struct.unpack("<i", extent.within(about.end, 4, "a tensor's number of axes").bytes())
        numbers = extent.within(about.end + 8, 16 * axes + 8, "a tensor's shape").bytes()
        *sizes, offset = struct.unpack(f"<{2 * axes + 1}q", numbers)
        shape = elements.checked_shape(sizes[:axes], "a tensor")
        strides = elements.checked_shape(sizes[axes:], "a tensor's strides")
        item = storages[int(source)]
        tensors[int(key)] = Tensor(item, offset, shape, strides, item.dtype or "uint8")
        place = about.end + 16 + 16 * axes
    return tensors


def _bounded(count: Any, extent: Extent) -> int:
    if not isinstance(count, int) or not 0 <= count <= extent.size:
        raise CorruptFileError(f"'{extent.path}' claims {str(count)[:30]} parts; get the file again")
    return count


def entry(name: str, tensor: Tensor, saved: Saved | None, path: Path) -> TensorEntry:
    """The tensor in a view of a storage; only the part of the storage that it covers is read.

    Args:
        name: of the tensor.
        tensor: the view.
        saved: the file that it is in; None where only storages packed in the pickle can be had.
        path: the file, for messages.

    Raises:
        CorruptFileError: it reaches beyond its storage, or claims far more than is there.
        SourceError: its storage is in another file.
    """
    tensor, stored = _resolved(tensor, saved, path)
    itemsize = elements.itemsize(tensor.dtype)
    first = tensor.offset * itemsize + tensor.source.start * itemsize
    reach = 1 + sum((size - 1) * step for size, step in zip(tensor.shape, tensor.strides, strict=True))
    count = prod(tensor.shape)
    reach = reach if count else 0
    if first < 0 or first + reach * itemsize > stored.size or count > max(_SMALL, stored.size):
        raise CorruptFileError(
            f"'{path}': tensor '{name}' of shape {tensor.shape} and type {tensor.dtype} reaches to byte "
            f"{first + max(reach, count) * itemsize} of its storage, {stored.size} are there; get the file again"
        )

    def read() -> np.ndarray[Any, Any]:
        with damage.refusing_damage(path):
            flat = elements.from_bytes(stored.read(first, reach * itemsize), tensor.dtype, stored.little)
            steps = tuple(step * itemsize for step in tensor.strides)
            # NumPy checks once more that the strides stay inside.
            view = np.ndarray(tensor.shape, flat.dtype, flat.view(np.uint8), strides=steps)
            return np.array(view, order="C", copy=True)

    return TensorEntry(name, tensor.shape, tensor.dtype, read)


def _resolved(tensor: Tensor, saved: Saved | None, path: Path) -> tuple[Tensor, Stored]:
    """The tensor on a storage with a type, and the bytes of that."""
    if isinstance(tensor.source, Storage):
        if saved is None:
            raise SourceError(f"'{path}' keeps its tensors in another file; expected a file that holds all its own")
        return tensor, saved.stored(tensor.source)
    nested = legacy(_packed(tensor.source, path))
    if not isinstance(nested.value, Storage):
        raise CorruptFileError(f"'{path}': expected a storage packed in the pickle, found none; get the file again")
    dtype = tensor.dtype or nested.value.dtype or "uint8"
    return Tensor(nested.value, tensor.offset, tensor.shape, tensor.strides, dtype), nested.stored(nested.value)


def _packed(nested: NestedFile, path: Path) -> Extent:
    """The file inside the string: where it lies, or in memory where it is written in another way."""
    content = nested.content
    if isinstance(content, Text) and content.coding == "bytes":
        return content.extent
    raw = content.decoded() if isinstance(content, Text) else content
    return extents.in_memory(path, raw if isinstance(raw, bytes) else b"")
