"""What a network is, wherever it is: a file is looked at without any framework, anything else is opened first."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from regraft import formats
from regraft.core import storage
from regraft.core.card import is_source
from regraft.core.tensors import TensorArchive, TensorEntry
from regraft.formats import card_folder, drawing, inspection, keras_zip
from regraft.formats import tensorboard as events
from regraft.formats.inspection import Inspection
from regraft.importers import families

if TYPE_CHECKING:
    import keras

    from regraft.importers import Pretrained

_ADDRESSES = ("keras:", "zoo:", "hf://", "kaggle://")
# State of random layers, which is no parameter, and files do not hold it.
_STATE = "seed_generator_state"


def inspect(
    source: "str | os.PathLike[str] | keras.Model | Pretrained",
    *,
    architecture: str | None = None,
    page: str | os.PathLike[str] | None = None,
    tensorboard: str | os.PathLike[str] | None = None,
) -> Inspection:
    """Find out what a network is: its layers, its tensors, and where it can be cut.

    Of a file, or a model of the catalogue, nothing is run, and no framework is loaded.

    Args:
        source: as `regraft.open` takes it, or what that returned.
        architecture: what builds the model where the file holds only weights.
        page: an HTML file to draw the network's graph into.
        tensorboard: a folder to write the graph to, for TensorBoard to draw.

    Raises:
        SourceError: the source cannot be opened; or a drawing is asked for, and the source has no graph.
        CorruptFileError: the file is truncated or was altered.
        StorageError: the page or the folder cannot be written.
    """
    if is_file(source) and architecture is None:
        name = os.fspath(source)  # pyright: ignore[reportArgumentType] - `is_file` says that it is a path
        archive = _of_folder(name) if card_folder.is_one(Path(name)) else families.described(formats.read(name))
    elif is_source(source) and architecture is None:
        # Here, because most of what is inspected needs no database.
        from regraft.recipes.cataloguing import at_rest

        archive = at_rest.archive(str(source))
        name = str(archive.metadata["path"])
    else:
        name, archive = _opened(source, architecture)
    if page is not None:
        storage.write_text(Path(page), drawing.page(archive, Path(name).name))
    if tensorboard is not None:
        events.write(formats.graph(archive), Path(tensorboard))
    return inspection.summary(archive, name)


def is_file(source: object) -> bool:
    """Whether a source is a path rather than an address or a live network.

    >>> is_file("nets/mine.keras"), is_file("keras:MobileNetV2")
    (True, False)
    """
    return isinstance(source, (str, os.PathLike)) and not str(source).startswith(_ADDRESSES)


def _of_folder(name: str) -> TensorArchive:
    """A model that was exported from a catalogue: its weights, and how it is built."""
    # Here, because most of what is inspected needs no database.
    from regraft.recipes.cataloguing import at_rest

    return at_rest.of_folder(Path(name))


def needs_framework(source: object, architecture: str | None = None) -> bool:
    """Whether looking at a source takes a framework.

    >>> needs_framework("nets/mine.keras"), needs_framework("zoo:flowers"), needs_framework("keras:MobileNetV2")
    (False, False, True)
    """
    return architecture is not None or not (is_file(source) or is_source(source))


def _opened(
    source: "str | os.PathLike[str] | keras.Model | Pretrained", architecture: str | None
) -> tuple[str, TensorArchive]:
    # Here, because these load a framework, and most of what is inspected are files.
    from regraft import importers
    from regraft.graph import names

    opened = source if isinstance(source, importers.Pretrained) else importers.open(source, architecture=architecture)
    tensors = {
        name: TensorEntry(name, tuple(variable.shape), str(variable.dtype), variable.numpy)
        for name, variable in names.variables(opened.model).items()
        if variable.name != _STATE
    }
    config = json.loads(opened.model.to_json())
    about = {"path": opened.source}
    return opened.source, TensorArchive(keras_zip.NAME, tensors, config, None, about, opened.report.notes)
