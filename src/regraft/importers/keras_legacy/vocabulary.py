"""The classes and functions that a configuration may ask for, by name: a closed list, looked up, never imported.

A configuration is data from elsewhere. It names classes; Keras' own loader imports the module that stands beside the
name, which has let files call what they liked (CVE-2025-1550, -8747, -9905, -9906). Here a name is a key of a table of
Keras' own layers, or of what the user's code has registered, or it is refused.
"""

import inspect
import re
from collections.abc import Mapping
from typing import Any, cast

import keras

from regraft.core.errors import SourceError, nearest

# Layers that run code or files which the configuration brings along.
CODE_RUNNERS = ("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")
_ABSTRACT = ("Layer", "Wrapper", "Pipeline")

_ACTIVATIONS = {"swish": "silu", "relu6": "relu6", "gelu": "gelu"}
_DTYPE = re.compile(r"(float|bfloat|int|uint)\d+|bool|string|mixed_b?float16")


def layer_class(name: str, place: str, registered: str | None = None) -> Any:
    """Keras' own layer of a name, or what the user's code registered under it.

    Args:
        name: the class, in today's spelling; see `rewriting`.
        place: the layer and the file, for messages.
        registered: the name under which a custom class was registered, such as `mine>Scale`.

    Raises:
        SourceError: it would run code from the file, or is not Keras' own and not registered.
    """
    name = name.rpartition(".")[2]
    if name in CODE_RUNNERS:
        raise SourceError(runs_code(place, name))
    own = _own_layers()
    if name in own:
        return own[name]
    custom = keras.saving.get_custom_objects()
    for key in (registered, name, f"Custom>{name}"):
        if key and inspect.isclass(custom.get(key)):
            return custom[key]
    raise SourceError(custom_class(place, name, nearest(name, own)))


def runs_code(place: str, name: str) -> str:
    """The refusal of a layer that is code in a file."""
    return (
        f"{place} holds Python code (a {name} layer or the like), which is not run from a file; if you trust its "
        "author, say --trust (trust=True); else save the model without it, or give the model itself, or its weights "
        "with --architecture package.module:function"
    )


def custom_class(place: str, name: str, near: str = "") -> str:
    """The refusal of a class that only its author's code defines."""
    return (
        f"{place} needs the custom object '{name}', which only its author's code defines{near}; register it with "
        "keras.saving.register_keras_serializable, or give the model itself, or its weights with --architecture "
        "package.module:function"
    )


def activation(value: Any, place: str) -> Any:
    """An activation by its name, as today's Keras spells it, or what the user's code registered; None for none.

    Raises:
        SourceError: there is no such activation.
    """
    name = _name_of(value)
    if name is None:
        return None
    known = vars(keras.activations)
    current = _ACTIVATIONS.get(name, name)
    if inspect.isfunction(known.get(current)) and current not in ("get", "serialize", "deserialize"):
        return current
    if isinstance(value, Mapping) and name in _own_layers() and name not in (*CODE_RUNNERS, *_ABSTRACT):
        return _own_layers()[name](**_config_of(value, _own_layers()[name]))
    custom = keras.saving.get_custom_objects().get(name)
    if callable(custom):
        return custom
    raise SourceError(
        custom_class(place, name, nearest(name, [key for key in known if inspect.isfunction(known[key])]))
    )


def held_object(value: Any, module: Any) -> Any:
    """An initializer, regularizer or constraint of Keras' own; None where there is none or it is not known.

    Args:
        value: a name, or a configuration of any version.
        module: `keras.initializers`, `keras.regularizers` or `keras.constraints`.
    """
    name = _name_of(value)
    if name is None:
        return None
    found: Any = {key.lower().replace("_", ""): item for key, item in vars(module).items() if inspect.isclass(item)}
    kind = found.get(_OLD_OBJECTS.get(name.lower().replace("_", ""), name.lower().replace("_", "")))
    if kind is None or inspect.isabstract(kind):
        return None
    config = _config_of(value, kind) if isinstance(value, Mapping) else {}
    try:
        return kind(**config)
    except (TypeError, ValueError):
        return None


def dtype(value: Any, place: str) -> str | None:
    """A dtype or a policy by name.

    Raises:
        SourceError: it is none that a network can have.
    """
    name = value if isinstance(value, str) else _config(value).get("name")
    if name is None or str(name).startswith(("infer", "_infer")):
        return None
    if not _DTYPE.fullmatch(str(name)):
        raise SourceError(f"{place}: expected a type such as float32 or mixed_float16, found '{name}'")
    return str(name)


def accepted(kind: Any) -> dict[str, Any]:
    """The settings that a class takes, with their defaults."""
    parameters = dict(inspect.signature(kind.__init__).parameters)
    takes_more = any(item.kind is inspect.Parameter.VAR_KEYWORD for item in parameters.values())
    base = inspect.signature(keras.layers.Layer.__init__).parameters if takes_more else {}
    every = {**base, **parameters}
    return {name: item.default for name, item in every.items() if name not in ("self", "args", "kwargs")}


_OLD_OBJECTS = {
    "zero": "zeros",
    "one": "ones",
    "normal": "randomnormal",
    "uniform": "randomuniform",
    "weightregularizer": "l1l2",
    "l1l2regularizer": "l1l2",
    "glorotuniformv2": "glorotuniform",
}
_PLAIN = (str, int, float, bool, type(None))


def _own_layers() -> dict[str, Any]:
    return {
        name: item
        for name, item in vars(keras.layers).items()
        if inspect.isclass(item) and issubclass(item, keras.layers.Layer) and name not in _ABSTRACT
    }


def _name_of(value: Any) -> str | None:
    """The name in `"relu"`, `{"class_name": "Zeros", ...}`, `{"class_name": "function", "config": "relu"}`."""
    if isinstance(value, Mapping):
        item = cast(Mapping[str, Any], value)
        inner = item.get("config")
        name = inner if item.get("class_name") == "function" else item.get("class_name", item.get("name"))
        return None if name is None else str(name).rpartition(".")[2]
    return value if isinstance(value, str) else None


def _config(value: Any) -> Mapping[str, Any]:
    inner = cast(Mapping[str, Any], value).get("config") if isinstance(value, Mapping) else None
    return cast(Mapping[str, Any], inner) if isinstance(inner, Mapping) else {}


def _config_of(value: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    """The plain settings of an object that today's class takes."""
    config = _config(value) or value
    known = inspect.signature(kind.__init__).parameters
    old = {"m": "max_value"}
    renamed = {old.get(key, key): item for key, item in config.items()}
    return {
        key: item
        for key, item in renamed.items()
        if key in known and key != "name" and isinstance(item, (*_PLAIN, list))
    }
