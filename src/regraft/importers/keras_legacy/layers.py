"""One layer of today's Keras from its rewritten configuration, every setting looked at."""

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

import keras

from regraft.core.errors import SourceError, nearest
from regraft.importers.keras_legacy import vocabulary

_HELD = (
    ("_initializer", keras.initializers),
    ("_regularizer", keras.regularizers),
    ("_constraint", keras.constraints),
)
_INNER = ("layer", "backward_layer", "cell")
# What stands in a layer's configuration and is not its business.
_ELSEWHERE = ("batch_shape", "name")
# What says nothing for a layer that has no such setting; whether it is trainable says nothing of one without weights.
_SAYS_NOTHING: tuple[Any, ...] = (None, False, 0, "", [], {})


def made(item: Mapping[str, Any], name: str, place: str, notes: list[str], model: Callable[..., Any]) -> Any:
    """A layer, not yet built.

    Args:
        item: rewritten.
        name: that it gets.
        place: the layer and the file, for messages.
        notes: gets a line for what could not be kept.
        model: makes the model for an item that is one; for layers that hold models.

    Raises:
        SourceError: its class is not Keras' own and not registered, or it has a setting that today's class lacks.
    """
    kind = vocabulary.layer_class(item["class_name"], place, item.get("registered_name"))
    config: Mapping[str, Any] = item["config"]
    if not kind.__module__.startswith("keras."):
        return kind.from_config({**{key: value for key, value in config.items() if key != "batch_shape"}, "name": name})
    known = vocabulary.accepted(kind)
    given: dict[str, Any] = {}
    for key, value in config.items():
        if key in known and key not in _ELSEWHERE:
            given[key] = _setting(key, value, place, notes, model)
        elif key not in (*_ELSEWHERE, "trainable") and value not in _SAYS_NOTHING:
            raise SourceError(
                f"{place}: setting '{key}' = {str(value)[:40]} is unknown to {item['class_name']} of Keras "
                f"{keras.__version__}{nearest(key, known)}; give the model itself, or its weights with --architecture"
            )
    given = {key: value for key, value in given.items() if not (value is None and known[key] is not None)}
    try:
        return kind(**given, name=name)
    except (TypeError, ValueError, AttributeError, KeyError, ZeroDivisionError, OverflowError) as error:
        said = " ".join(str(error).split())[:200]
        raise SourceError(f"{place}: {item['class_name']} does not take its settings ({said})") from error


def plain_name(name: str, taken: Mapping[str, Any] | set[str]) -> str:
    """A name as today's Keras allows it, unique among those taken.

    >>> plain_name("fire2/squeeze1x1", set()), plain_name("a_b", {"a_b"})
    ('fire2_squeeze1x1', 'a_b_2')
    """
    plain = re.sub(r"[^A-Za-z0-9_.>-]", "_", name) or "layer"
    count, free = 1, plain
    while free in taken:
        count += 1
        free = f"{plain}_{count}"
    return free


def _setting(key: str, value: Any, place: str, notes: list[str], model: Callable[..., Any]) -> Any:
    for ending, module in _HELD:
        if key.endswith(ending):
            held = vocabulary.held_object(value, module)
            if value is not None and held is None:
                notes.append(f"{place}: {key} {str(value)[:60]} is not Keras' own and was left out")
            return held
    if key in ("activation", "recurrent_activation"):
        return vocabulary.activation(value, place)
    if key == "dtype":
        return vocabulary.dtype(value, place)
    if key in _INNER and isinstance(value, Mapping):
        return _inner(cast(Mapping[str, Any], value), place, notes, model)
    if key == "cells":
        return [_inner(cell, place, notes, model) for cell in value]
    if key == "vocabulary" and isinstance(value, str):
        raise SourceError(f"{place} names a file to read its vocabulary from ('{value}'), which a network may not")
    return _plain(value, place)


def _inner(item: Mapping[str, Any], place: str, notes: list[str], model: Callable[..., Any]) -> Any:
    config = item["config"]
    if "layers" in config:
        return model(item)
    name = str(config.get("name") or item["class_name"].lower())
    return made(item, plain_name(name, set()), f"{place}, in it '{name}'", notes, model)


def _plain(value: Any, place: str) -> Any:
    """A setting that is plain data: numbers, words, tuples of them."""
    if isinstance(value, list):
        return tuple(_plain(item, place) for item in cast("list[Any]", value))
    if isinstance(value, Mapping):
        item = cast(Mapping[str, Any], value)
        if "class_name" in item:
            raise SourceError(f"{place}: expected plain settings, found an object of class '{item['class_name']}'")
        return {key: _plain(inner, place) for key, inner in item.items()}
    return value
