"""Networks on the hubs: `hf://USER/MODEL` and `kaggle://USER/MODEL/FRAMEWORK/VARIANT`.

What is behind such an address is a KerasHub preset or, on Hugging Face, a model that Keras itself saved there, or one
that was exported from a catalogue.
"""

import contextlib
import dataclasses
import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import keras

from regraft.core.errors import SourceError
from regraft.formats import card_folder as folders
from regraft.importers import card_folder
from regraft.importers.pretrained import Opened, Request, all_loaded

_PREFIXES = ("hf://", "kaggle://")


def handles(request: Request) -> bool:
    """Whether the source is an address on a hub."""
    return isinstance(request.source, str) and request.source.startswith(_PREFIXES)


def load(request: Request) -> Opened:
    """Download the network, through KerasHub where it is installed.

    Raises:
        SourceError: a package is missing, or the download failed.
    """
    address = request.text
    by_preset = _installed("keras_hub")
    if not by_preset and address.startswith("kaggle://"):
        raise SourceError(f"opening '{address}' needs the package keras-hub; install it with: pip install keras-hub")
    if not by_preset and not _installed("huggingface_hub"):
        raise SourceError(
            f"opening '{address}' needs the package keras-hub (presets) or huggingface_hub (models saved by Keras); "
            "install one with: pip install keras-hub"
        )
    try:
        with contextlib.redirect_stdout(sys.stderr):
            model = _from_preset(address) if by_preset else keras.saving.load_model(address, compile=False)
    except Exception as error:
        folder = exported(address)
        if folder is not None:
            return card_folder.load(dataclasses.replace(request, source=str(folder), text=str(folder)))
        said = " ".join(str(error).split())[:300]
        raise SourceError(f"could not open '{address}': {said}; check the address and the connection") from error
    return Opened(model, all_loaded(model))


def exported(address: str) -> Path | None:
    """The folder of a model that was exported from a catalogue to the Hugging Face hub; None where there is none.

    Args:
        address: `hf://USER/MODEL`, or `hf://USER/MODEL@REVISION`.
    """
    if not address.startswith("hf://") or not _installed("huggingface_hub"):
        return None
    try:
        _library().hf_hub_download(filename=folders.CARD, **_place(address))
        return snapshot(address, folders.FILES)
    # No such file, no such place, no connection: whoever asks has something else to try, and says what was wrong.
    except Exception:
        return None


def snapshot(address: str, files: tuple[str, ...] | None = None) -> Path:
    """The files of a place on the Hugging Face hub, downloaded.

    Args:
        address: as for `exported`.
        files: names of those that are wanted; None: all.

    Raises:
        SourceError: `huggingface_hub` is not installed, or the download failed.
    """
    if not _installed("huggingface_hub"):
        raise SourceError(
            f"'{address}' needs the package huggingface_hub; install it with: pip install huggingface_hub"
        )
    wanted = {"allow_patterns": list(files)} if files is not None else {}
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return Path(_library().snapshot_download(**_place(address), **wanted))
    except Exception as error:
        said = " ".join(str(error).split())[:300]
        raise SourceError(f"could not download '{address}': {said}; check the address and the connection") from error


def _place(address: str) -> dict[str, Any]:
    name, _, revision = address.removeprefix("hf://").partition("@")
    return {"repo_id": name, "revision": revision or None}


def _library() -> Any:
    return importlib.import_module("huggingface_hub")


def _from_preset(address: str) -> keras.Model:
    return importlib.import_module("keras_hub").models.Backbone.from_preset(address)


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
