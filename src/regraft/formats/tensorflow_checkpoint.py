"""TensorFlow's checkpoints of all ages: named by prefix, by one of their files, or by their folder."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regraft.core.errors import SourceError, nearest
from regraft.core.tensors import OperationGraph, TensorArchive
from regraft.formats import (
    damage,
    tensorflow_bundle,
    tensorflow_checkpoint_v1,
    tensorflow_objects,
    tensorflow_optimizer,
)

NAME = "tensorflow-checkpoint"
TITLE = "TensorFlow checkpoint (.index and .data, or one file)"

META = ".meta"

_STATE = "checkpoint"
_DATA = re.compile(r"(?P<prefix>.+)\.data-\d{5}-of-\d{5}")
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
_LATEST = re.compile(r'^model_checkpoint_path: "(?P<path>[^"\n]*)"', re.MULTILINE)
_LARGEST_STATE = 1 << 20


def read(path: Path, architecture: Mapping[str, Any] | None = None) -> TensorArchive:
    """Open a checkpoint; the checksums of its index are verified, those of its tensors when they are read.

    Args:
        path: a prefix such as `model.ckpt-1000`, the `.index` or a `.data` file, a file of TensorFlow before 1.0, or a
            folder with a `checkpoint` file.
        architecture: not used; the names are in the file.

    Raises:
        SourceError: the folder has no checkpoint, or several and no word on which.
        CorruptFileError: a file is absent, truncated or was altered.
    """
    place = located(path)
    archive = read_prefix(place)
    metadata = {**archive.metadata, "path": str(path), "prefix": str(place)}
    return TensorArchive(NAME, archive.tensors, None, archive.optimizer, metadata, archive.warnings)


def graph(archive: TensorArchive) -> OperationGraph:
    """The operations in the meta graph beside the checkpoint.

    Raises:
        SourceError: there is none.
    """
    meta = beside(Path(archive.metadata["prefix"]))
    if meta is None:
        raise SourceError(
            f"'{archive.metadata['path']}' holds weights but no graph; expected a {META} file beside it, or say "
            "what builds the network with --architecture keras:NAME?... or package.module:function"
        )
    # Here, because a meta graph in turn reads the checkpoint beside it.
    from regraft.formats import tensorflow_meta_graph

    return tensorflow_meta_graph.graph_at(meta)


def beside(prefix: Path) -> Path | None:
    """The meta graph of a checkpoint; None where there is none."""
    meta = prefix.with_name(_SHARD.sub("", prefix.name) + META)
    return meta if meta.is_file() else None


def read_prefix(prefix: Path) -> TensorArchive:
    """The checkpoint with this prefix, variables and optimizer apart."""
    if not tensorflow_bundle.index_path(prefix).is_file():
        left, optimizer = tensorflow_optimizer.split(tensorflow_checkpoint_v1.read(prefix))
        return TensorArchive(NAME, left, None, optimizer, {"version": "V1"})
    kept = tensorflow_bundle.read(prefix)
    if tensorflow_objects.KEY not in kept:
        left, optimizer = tensorflow_optimizer.split({name: item.entry for name, item in kept.items()})
        return TensorArchive(NAME, left, None, optimizer, {"version": "V2"})
    with damage.refusing_damage(tensorflow_bundle.index_path(prefix)):
        objects = kept[tensorflow_objects.KEY].entry.read().item()
        found = tensorflow_objects.named(objects, kept)
    metadata = {"version": "V2", "objects": found.objects}
    return TensorArchive(NAME, found.tensors, None, found.optimizer, metadata, found.warnings)


def is_prefix(path: Path) -> bool:
    """Whether a path that is itself no file names a checkpoint."""
    return path.name != "" and tensorflow_bundle.index_path(path).is_file()


def located(path: Path) -> Path:
    """The prefix of a checkpoint, or the file where it is one file.

    Raises:
        SourceError: a folder has no checkpoint, or several and no word on which.
    """
    if path.is_dir():
        return _in_folder(path)
    data = _DATA.fullmatch(path.name)
    if path.name.endswith(tensorflow_bundle.INDEX):
        return path.with_name(path.name.removesuffix(tensorflow_bundle.INDEX))
    return path.with_name(data["prefix"]) if data else path


def _in_folder(folder: Path) -> Path:
    state = folder / _STATE
    if state.is_file():
        return _stated(folder, state)
    found = sorted(item.name.removesuffix(".index") for item in folder.glob("*.index"))
    if len(found) != 1:
        said = f"{len(found)} of them: {', '.join(found[:5])}" if found else "none"
        raise SourceError(f"expected one checkpoint or a file '{_STATE}' in '{folder}', found {said}; name one of them")
    return folder / found[0]


def _stated(folder: Path, state: Path) -> Path:
    """The checkpoint that the `checkpoint` file names; only the folder itself is looked in, whatever the path says."""
    with damage.refusing_damage(state), state.open("rb") as file:
        match = _LATEST.search(file.read(_LARGEST_STATE).decode())
    stated = Path(match["path"]) if match else Path()
    inside = (folder / stated).resolve()
    candidates = [folder / stated] if inside.is_relative_to(folder.resolve()) else []
    candidates += [folder / stated.name] if stated.name not in ("", "..") else []
    for candidate in candidates:
        if is_prefix(candidate) or candidate.is_file():
            return candidate
    known = [item.name.removesuffix(".index") for item in folder.glob("*.index")]
    raise SourceError(
        f"'{state}' names the checkpoint '{stated}', which is not in this folder{nearest(stated.name, known)}"
    )
