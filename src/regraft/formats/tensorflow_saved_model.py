"""TensorFlow's SavedModels, of version 1 and 2, and the session bundles that came before them."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regraft.core.errors import CorruptFileError
from regraft.core.tensors import OperationGraph, TensorArchive
from regraft.formats import damage, tensorflow_checkpoint, tensorflow_meta_graph, tensorflow_text
from regraft.formats.tensorflow_meta_graph import MetaGraph, assembled, meta_graph, operations, tags
from regraft.formats.wire import Message

NAME = "tensorflow-saved-model"
TITLE = "TensorFlow SavedModel or session bundle (folder)"

FILE, TEXT, BUNDLE = "saved_model.pb", "saved_model.pbtxt", "export.meta"

_VARIABLES = Path("variables") / "variables"
_SERVE = "serve"


def read(path: Path, architecture: Mapping[str, Any] | None = None) -> TensorArchive:
    """Open a SavedModel: signatures, variables by name, optimizer slots, constants of the graph.

    Args:
        path: its folder, or its `saved_model.pb` or `.pbtxt`.
        architecture: not needed, the file has its own.

    Raises:
        CorruptFileError: a file is absent, truncated or was altered.
    """
    folder = path if path.is_dir() else path.parent
    if not (folder / FILE).is_file() and (folder / BUNDLE).is_file():
        found = tensorflow_meta_graph.read(folder / BUNDLE)
        return TensorArchive(NAME, found.tensors, None, found.optimizer, found.metadata, found.warnings)
    file = _file(path, folder)
    with damage.refusing_damage(file):
        prefix = folder / _VARIABLES
        weights = tensorflow_checkpoint.read_prefix(prefix) if tensorflow_checkpoint.is_prefix(prefix) else None
        return assembled(NAME, file, _parsed(file, damage.stamp(file)), weights)


def graph(archive: TensorArchive) -> OperationGraph:
    """The operations of the graph that serves, functions opened.

    Raises:
        SourceError: a node reads what nobody makes, or waits for itself.
        CorruptFileError: the file was altered since it was opened.
    """
    file = Path(archive.metadata["path"])
    if file.name == BUNDLE:
        return tensorflow_meta_graph.graph(archive)
    with damage.refusing_damage(file):
        return operations(_parsed(file, damage.stamp(file)), file.resolve().parent.name, archive)


def _file(path: Path, folder: Path) -> Path:
    if path.is_file():
        return path
    return folder / (FILE if (folder / FILE).is_file() else TEXT)


# The graph of a file is asked for right after the file was opened.
@functools.lru_cache(maxsize=1)
def _parsed(file: Path, stamp: tuple[int, int]) -> MetaGraph:
    """The graph that serves; the first, where none says that it does."""
    whole = tensorflow_text.content(file)
    versions = list(Message(whole).messages(2))
    if not versions:
        raise CorruptFileError(f"'{file}' holds no graph, it must have been cut off; get the file again")
    # The others, such as the one that trains, are nobody's concern.
    return meta_graph(next((version for version in versions if _SERVE in tags(version)), versions[0]), whole)
