"""PyTorch files (`.pt`, `.pth`, `.th`): state dicts, checkpoints and pickled modules, without PyTorch, running nothing.

The layouts are described in `pytorch_storages.py`, the names in `pytorch_names.py`.
"""

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from regraft.core.errors import SourceError
from regraft.core.tensors import OperationGraph, OptimizerEntry, TensorArchive, TensorEntry
from regraft.formats import (
    damage,
    extents,
    pickled_arrays,
    pickled_tree,
    pytorch_names,
    pytorch_optimizer,
    sharded,
    stated_graph,
)
from regraft.formats import pytorch_storages as layouts
from regraft.formats.pickled_arrays import Array
from regraft.formats.pickled_torch import Unreadable
from regraft.formats.pickled_tree import Leaf
from regraft.formats.pickled_values import refused
from regraft.formats.pytorch_names import Named, Sorted
from regraft.formats.pytorch_storages import Saved

NAME = "pytorch"
TITLE = "PyTorch state dict, checkpoint or module (.pt, .pth, .th)"

# Of shards, and of the index beside them.
ENDINGS = (".bin", ".pt", ".pth")
INDEX = ".bin.index.json"

_SHOWN = 4
# Classes that need no warning: PyTorch's own layers.
_KNOWN = "torch.nn."

UNCHECKED = "the file was written without checksums: whether its values were altered cannot be told"


def read(path: Path, architecture: Mapping[str, Any] | None = None) -> TensorArchive:
    """Open a PyTorch file, an index of shards, or a folder with one.

    Args:
        path: the file or folder.
        architecture: not used: names are the file's own.

    Raises:
        CorruptFileError: a file is truncated or was altered, or lacks what the index says.
        SourceError: it holds no tensors, or asks to run what is no tensor, array, container or module.
    """
    path = sharded.in_folder(path, ENDINGS[0], INDEX, f"pytorch_model{ENDINGS[0]}") if path.is_dir() else path
    with damage.refusing_damage(path):
        if path.name.endswith(".json"):
            places: dict[str, Any] = dict(json.loads(path.read_bytes())["weight_map"])
            return sharded.joined(NAME, path, places, _alone)
        return _alone(path)


def _alone(path: Path) -> TensorArchive:
    saved = _saved(path)
    modules = modules_of(saved, path)
    return archive_of(NAME, path, saved, pickled_tree.leaves(saved.value, path), modules)


def graph(archive: TensorArchive) -> OperationGraph:
    """The graph that the archive was given where its network was recognised; the file itself holds none.

    Raises:
        SourceError: the network was not recognised.
    """
    graph = stated_graph.recognised(archive)
    if graph is not None:
        return graph
    raise SourceError(
        f"'{archive.metadata.get('path', 'the file')}' holds weights but no architecture; say which with "
        "--architecture (keras:NAME, or package.module:function), or export the network to ONNX"
    )


def _saved(path: Path) -> Saved:
    if zipfile.is_zipfile(path):
        return layouts.in_zip(path)
    with path.open("rb") as file:
        head = file.read(1)
    return layouts.legacy(extents.whole(path)) if head == b"\x80" else layouts.in_tar(path)


def modules_of(saved: Saved, path: Path) -> dict[str, str]:
    """The classes of a pickled module by name.

    Raises:
        SourceError: there is no module, and the pickle names code.
    """
    found: dict[str, str] = {}
    roots = saved.value.values() if isinstance(saved.value, dict) else [saved.value]
    for root in roots:
        found |= pickled_tree.kinds_of_modules(root, path)
    if saved.foreign and not found:
        raise refused(saved.foreign[0], extents.whole(path))
    return found


def archive_of(
    format_name: str, path: Path, saved: Saved, leaves: Sequence[Leaf], modules: Mapping[str, str]
) -> TensorArchive:
    """The archive of what PyTorch saved.

    Args:
        format_name: of the format that it was found in.
        path: the file.
        saved: what it holds.
        leaves: the same, leaf by leaf.
        modules: the classes of pickled modules by name.
    """
    found = pytorch_names.told_apart(leaves, path)
    tensors, warnings = _tensors(path, saved, found)
    optimizer, more = _optimizer(path, saved, found, tensors)
    strange = sorted({str(name) for name in saved.foreign if not str(name).startswith(_KNOWN)})
    if strange:
        shown = ", ".join(strange[:_SHOWN]) + (", ..." if len(strange) > _SHOWN else "")
        more = [*more, f"the file names code, which was not run: {shown}"]
    if saved.unchecked:
        more = [*more, UNCHECKED]
    metadata = {
        "path": str(path),
        "layout": saved.layout,
        "key": ", ".join(key for key in found.keys if key) or None,
        "prefix": found.prefix or None,
        "values": found.values or None,
        "modules": dict(modules) or None,
    }
    return TensorArchive(format_name, tensors, None, optimizer, metadata, (*found.warnings, *warnings, *more))


def _tensors(path: Path, saved: Saved, found: Sorted) -> tuple[dict[str, TensorEntry], list[str]]:
    tensors: dict[str, TensorEntry] = {}
    warnings: list[str] = []
    for item in found.tensors:
        made = _entry(path, saved, item.name, item.leaf.value)
        if made is None:
            kind = item.leaf.value.kind if isinstance(item.leaf.value, Unreadable) else "an array without numbers"
            warnings.append(f"'{item.name}' is {kind} and was left out")
        else:
            tensors[item.name] = made
    return tensors, warnings


def _entry(path: Path, saved: Saved, name: str, value: Any) -> TensorEntry | None:
    if isinstance(value, Unreadable):
        return None
    if isinstance(value, Array):
        return pickled_arrays.entry(path, name, value)
    return layouts.entry(name, value, saved, path)


def _optimizer(
    path: Path, saved: Saved, found: Sorted, tensors: Mapping[str, TensorEntry]
) -> tuple[OptimizerEntry | None, list[str]]:
    if not found.optimizers:
        return None, []
    variables = [(item.name, tensors[item.name].shape) for item in found.tensors if _learns(item, tensors)]
    chosen: Leaf = found.optimizers[0]
    entry, warnings = pytorch_optimizer.entry(
        chosen.value, variables, lambda name, value: layouts.entry(name, value, saved, path)
    )
    if len(found.optimizers) > 1:
        others = ", ".join("/".join(leaf.place) for leaf in found.optimizers[1:])
        warnings.append(f"the state of further optimizers was left out: {others}")
    return entry, warnings


def _learns(item: Named, tensors: Mapping[str, TensorEntry]) -> bool:
    return item.name in tensors and not item.leaf.buffer
