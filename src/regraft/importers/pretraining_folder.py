"""The folder that `regraft pretrain` made, or the network in it, with the input convention that is written there."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from regraft.core import plain
from regraft.core.errors import RequestError, SourceError
from regraft.core.input_spec import InputSpec
from regraft.formats.keras_proof import INSIDE
from regraft.formats.pretraining_folder import MODEL, RECORD
from regraft.importers import keras_file
from regraft.importers.pretrained import Opened, Request


def handles(request: Request) -> bool:
    """Whether this is such a folder, or a file with an input convention inside."""
    if isinstance(request.source, keras.Model) or request.architecture is not None:
        return False
    path = Path(request.text)
    try:
        return (path / RECORD).is_file() or (path.suffix == ".keras" and path.is_file() and _said(path) is not None)
    except OSError:
        # Too long for a path: it names something else.
        return False


def load(request: Request) -> Opened:
    """Open the network with what it takes.

    Raises:
        SourceError: the folder lacks its network, or what the network takes cannot be read.
        CorruptFileError: the file is truncated or was altered.
    """
    path = Path(request.text)
    file = path if path.is_file() else path / MODEL
    if not file.is_file():
        raise SourceError(f"expected '{MODEL}' beside '{RECORD}' in '{path}', found no such file")
    opened = keras_file.load(replace(request, source=str(file), text=str(file)))
    said = _said(file)
    if said is None:
        return opened
    try:
        inputs = plain.from_plain(InputSpec, said)
    except RequestError as error:
        raise SourceError(f"'{file}' does not say what its network takes: {error}") from None
    if tuple(opened.model.inputs[0].shape[1:]) != inputs.shape:
        raise SourceError(
            f"'{file}' says that its network takes {inputs.shape}, but it takes "
            f"{tuple(opened.model.inputs[0].shape[1:])}; was the file altered?"
        )
    return replace(opened, inputs=replace(inputs, origin="stated"))


def _said(file: Path) -> Any:
    try:
        with zipfile.ZipFile(file) as archive:
            about = json.loads(archive.read(INSIDE))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    return about.get("takes") if isinstance(about, dict) else None
