"""What Regraft made: the folder of a run or of a pretraining, or the network in it, with what is written there."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import keras

from regraft.core import plain
from regraft.core.errors import RequestError, SourceError
from regraft.core.input_spec import InputSpec
from regraft.formats import folders
from regraft.formats.keras_proof import INSIDE
from regraft.importers import keras_file
from regraft.importers.pretrained import Opened, Request


def handles(request: Request) -> bool:
    """Whether this is such a folder, or a file that says inside what it takes or tells apart."""
    if isinstance(request.source, keras.Model) or request.architecture is not None:
        return False
    path = Path(request.text)
    try:
        if (path / folders.PRETRAINING).is_file() or folders.network(path) != path:
            return True
        return path.suffix == ".keras" and path.is_file() and bool(_said(path))
    except OSError:
        # Too long for a path: it names something else.
        return False


def load(request: Request) -> Opened:
    """Open the network with what it takes, and with the names of its classes.

    Raises:
        SourceError: the folder lacks its network, or what the network takes cannot be read.
        CorruptFileError: the file is truncated or was altered.
    """
    path = Path(request.text)
    file = path if path.is_file() else path / folders.MODEL
    if not file.is_file():
        raise SourceError(f"expected '{file.name}' beside '{folders.PRETRAINING}' in '{path}', found no such file")
    opened = keras_file.load(replace(request, source=str(file), text=str(file)))
    said = _said(file)
    opened = replace(opened, classes=opened.classes or _classes(said, opened.model))
    if "takes" not in said:
        return opened
    try:
        inputs = plain.from_plain(InputSpec, said["takes"])
    except RequestError as error:
        raise SourceError(f"'{file}' does not say what its network takes: {error}") from None
    if tuple(opened.model.inputs[0].shape[1:]) != inputs.shape:
        raise SourceError(
            f"'{file}' says that its network takes {inputs.shape}, but it takes "
            f"{tuple(opened.model.inputs[0].shape[1:])}; was the file altered?"
        )
    return replace(opened, inputs=replace(inputs, origin="stated"))


def _classes(said: Mapping[str, Any], model: keras.Model) -> tuple[str, ...] | None:
    """The names of the model's outputs, where there is one for each."""
    names = said.get("classes")
    if not isinstance(names, list) or len(model.outputs) != 1 or model.outputs[0].shape[-1] != len(names):
        return None
    return tuple(map(str, names))


def _said(file: Path) -> Mapping[str, Any]:
    """What the file says of itself; nothing where it was made elsewhere."""
    try:
        with zipfile.ZipFile(file) as archive:
            about = json.loads(archive.read(INSIDE))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return {}
    known = cast(Mapping[str, Any], about) if isinstance(about, dict) else {}
    return {name: value for name, value in known.items() if name in ("takes", "classes") and value is not None}
