"""What a configuration of Keras 3 may ask Keras' own loader for: a closed list of modules, checked before it is asked.

Keras imports the module that a configuration names. Its safe mode has been walked around more than once: by
`keras.config.enable_unsafe_deserialization`, by `keras.utils.get_file` as an activation, by a module such as `os`
(CVE-2025-1550, -8747, -9905, -9906), by a vocabulary that is a path (CVE-2025-12058). So nothing reaches it here but
Keras' own layers, operations and what they are made of, and what the user's own code has registered.
"""

import builtins
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, cast

import keras

from regraft.core.errors import CorruptFileError, SourceError
from regraft.importers.keras_legacy import vocabulary

_MODULES = re.compile(
    r"keras(\.(layers|models|ops|initializers|regularizers|constraints|activations|dtype_policies|quantizers|random)"
    r"|\.src(\.(layers|models|ops|initializers|regularizers|constraints|activations|dtype_policies|quantizers|random)"
    r"(\.\w+)*))?"
)
_LOADERS = ("deserialize", "get", "serialize", "from_json", "load_model", "model_from_json", "clone_model")
# How Keras writes plain values that JSON has no word for.
_VALUES = frozenset(
    ("__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__", "__keras_tensor__", "__tuple__")
)
# Each of them is a side of a layer's variable, so that the variable has at least their product of elements.
_SIZES = ("units", "filters", "output_dim", "input_dim")
_BESIDE = 10_000
# What training needs is not read: models are opened without being compiled.
_NOT_READ = ("compile_config",)


def refuse_what_is_not_keras(config: Mapping[str, Any], path: str) -> None:
    """Raise unless everything that a configuration names is Keras' own or registered by the user's code.

    Args:
        config: of a whole model, as Keras 3 writes it.
        path: the file, for messages.

    Raises:
        SourceError: it names the layer and what it asked for.
    """
    for place, item in _objects(config, ""):
        _refuse(item, f"'{path}'" if not place else f"'{path}': layer '{place}'")


def refuse_sizes(config: Mapping[str, Any], elements: int, path: str) -> None:
    """Raise if a layer is to be larger than all that the file holds, before Keras takes memory for it.

    Args:
        config: of a whole model.
        elements: how many the file holds.
        path: the file, for messages.

    Raises:
        CorruptFileError: it names the layer.
    """
    for place, item in _objects(config, ""):
        settings: Any = item.get("config")
        sizes = [settings.get(name) for name in _SIZES] if isinstance(settings, Mapping) else []
        asked = prod(size for size in sizes if isinstance(size, int) and size > 0)
        if sizes and asked > elements + _BESIDE:
            raise CorruptFileError(
                f"'{path}': layer '{place}' asks for {asked} weights, the file holds {elements}; get the file again"
            )


def _objects(value: Any, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every object of a configuration with the name of the innermost layer that it is in."""
    if isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _objects(item, place)
    elif isinstance(value, Mapping):
        item = cast(Mapping[str, Any], value)
        inner = item.get("config")
        if "class_name" in item:
            if isinstance(inner, Mapping) and isinstance(inner.get("name"), str):
                place = str(inner["name"])
            yield place, item
        for key, part in item.items():
            if key not in _NOT_READ:
                yield from _objects(part, place)


def _refuse(item: Mapping[str, Any], place: str) -> None:
    name, module = str(item["class_name"]), item.get("module")
    plain = name.rpartition(".")[2].rpartition(">")[2]
    if name == "__lambda__" or plain in vocabulary.CODE_RUNNERS:
        raise SourceError(vocabulary.runs_code(place, "Lambda" if name == "__lambda__" else plain))
    config: Any = item.get("config")
    if isinstance(config, Mapping) and isinstance(config.get("vocabulary"), str):
        raise SourceError(
            f"{place} names a file to read its vocabulary from ('{config['vocabulary']}'), which a network may not"
        )
    if name in _VALUES or _is_registered(item):
        return
    if name == "function":
        _refuse_function(item, place)
        return
    if name == "__typespec__" or not _is_kerass(module, name):
        raise SourceError(_unknown(place, module, name))


def _refuse_function(item: Mapping[str, Any], place: str) -> None:
    """A function may be an activation of Keras' own, and nothing else."""
    name = str(item.get("config"))
    known = vars(keras.activations).get(name)
    if not inspect.isfunction(known) or name in _LOADERS or not _is_kerass(item.get("module"), "function"):
        raise SourceError(_unknown(place, item.get("module"), name))


def _is_registered(item: Mapping[str, Any]) -> bool:
    custom = keras.saving.get_custom_objects()
    name, registered = item["class_name"], item.get("registered_name")
    inner = item.get("config") if name == "function" else None
    # Keras looks at these three, in whatever order its version has.
    return any(isinstance(key, str) and key in custom for key in (registered, name, inner))


def _is_kerass(module: Any, name: str) -> bool:
    # A class, and no function that would be called with what the file says.
    if name != "function" and not name[:1].isupper():
        return False
    if module is None:
        return name in vars(keras.layers) or name in ("Functional", "Sequential", "Model")
    return module == "builtins" or _MODULES.fullmatch(str(module)) is not None


def _unknown(place: str, module: Any, name: str) -> str:
    top = str(module or "").partition(".")[0]
    theirs = top not in ("keras", *sys.stdlib_module_names) or (top == "builtins" and name not in vars(builtins))
    if theirs:
        return vocabulary.custom_class(place, name)
    return (
        f"{place} asks for '{module}.{name}', which is no layer and nothing that layers are made of; a file may name "
        "only Keras' own layers and what your code has registered; nothing of it was run, do not trust this file"
    )
