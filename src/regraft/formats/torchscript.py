"""TorchScript files: a module's tensors by path from `data.pkl`, the constants of its code; the code is not run."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from regraft.core.errors import SourceError
from regraft.core.tensors import OperationGraph, TensorArchive, TensorEntry
from regraft.formats import damage, extents, pytorch
from regraft.formats import pytorch_storages as layouts
from regraft.formats.pickled_torch import Tensor
from regraft.formats.pickled_values import Object, refused
from regraft.formats.pytorch_storages import Saved

NAME = "torchscript"
TITLE = "TorchScript module (.pt)"

_DEEPEST = 100
_MOST = 1_000_000
# How the compiler calls the classes of a scripted network.
_CLASSES = "__torch__."


def read(path: Path, architecture: Mapping[str, Any] | None = None) -> TensorArchive:
    """Open a TorchScript file.

    Args:
        path: the file.
        architecture: not used: names are the file's own, constants are called as in the file's code.

    Raises:
        CorruptFileError: the file is truncated or was altered.
        SourceError: it holds no tensors, or names what is no part of a scripted module.
    """
    with damage.refusing_damage(path):
        saved, constants = layouts.in_zip(path), layouts.in_zip(path, "constants.pkl", "constants")
        for name in (*saved.foreign, *constants.foreign):
            if not str(name).startswith(_CLASSES):
                raise refused(name, extents.whole(path))
        tensors = dict(_tensors(saved, saved.value, "", path))
        tensors |= _tensors(constants, constants.value, "CONSTANTS.c", path)
        if not tensors:
            raise SourceError(f"'{path}': expected a network with tensors, found a module without any")
        modules = {place: str(item.kind) for place, item in _walk(saved.value, "", path) if isinstance(item, Object)}
    metadata = {"path": str(path), "layout": saved.layout, "modules": modules}
    return TensorArchive(NAME, tensors, metadata=metadata, warnings=(pytorch.UNCHECKED,) if saved.unchecked else ())


def graph(archive: TensorArchive) -> OperationGraph:
    """None: the graph of a TorchScript network is code.

    Raises:
        SourceError: always.
    """
    return pytorch.graph(archive)


def _tensors(saved: Saved, value: Any, prefix: str, path: Path) -> Iterator[tuple[str, TensorEntry]]:
    for place, item in _walk(value, prefix, path):
        if isinstance(item, Tensor):
            name = place.replace("c.", "c", 1) if prefix else place
            yield name, layouts.entry(name, item, saved, path)


def _walk(value: Any, prefix: str, path: Path) -> Iterator[tuple[str, Any]]:
    """Every value below a module, and the path to it; attributes, keys and positions are joined by dots."""
    waiting: list[tuple[str, Any, int]] = [(prefix, value, 0)]
    for _ in range(_MOST):
        if not waiting:
            return
        place, item, depth = waiting.pop()
        yield place, item
        inside = [(f"{place}.{key}".lstrip("."), part, depth + 1) for key, part in _parts(item)]
        if depth > _DEEPEST:
            break
        waiting.extend(reversed(inside))
    raise SourceError(
        f"'{path}' holds modules nested more than {_DEEPEST} deep or more than {_MOST} values; expected a network"
    )


def _parts(item: Any) -> list[tuple[Any, Any]]:
    inside = item.state if isinstance(item, Object) else item
    if isinstance(inside, dict):
        return list(cast(dict[Any, Any], inside).items())
    return list(enumerate(cast(list[Any], inside))) if isinstance(inside, (list, tuple)) else []
