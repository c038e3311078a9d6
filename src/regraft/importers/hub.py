"""Networks on the hubs: `hf://USER/MODEL` and `kaggle://USER/MODEL/FRAMEWORK/VARIANT`.

What is behind such an address is either a KerasHub preset or, on Hugging Face, a model that Keras itself saved there.
"""

import contextlib
import importlib
import importlib.util
import sys

import keras

from regraft.core.errors import SourceError
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
        said = " ".join(str(error).split())[:300]
        raise SourceError(f"could not open '{address}': {said}; check the address and the connection") from error
    return Opened(model, all_loaded(model))


def _from_preset(address: str) -> keras.Model:
    return importlib.import_module("keras_hub").models.Backbone.from_preset(address)


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
