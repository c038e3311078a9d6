"""Keras 3 models that were saved unzipped: a folder of config.json, metadata.json, model.weights.h5."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regraft.core.errors import CorruptFileError, SourceError
from regraft.core.tensors import OperationGraph, TensorArchive
from regraft.formats import damage, hdf5, keras_config, keras_zip

NAME = "keras-folder"
TITLE = "Keras 3 model, unzipped (a folder)"

# No configuration is this long; a link to a device would be without end.
_LONGEST = 1 << 28


def read(path: Path, architecture: Mapping[str, Any] | None = None) -> TensorArchive:
    """Open a folder that holds the parts of a `.keras` file.

    Args:
        path: the folder.
        architecture: not needed, the folder has its own.

    Raises:
        CorruptFileError: a part is truncated or was altered.
        SourceError: a part is missing, or lies outside the folder.
    """
    weights = _part(path, keras_zip.WEIGHTS)
    if weights is None:
        found = ", ".join(sorted(item.name for item in path.iterdir()))
        raise SourceError(
            f"'{path}': expected '{keras_zip.WEIGHTS}' inside, found {found}; save it with Keras' defaults"
        )
    with damage.refusing_damage(path):
        config, metadata = (_text(path, name) for name in ("config.json", "metadata.json"))
        return keras_zip.assembled(NAME, path, config, metadata, hdf5.source(weights))


def graph(archive: TensorArchive) -> OperationGraph:
    """The operations of the model, from its configuration; no code is run."""
    return keras_config.graph_of(archive)


def _part(folder: Path, name: str) -> Path | None:
    part = folder / name
    if not part.is_file():
        return None
    if part.resolve().parent != folder.resolve():
        raise SourceError(f"'{part}' is a link that leads out of the folder; expected a file of its own")
    return part


def _text(folder: Path, name: str) -> bytes:
    part = _part(folder, name)
    if part is None:
        return b"{}"
    if part.stat().st_size > _LONGEST:
        raise CorruptFileError(f"'{part}' is {part.stat().st_size} bytes long; expected a description of a network")
    return part.read_bytes()
