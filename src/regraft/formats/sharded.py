"""Tensors in several files, and an index beside them that says which is where: `{"weight_map": {tensor: file}}`."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from regraft.core.errors import CorruptFileError, SourceError, nearest
from regraft.core.tensors import TensorArchive, TensorEntry

_LONGEST_INDEX = 1 << 26


def is_index(path: Path, endings: Sequence[str]) -> bool:
    """Whether a file is an index of shards whose names end so."""
    return any(name.endswith(tuple(endings)) for name in shards(path))


def shards(path: Path) -> frozenset[str]:
    """The names of the shards that an index lists; none where the file is no index."""
    if path.stat().st_size > _LONGEST_INDEX:
        return frozenset()
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return frozenset()
    listed = cast(dict[str, Any], found).get("weight_map") if isinstance(found, dict) else None
    return frozenset(map(str, cast(dict[str, Any], listed).values())) if isinstance(listed, dict) else frozenset()


def in_folder(folder: Path, ending: str, index_ending: str, example: str) -> Path:
    """The index in a folder, or its only file.

    Raises:
        SourceError: there are several.
    """
    files = sorted(item for item in folder.iterdir() if item.name.endswith((ending, index_ending)))
    indexes = [item for item in files if item.name.endswith(index_ending)]
    if len(indexes) == 1 or len(files) == 1:
        return indexes[0] if indexes else files[0]
    raise SourceError(
        f"'{folder}' holds {len(files)} {ending.removeprefix('.')} files and {len(indexes)} indexes; expected one file "
        f"or one index; say which{nearest(example, [item.name for item in files])}"
    )


def joined(
    format_name: str, index: Path, places: dict[str, Any], read: Callable[[Path], TensorArchive]
) -> TensorArchive:
    """The tensors that an index names, each in its shard; none of them is read.

    Args:
        format_name: of the archive.
        index: the file.
        places: the shard of each tensor.
        read: opens a shard.

    Raises:
        CorruptFileError: a shard is not there, or lacks a tensor that the index says is in it.
        SourceError: a shard is not in the folder of the index.
    """
    warnings: list[str] = []
    held: dict[str, dict[str, TensorEntry]] = {}
    prefixes: dict[str, str] = {}
    for name in dict.fromkeys(places.values()):
        archive = read(_shard(index, name))
        held[name], prefixes[name] = dict(archive.tensors), str(archive.metadata.get("prefix") or "")
        warnings += archive.warnings
    tensors: dict[str, TensorEntry] = {}
    for stated, shard in places.items():
        # What a shard's reader took off names, the index still has.
        name = stated if stated in held[shard] else stated.removeprefix(prefixes[shard])
        if name not in held[shard]:
            raise CorruptFileError(
                f"'{index}' says that tensor '{stated}' is in '{shard}', which lacks it; get both again"
            )
        tensors[name] = held[shard].pop(name)
    unnamed = [name for shard in held.values() for name in shard]
    if unnamed:
        warnings.append(
            f"{len(unnamed)} tensors of the shards are not in the index and were left out: {unnamed[0]}, ..."
        )
    metadata = {"path": str(index), "shards": list(held)}
    return TensorArchive(format_name, tensors, None, None, metadata, tuple(dict.fromkeys(warnings)))


def _shard(index: Path, name: Any) -> Path:
    """A shard beside its index; nothing elsewhere is opened, whatever the index or a link says.

    The store of the Hugging Face Hub is known: there a snapshot's files are links into the `blobs` of its own model.
    """
    shard = index.parent / str(name)
    if not isinstance(name, str) or Path(name).name != name or name in ("", ".", ".."):
        raise SourceError(f"'{index}' names the shard '{name}', which is not in its folder; expected a plain file name")
    if not shard.is_file():
        raise CorruptFileError(f"'{index}' names the shard '{name}', which is not there; get it again")
    target, home = shard.resolve(), index.resolve().parent
    store = index.absolute().parents[2] / "blobs" if len(index.absolute().parents) > 2 else None
    if target.parent not in (home, index.parent.resolve(), store and store.resolve()):
        raise SourceError(f"the shard '{shard}' is a link to '{target}', out of its folder; copy the file there")
    return shard
