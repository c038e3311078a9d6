"""Files of Keras as the Keras that wrote them reads them, where it can be had: tf_keras is that of TensorFlow 2.

What Keras 3 wrote, it opens itself; what is older it refuses or reads its own way, and so comes second there.
"""

import importlib
import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from regraft import formats
from regraft.core.errors import RequestError
from regraft.importers import keras_legacy
from regraft.importers.keras_file import SUFFIX, under_suffix

PACKAGE = "tf_keras"


@dataclass(frozen=True, slots=True, eq=False)
class Original:
    """A model to compare with, of this Keras or of the old one, and what runs it."""

    model: Any
    runtime: str


def original(path: Path, opened: keras.Model) -> Original:
    """The model of a file as Keras reads it.

    Args:
        path: a file of a whole model.
        opened: the model that Regraft made of it; Keras read it where Keras 3 wrote it.

    Raises:
        RequestError: no Keras that is installed opens the file.
    """
    if not keras_legacy.is_old(formats.read(path)):
        return Original(opened, today())
    reasons: list[str] = []
    for load in (_old, _new):
        try:
            with warnings.catch_warnings(), under_suffix(path, SUFFIX[formats.sniff(path)]) as named:
                warnings.simplefilter("ignore")
                return load(named)
        except Exception as error:  # Of no common class, and the way of each version to say that it cannot.
            reasons.append(" ".join(str(error).split())[:120])
    missing = importlib.util.find_spec(PACKAGE) is None
    # It asks for `tensorflow` by that name, also where `tensorflow-cpu` is there.
    how = "--no-deps " if importlib.util.find_spec("tensorflow") else ""
    advice = f"install the Keras of TensorFlow 2 with: pip install {how}{PACKAGE}, or " if missing else ""
    raise RequestError(
        f"expected a Keras that opens '{path}' to compare with, found none ({reasons[-1 if missing else 0]}); "
        f"{advice}leave --check out"
    )


def today() -> str:
    """The Keras that is running, and its version."""
    return f"keras {keras.__version__}"


def _old(path: Path) -> Original:
    module: Any = importlib.import_module(PACKAGE)
    load: Callable[..., Any] = module.models.load_model
    return Original(load(str(path), compile=False), f"{PACKAGE} {module.__version__}")


def _new(path: Path) -> Original:
    return Original(keras.saving.load_model(path, compile=False, safe_mode=True), today())
