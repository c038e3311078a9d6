"""Safetensors: one file, or shards with an index; a header in JSON, then the tensors one after the other.

The format: https://huggingface.co/docs/safetensors/index#format.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from regraft.core.errors import CorruptFileError, SourceError
from regraft.core.tensors import OperationGraph, TensorArchive, TensorEntry
from regraft.formats import damage, elements, extents, sharded, stated_graph
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
_ENDING = ".safetensors"
_INDEX = ".safetensors.index.json"
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
    path = sharded.in_folder(path, _ENDING, _INDEX, "model.safetensors") if path.is_dir() else path
    with damage.refusing_damage(path):
        if path.name.endswith(".json"):
            return _of_shards(path)
        return _alone(path)


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
    return sharded.is_index(path, (_ENDING,))


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
    return sharded.joined(NAME, path, cast(dict[str, Any], index["weight_map"]), _alone)


def _alone(path: Path) -> TensorArchive:
    tensors, metadata, warnings = _of_file(path)
    return TensorArchive(NAME, tensors, None, None, {"path": str(path), **metadata}, tuple(warnings))
