"""What builds the model for a file of weights: `keras:NAME?...`, `package.module:function`, or `model.json`."""

import contextlib
import importlib
import inspect
import os
import sys
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import keras

from regraft.core.errors import SourceError, nearest
from regraft.formats import damage, keras_config
from regraft.importers import keras_applications, keras_legacy, screening

# A configuration is text; the largest networks of keras.applications have one of two megabytes.
_LONGEST = 1 << 28


def configuration(text: str) -> Mapping[str, Any] | None:
    """The configuration in a JSON file (what `model.to_json()` gives), where `--architecture` names one.

    Raises:
        SourceError: there is no such file.
        CorruptFileError: it is not the JSON of a Keras model.
    """
    path = Path(text)
    if path.suffix != ".json":
        return None
    if not path.is_file() or path.stat().st_size > _LONGEST:
        near = nearest(path.name, [item.name for item in path.parent.glob("*.json")])
        raise SourceError(f"expected the JSON of a model for --architecture, found none at '{path}'{near}")
    with damage.refusing_damage(path):
        return keras_config.parsed(path.read_bytes())


def described(text: str) -> keras.Model:
    """The model of a configuration in a JSON file, with fresh weights.

    Raises:
        SourceError: there is no such file, or it asks for what is not Keras' own.
        CorruptFileError: it is not the JSON of a Keras model.
    """
    config = configuration(text)
    if config is None:
        raise SourceError(f"expected the JSON of a model, found '{text}'")
    if keras_legacy.is_old_configuration(config):
        return keras_legacy.fresh(config, text)
    screening.refuse_what_is_not_keras(config, text)
    with damage.refusing_damage(Path(text)):
        model = keras.saving.deserialize_keras_object(dict(config), safe_mode=True)
    if not isinstance(model, keras.Model):
        raise SourceError(f"expected a model in '{text}', found {type(model).__name__}")
    return model


def build(text: str, input_size: int | None = None) -> keras.Model:
    """Build the model that `--architecture` names, with fresh weights.

    Args:
        text: `keras:NAME?argument=value&...`, or `package.module:function`; the module is looked for in the current
            folder too, and the function is called without arguments.
        input_size: height and width in pixels, for `keras:` only.

    Raises:
        SourceError: there is no such thing, or it does not return a model.
    """
    if text.startswith(keras_applications.PREFIX):
        name, arguments = keras_applications.parse(text)
        return keras_applications.build(name, {**arguments, "weights": None}, input_size)
    module_name, colon, name = text.partition(":")
    if not colon or not module_name or not name:
        raise SourceError(
            f"expected --architecture keras:NAME?..., package.module:function or model.json, found '{text}'; "
            "for example keras:MobileNet?alpha=0.25"
        )
    model = _call(text, module_name, name)
    if not isinstance(model, keras.Model):
        raise SourceError(f"expected a keras.Model from '{text}', found {type(model).__name__}")
    if not model.built:
        raise SourceError(f"expected a built model from '{text}', found one without weights; give it a keras.Input")
    return model


def _call(text: str, module_name: str, name: str) -> object:
    with _current_folder_importable():
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            raise SourceError(f"cannot import '{module_name}' for --architecture {text}: {error}") from error
    functions = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
    if not callable(getattr(module, name, None)):
        raise SourceError(f"module '{module_name}' has no function '{name}'{nearest(name, functions)}")
    function = getattr(module, name)
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        raise SourceError(f"'{text}' must be callable without arguments: {error}; wrap it in a function") from None
    return function()


@contextlib.contextmanager
def _current_folder_importable() -> Generator[None]:
    here = os.getcwd()  # noqa: PTH109 - sys.path holds strings
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        yield
    finally:
        if added:
            sys.path.remove(here)
