"""`.keras` files of Keras 3 (and TensorFlow 2.13 to 2.15): a zip of config.json, metadata.json, model.weights.h5."""

import dataclasses
import functools
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from regraft.core.errors import CorruptFileError, SourceError
from regraft.core.tensors import OperationGraph, OptimizerEntry, TensorArchive
from regraft.formats import hdf5, keras_config, keras_optimizer, keras_proof, zip_members
from regraft.formats.keras_layers import Layer, described
from regraft.formats.keras_names import Named, stored_by_position

NAME = "keras"
TITLE = "Keras 3 model (.keras)"

WEIGHTS = "model.weights.h5"
_CHUNK = 1 << 20
# A zip member cannot honestly be this much larger than what is stored of it.
_LARGEST_EXPANSION = 1000


def read(path: Path, architecture: Mapping[str, Any] | None = None) -> TensorArchive:
    """Open a `.keras` file; its checksums are verified first, so that a damaged one is refused whole.

    Args:
        path: the file.
        architecture: not needed, the file has its own.

    Raises:
        CorruptFileError: the file is truncated or was altered.
        SourceError: it holds what this version cannot read.
    """
    with hdf5.refusing_damage(path):
        members = zip_members.members(path)
        config = members.content("config.json")
        metadata = members.content("metadata.json") if "metadata.json" in members.by_name else b"{}"
        if WEIGHTS not in members.by_name:
            found = ", ".join(members.by_name)
            raise SourceError(f"'{path}': expected '{WEIGHTS}' inside, found {found}; save it with Keras' defaults")
        with zipfile.ZipFile(path) as archive:
            weights = _member(path, archive, archive.getinfo(WEIGHTS))
        found = assembled(NAME, path, config, metadata, hdf5.source(path, weights))
        if keras_proof.INSIDE not in members.by_name:
            return found
        record = keras_proof.kept(members.content(keras_proof.INSIDE), path)
        inside = {"config.json": lambda: io.BytesIO(config), WEIGHTS: weights}
        proof = keras_proof.proof(record, lambda name: inside[name]())
    warned = ("the network is not the one that the proof inside is about",) if proof and not proof["whole"] else ()
    return dataclasses.replace(found, metadata={**found.metadata, "proof": proof}, warnings=(*found.warnings, *warned))


def assembled(name: str, path: Path, config: bytes, metadata: bytes, source: hdf5.Source) -> TensorArchive:
    """The archive of a Keras 3 model from its three parts.

    Args:
        name: of the format.
        path: of the whole, for messages.
        config: JSON.
        metadata: JSON.
        source: the weights.
    """
    parsed = keras_config.parsed(config)
    model = described(parsed)
    hdf5.check_heaps(source)
    with source.opened() as file:
        groups, datasets = hdf5.held(file, source.path)
        named, warnings = stored_by_position(groups, datasets, model)
        tensors = {item.name: hdf5.entry(item.name, item.dataset, source) for item in named}
        optimizer, more = _optimizer(source, parsed, datasets, named, model)
    warnings = [*keras_config.warnings_about(model), *warnings, *more]
    about = {**json.loads(metadata), "path": str(path)}
    return TensorArchive(name, tensors, parsed, optimizer, about, tuple(warnings))


def graph(archive: TensorArchive) -> OperationGraph:
    """The operations of the model, from its configuration; no code is run."""
    return keras_config.graph_of(archive)


def _member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    """Opens the member: where it stands if stored as it is, in memory if compressed; verified either way."""
    if info.file_size > _LARGEST_EXPANSION * max(info.compress_size, 1):
        raise CorruptFileError(
            f"'{path}': '{info.filename}' claims {info.file_size} bytes, {info.compress_size} are stored"
        )
    if info.compress_type != zipfile.ZIP_STORED:
        return functools.partial(io.BytesIO, archive.read(info))
    with archive.open(info):
        # Opening alone checks the local header.
        start = _content_start(path, info)
    window = functools.partial(_Window, path, start, info.file_size)
    checksum = 0
    with window() as content:
        while chunk := content.read(_CHUNK):
            checksum = zlib.crc32(chunk, checksum)
    if checksum != info.CRC:
        raise CorruptFileError(f"'{path}' was altered: the checksum of '{info.filename}' is wrong; get the file again")
    return lambda: io.BufferedReader(window())


def _content_start(path: Path, info: zipfile.ZipInfo) -> int:
    with path.open("rb") as file:
        file.seek(info.header_offset + 26)
        lengths = file.read(4)
    return info.header_offset + 30 + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")


class _Window(io.RawIOBase):
    """A part of a file as a file, so that tensors are read from the zip without unpacking it."""

    def __init__(self, path: Path, start: int, size: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._start, self._size, self._position = start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)[: max(self._size - self._position, 0)]
        self._file.seek(self._start + self._position)
        count = self._file.readinto(view) or 0
        self._position += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def _optimizer(
    source: hdf5.Source, config: Any, datasets: dict[str, Any], named: list[Named], model: Layer
) -> tuple[OptimizerEntry | None, list[str]]:
    stored = {
        key[len("optimizer/vars/") :]: item for key, item in datasets.items() if key.startswith("optimizer/vars/")
    }
    if not stored:
        return None, []
    keys = sorted((key for key in stored if key.isdigit()), key=int)
    arrays = [hdf5.entry(f"optimizer/{key}", stored[key], source) for key in keys]
    stated = (config.get("compile_config") or {}).get("optimizer")
    learning = [(item.name, tuple(item.dataset.shape)) for item in named if item.learns and model.trainable]
    return keras_optimizer.entry(stated, arrays, [learning], alternating=True)
