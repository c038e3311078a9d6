"""Where each element of a model's variables is from: found out by loading numbers in place of the weights.

Kernels are transposed, gates joined, rows put in another order on the way from a file into a model. The state of an
optimizer has to go the same way, and there is one description of it: the code that loads weights. So it is run once
more, on an archive in which every element is its own number. A variable that comes out as numbers is a rearrangement,
whatever was done; one that was computed, such as a kernel that was scaled, does not, and its state is another one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from regraft.core.tensors import TensorArchive, TensorEntry

Array = np.ndarray[Any, Any]
# Gives the values of a model's variables by canonical name, of an archive whose values may be any.
Load = Callable[[TensorArchive], Mapping[str, Array]]

# Float32 holds halves up to there without an error.
_CHUNK = 1 << 22
# Below any honest weight; and a half, so that what was multiplied or added shows.
_OFFSET = 1.5


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where the elements of a variable are from.

    Attributes:
        tensors: names of the tensors.
        places: for every element its place in these, one after the other, in the variable's shape.
    """

    tensors: tuple[str, ...]
    places: Array

    def arranged(self, arrays: Sequence[Array]) -> Array:
        """What goes with the tensors, element by element, as it goes with the variable."""
        return np.concatenate([np.reshape(array, -1) for array in arrays])[self.places]


@dataclass(frozen=True, slots=True, eq=False)
class Traced:
    """Where the variables of a model are from.

    Attributes:
        origins: by variable; those that are made of the tensors and of nothing else.
        computed: tensors that are in no variable as they are, and those that are in several.
    """

    origins: Mapping[str, Origin]
    computed: tuple[str, ...]


def traced(archive: TensorArchive, names: list[str], load: Load) -> Traced:
    """Follow some tensors of an archive into the variables of a model.

    Args:
        archive: whose other tensors keep their values.
        names: of the tensors that are followed.
        load: loads an archive as the weights are loaded.
    """
    sizes = [archive.tensors[name].size for name in names]
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    numbers = np.arange(total)
    came = {name: _told(values) for name, values in load(_numbered(archive, names, numbers % _CHUNK)).items()}
    if total > _CHUNK:
        high = {name: _told(values) for name, values in load(_numbered(archive, names, numbers // _CHUNK)).items()}
        came = {name: _joined(low, high.get(name)) for name, low in came.items()}
    uses = np.zeros(total, np.int64)
    whole = {name: places for name, places in came.items() if places is not None and int(places.max()) < total}
    for places in whole.values():
        np.add.at(uses, places.reshape(-1), 1)
    origins: dict[str, Origin] = {}
    for name, places in whole.items():
        if int(uses[places].max()) == 1:
            origins[name] = _origin(places, names, sizes, ends)
    arrived = {tensor for origin in origins.values() for tensor in origin.tensors}
    return Traced(origins, tuple(name for name in names if name not in arrived))


def _numbered(archive: TensorArchive, names: Sequence[str], numbers: Array) -> TensorArchive:
    """The archive with numbers for values."""
    tensors, start = dict(archive.tensors), 0
    for name in names:
        entry = archive.tensors[name]
        values = (-(numbers[start : start + entry.size] + _OFFSET)).astype(np.float32).reshape(entry.shape)
        tensors[name] = TensorEntry(name, entry.shape, "float32", lambda values=values: values)
        start += entry.size
    return replace(archive, tensors=tensors)


def _told(values: Array) -> Array | None:
    """The numbers that became these values; None where they are not numbers of ours."""
    if values.dtype.kind != "f" or not values.size:
        return None
    numbers = -values.astype(np.float64) - _OFFSET
    return numbers.astype(np.int64) if (numbers >= 0).all() and (numbers == np.floor(numbers)).all() else None


def _joined(low: Array | None, high: Array | None) -> Array | None:
    return None if low is None or high is None or low.shape != high.shape else low + high * _CHUNK


def _origin(places: Array, names: list[str], sizes: Sequence[int], ends: Array) -> Origin:
    owners = np.unique(np.searchsorted(ends, places.reshape(-1), side="right"))
    moved, before = places.copy(), 0
    for owner in owners:
        inside = (places >= ends[owner] - sizes[owner]) & (places < ends[owner])
        moved[inside] += before - (ends[owner] - sizes[owner])
        before += sizes[owner]
    return Origin(tuple(names[int(owner)] for owner in owners), moved)
