"""Pickles of arrays in dictionaries and lists, as Theano, Lasagne and caffe-tensorflow left them; none is run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from regraft.core.errors import SourceError
from regraft.core.tensors import OperationGraph, TensorArchive, TensorEntry
from regraft.formats import damage, extents, pickled_arrays, pickled_tree, pytorch
from regraft.formats.extents import Extent
from regraft.formats.pickled_arrays import Array
from regraft.formats.pickled_torch import TORCH, Storage, Tensor
from regraft.formats.pickled_tree import Leaf
from regraft.formats.pickled_values import Rules
from regraft.formats.pytorch_storages import Saved
from regraft.formats.unpickling import unpickled

NAME = "pickle"
TITLE = "Python pickle of arrays (.pkl)"

_SHOWN = 4


def read(path: Path, architecture: Mapping[str, Any] | None = None) -> TensorArchive:
    """Open a pickle of arrays, or of a PyTorch network.

    Args:
        path: the file.
        architecture: not used: names are the file's own.

    Raises:
        CorruptFileError: the file is truncated or was altered.
        SourceError: it holds no arrays, or asks to run something.
    """
    with damage.refusing_damage(path):
        return archived(NAME, path, extents.whole(path))


def graph(archive: TensorArchive) -> OperationGraph:
    """None: arrays have no graph.

    Raises:
        SourceError: always.
    """
    raise SourceError(
        f"'{archive.metadata.get('path', 'the file')}' holds arrays but no architecture; say which with "
        "--architecture (keras:NAME, or package.module:function)"
    )


def archived(format_name: str, path: Path, extent: Extent, start: int = 0, empty: bool = False) -> TensorArchive:
    """The archive of the pickle in an extent.

    Args:
        format_name: of the format that the pickle was found in.
        path: the file.
        extent: of the file.
        start: where the pickle begins.
        empty: whether a pickle without arrays is fine.

    Raises:
        CorruptFileError: the pickle is truncated or was altered.
        SourceError: it holds no arrays and may not, or asks to run something.
    """
    found = unpickled(extent, Rules(TORCH, foreign=True), start)
    saved = Saved(found.value, found.foreign, lambda storage: _elsewhere(path, storage), "pickle")
    modules = pytorch.modules_of(saved, path)
    leaves = pickled_tree.leaves(found.value, path)
    if any(isinstance(leaf.value, Tensor) for leaf in leaves):
        return pytorch.archive_of(format_name, path, saved, leaves, modules)
    tensors, left_out = _arrays(path, leaves)
    if not tensors and not empty:
        shown = f"; found {_some(left_out)}" if left_out else ""
        raise SourceError(f"'{path}': expected arrays of numbers in the pickle, found none{shown}; save the weights")
    warnings = (f"left out, as no arrays of numbers: {_some(left_out)}",) if left_out else ()
    return TensorArchive(format_name, tensors, metadata={"path": str(path)}, warnings=warnings)


def _elsewhere(path: Path, storage: Storage) -> NoReturn:
    raise SourceError(f"'{path}' keeps its tensors in another file; save them with torch.save")


def _arrays(path: Path, leaves: Sequence[Leaf]) -> tuple[dict[str, TensorEntry], list[str]]:
    tensors: dict[str, TensorEntry] = {}
    left_out: dict[str, None] = {}
    for leaf in leaves:
        name = _name(leaf.place)
        entry = pickled_arrays.entry(path, name, leaf.value) if isinstance(leaf.value, Array) else None
        if entry is None:
            left_out["/".join(leaf.place[:1]) or type(leaf.value).__name__] = None
        elif name in tensors:
            raise SourceError(f"'{path}' holds two arrays called '{name}'; save them under different names")
        else:
            tensors[name] = entry
    return tensors, list(left_out)


def _name(place: tuple[str, ...]) -> str:
    """Names as NumPy gives them to arrays without one, elsewhere the keys on the way.

    >>> _name(("conv1", "weights")), _name(("3",)), _name(())
    ('conv1/weights', 'arr_3', 'arr_0')
    """
    if not place:
        return "arr_0"
    return f"arr_{place[0]}" if len(place) == 1 and place[0].isdigit() else "/".join(place)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
