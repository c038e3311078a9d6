"""Safetensors: one file, or shards with an index; a header in JSON, then the tensors one after the other.

The format: https://huggingface.co/docs/safetensors/index#format.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from regraft.core.errors import CorruptFileError, SourceError, nearest
from regraft.core.tensors import OperationGraph, TensorArchive, TensorEntry
from regraft.formats import elements, extents, hdf5, stated_graph
from regraft.formats.extents import Extent

NAME = "safetensors"
TITLE = "safetensors (.safetensors)"

DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "BOOL": "bool",
    "C64": "complex64",
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
}
# As the format says.
_LONGEST_HEADER = 100_000_000
_INDEX = ".safetensors.index.json"
_LONGEST_INDEX = 1 << 26
_METADATA = "__metadata__"


def read(path: Path, architecture: Mapping[str, Any] | None = None) -> TensorArchive:
    """Open a safetensors file, an index of shards, or a folder with one of them.

    Args:
        path: the file or folder.
        architecture: not used: names are the file's own.

    Raises:
        CorruptFileError: a file is truncated or was altered, or lacks what the index says.
        SourceError: a shard is not in the folder of its index, or there are several files and no index.
    """
    path = _in_folder(path) if path.is_dir() else path
    with hdf5.refusing_damage(path):
        if path.name.endswith(".json"):
            return _of_shards(path)
        tensors, metadata, warnings = _of_file(path)
    return TensorArchive(NAME, tensors, None, None, {"path": str(path), **metadata}, tuple(warnings))


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
        "--architecture (keras:NAME, or package.module:function)"
    )


def is_index(path: Path) -> bool:
    """Whether a file is an index of safetensors shards."""
    if path.stat().st_size > _LONGEST_INDEX:
        return False
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    shards = cast(dict[str, Any], found).get("weight_map") if isinstance(found, dict) else None
    return isinstance(shards, dict) and any(str(name).endswith(".safetensors") for name in cast(Any, shards).values())


def _in_folder(folder: Path) -> Path:
    files = sorted(item for item in folder.iterdir() if item.name.endswith((".safetensors", _INDEX)))
    indexes = [item for item in files if item.name.endswith(_INDEX)]
    if len(indexes) == 1 or len(files) == 1:
        return indexes[0] if indexes else files[0]
    raise SourceError(
        f"'{folder}' holds {len(files)} safetensors files and {len(indexes)} indexes; expected one file or one index; "
        f"say which{nearest('model.safetensors', [item.name for item in files])}"
    )


def _of_file(path: Path) -> tuple[dict[str, TensorEntry], dict[str, Any], list[str]]:
    whole = extents.whole(path)
    length = int.from_bytes(whole.within(0, 8, "the length of the header").bytes(), "little")
    if length > _LONGEST_HEADER:
        raise CorruptFileError(f"'{path}' claims a header of {length} bytes; expected {_LONGEST_HEADER} at most")
    text = whole.within(8, length, "the header").bytes()
    header = json.loads(text, object_pairs_hook=_without_doubles)
    if not isinstance(header, dict):
        raise CorruptFileError(f"'{path}' has a header that lists no tensors; get the file again")
    header = cast(dict[str, Any], header)
    stated = header.pop(_METADATA, None)
    content = whole.within(8 + length, whole.size - 8 - length, "the tensors")
    _check_offsets(path, header, content.size)
    tensors: dict[str, TensorEntry] = {}
    warnings: list[str] = []
    for name, about in header.items():
        if about["dtype"] in DTYPES:
            tensors[name] = _entry(path, name, about, content)
        else:
            warnings.append(f"'{name}' is of type {about['dtype']} and was left out")
    return tensors, {"properties": stated} if isinstance(stated, dict) else {}, warnings


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("the header names a tensor twice")
    return found


def _check_offsets(path: Path, header: Mapping[str, Any], size: int) -> None:
    """Tensors lie one after the other, without a gap and without an overlap, up to the end."""
    place, before = 0, "the header"
    for name, begin, end in sorted(
        (_offsets(path, name, about) for name, about in header.items()), key=lambda x: x[1:]
    ):
        if begin != place or end < begin:
            word = "overlaps" if begin < place else "does not follow"
            raise CorruptFileError(
                f"'{path}': tensor '{name}' at {begin} to {end} {word} {before}, which ends at {place}; "
                "get the file again"
            )
        place, before = end, f"'{name}'"
    if place != size:
        raise CorruptFileError(f"'{path}': the tensors take {place} bytes, {size} are there; get the file again")


def _offsets(path: Path, name: str, about: Any) -> tuple[str, int, int]:
    offsets = cast(dict[str, Any], about).get("data_offsets") if isinstance(about, dict) else None
    numbers = [item for item in cast(list[Any], offsets) if _is_count(item)] if isinstance(offsets, list) else []
    if len(numbers) != 2 or not {"dtype", "shape"} <= set(about):
        raise CorruptFileError(f"'{path}': tensor '{name}' has no type, shape and place; get the file again")
    return name, numbers[0], numbers[1]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62


def _entry(path: Path, name: str, about: Mapping[str, Any], content: Extent) -> TensorEntry:
    shape = elements.checked_shape(about["shape"] if isinstance(about["shape"], list) else (None,), f"tensor '{name}'")
    dtype = DTYPES[about["dtype"]]
    begin, end = about["data_offsets"]
    if elements.bytes_of(shape, dtype) != end - begin:
        raise CorruptFileError(
            f"'{path}': tensor '{name}' of shape {shape} and type {dtype} claims {elements.bytes_of(shape, dtype)} "
            f"bytes, {end - begin} are stored; get the file again"
        )
    return elements.dense(path, name, shape, dtype, content.within(begin, end - begin, f"tensor '{name}'").bytes)


def _of_shards(path: Path) -> TensorArchive:
    """The tensors that an index names, each in its shard."""
    index = json.loads(path.read_bytes(), object_pairs_hook=_without_doubles)
    places = cast(dict[str, Any], index["weight_map"])
    warnings: list[str] = []
    held: dict[str, dict[str, TensorEntry]] = {}
    for shard in dict.fromkeys(places.values()):
        held[shard], _, about = _of_file(_shard(path, shard))
        warnings += about
    tensors: dict[str, TensorEntry] = {}
    for name, shard in places.items():
        if name not in held[shard]:
            raise CorruptFileError(
                f"'{path}' says that tensor '{name}' is in '{shard}', which lacks it; get both again"
            )
        tensors[name] = held[shard].pop(name)
    unnamed = [name for shard in held.values() for name in shard]
    if unnamed:
        warnings.append(
            f"{len(unnamed)} tensors of the shards are not in the index and were left out: {unnamed[0]}, ..."
        )
    metadata = {"path": str(path), "shards": list(held)}
    return TensorArchive(NAME, tensors, None, None, metadata, tuple(warnings))


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
