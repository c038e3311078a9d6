"""What a network is, wherever it is: a file is looked at without any framework, anything else is opened first."""

import importlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regraft import formats
from regraft.core.tensors import TensorArchive, TensorEntry
from regraft.formats import drawing, inspection, keras_zip
from regraft.formats.inspection import Inspection

if TYPE_CHECKING:
    import keras

    from regraft.importers import Pretrained

_ADDRESSES = ("keras:", "hf://", "kaggle://")


def inspect(
    source: "str | os.PathLike[str] | keras.Model | Pretrained",
    *,
    architecture: str | None = None,
    page: str | os.PathLike[str] | None = None,
) -> Inspection:
    """Find out what a network is: its layers, its tensors, and where it can be cut.

    Of a file nothing is run and no framework is loaded.

    Args:
        source: as `regraft.open` takes it, or what that returned.
        architecture: what builds the model where the file holds only weights.
        page: an HTML file to draw the network's graph into.

    Raises:
        SourceError: the source cannot be opened; or a page is asked for, and it has no graph.
        CorruptFileError: the file is truncated or was altered.
        StorageError: the page cannot be written.
    """
    archive, name = archive_of(source, architecture)
    if page is not None:
        # Storage is needed for this alone.
        storage: Any = importlib.import_module("regraft.core.storage")
        storage.write_text(Path(page), drawing.page(archive, Path(name).name or name))
    return inspection.summary(archive, name)


def is_file(source: object) -> bool:
    """Whether a source is a path, which can be inspected without a framework."""
    return isinstance(source, (str, os.PathLike)) and not os.fspath(source).startswith(_ADDRESSES)  # pyright: ignore
