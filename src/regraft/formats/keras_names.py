"""Canonical names for what Keras 3 stores, which is variables by position: `layers/conv2d_1/vars/0`.

They become the names of the live model: layer names through nested models, then the attributes of layers that hold
layers, then the variable's own name. Where the file does not tell, it is said so.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from regraft.formats.keras_layers import (
    Layer,
    Variable,
    children,
    guessed_variables,
    known_class,
    own_variables,
    stored_names,
)


@dataclass(frozen=True, slots=True)
class Named:
    """A stored tensor and its canonical name; `learns` is false for statistics and what the configuration freezes."""

    name: str
    dataset: Any
    learns: bool = True


@dataclass(frozen=True, slots=True)
class _Place:
    path: str
    layer: Layer
    learns: bool


# What Keras keeps beside the layers of a model; none of it is a weight.
_BESIDE = ("optimizer", "metrics", "loss_tracker", "compile_metrics", "compile_loss")


def stored_by_position(
    groups: Mapping[str, Any], datasets: Mapping[str, Any], model: Layer | None
) -> tuple[list[Named], list[str]]:
    """Name the datasets of a Keras 3 weights file.

    Args:
        groups: of the file, by path.
        datasets: of the file, by path.
        model: the configuration; None where there is none.

    Returns:
        The named tensors, in the model's order where that is known, and warnings.
    """
    stored = _by_layer(datasets)
    labels = {_plain(path): group for path, group in groups.items()}
    places = dict(_places(model, labels)) if model is not None and model.is_model else {}
    found: list[Named] = []
    warnings: list[str] = []
    for key, place in places.items():
        if key in stored:
            found += _own(place, stored.pop(key), own_variables(place.layer), warnings)
    for key, values in stored.items():
        place = _derived(key, places, labels, warnings)
        found += _own(place, values, guessed_variables(place.layer.class_name, len(values)), warnings)
    return found, list(dict.fromkeys(warnings))


def _by_layer(datasets: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    stored: dict[str, dict[str, Any]] = {}
    for path, dataset in sorted(datasets.items(), key=lambda item: _natural(item[0])):
        head, _, key = path.rpartition("/")
        layer = _plain(head.removesuffix("vars").rstrip("/"))
        if layer.split("/")[0] not in _BESIDE:
            stored.setdefault(layer, {})[key] = dataset
    return stored


def _natural(path: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path)]


def _plain(path: str) -> str:
    # Keras stores the attribute `_query_dense` as such, or without the underscore where a property of that name exists,
    # which depends on its version. TensorFlow 2.13 had another word for `layers`.
    path = path.replace("_layer_checkpoint_dependencies", "layers").replace("\\", "/")
    return "/".join(part.lstrip("_") for part in path.split("/"))


def _places(
    model: Layer, labels: Mapping[str, Any], stored: str = "", path: str = "", learns: bool = True
) -> Iterator[tuple[str, _Place]]:
    learns = learns and model.trainable
    layers = [layer for layer in model.layers if layer.is_layer]
    by_name = {layer.name: layer for layer in layers}
    for name, layer in zip(stored_names(layers), layers, strict=True):
        here = f"{stored}layers/{name.lstrip('_')}"
        # Where the file says a layer's name, that counts, and not its position, by which Keras itself would load.
        layer = by_name.get(_label(labels.get(f"{here}/vars")) or "", layer)
        yield from _placed(layer, labels, here, path + layer.name, learns)


def _placed(
    layer: Layer, labels: Mapping[str, Any], stored: str, path: str, learns: bool
) -> Iterator[tuple[str, _Place]]:
    learns = learns and layer.trainable
    yield stored, _Place(path, layer, learns)
    if layer.is_model:
        yield from _places(layer, labels, f"{stored}/", f"{path}/", learns)
        return
    for attribute, canonical, child in children(layer):
        yield from _placed(child, labels, f"{stored}/{attribute}", f"{path}/{canonical}", learns)


def _own(
    place: _Place, values: Mapping[str, Any], names: Sequence[Variable] | None, warnings: list[str]
) -> Iterator[Named]:
    keys = sorted(values, key=lambda key: (int(key) if key.isdigit() else -1, key))
    if names is None or len(names) != len(keys) or not all(key.isdigit() for key in keys):
        kind = place.layer.class_name
        what = f"class {kind}" if kind else "unknown class"
        if any(key.isdigit() for key in keys):
            warnings.append(f"variables of '{place.path}' ({what}) are named by position: {', '.join(keys)}")
        names = [Variable(key) for key in keys]
    for key, variable in zip(keys, names, strict=True):
        name = f"{place.path}/{variable.name}" if place.path else variable.name
        yield Named(name, values[key], place.learns and variable.learns)


def _derived(stored: str, places: Mapping[str, _Place], labels: Mapping[str, Any], warnings: list[str]) -> _Place:
    """The place of a layer that the configuration, if any, does not mention."""
    parts = stored.split("/") if stored else []
    place, start = _Place("", Layer("", "", {}), True), 0
    for end in range(len(parts), 0, -1):
        if "/".join(parts[:end]) in places:
            place, start = places["/".join(parts[:end])], end
            break
    for index in range(start, len(parts)):
        here, part = "/".join(parts[: index + 1]), parts[index]
        if part == "layers" and index + 1 < len(parts):
            continue
        if index and parts[index - 1] == "layers":
            name = _label(labels.get(f"{here}/vars")) or part
            place = _Place(_join(place.path, name), Layer(name, known_class(part), {}), place.learns)
        elif index > start and f"{'/'.join(parts[:index])}/vars" not in labels:
            siblings = _siblings("/".join(parts[:index]), labels)
            name = _position(part, siblings)
            if name == part and len(siblings) > 1:
                warnings.append(f"the order of the layers in '{place.path}' is not stated: {', '.join(siblings)}")
            place = _Place(_join(place.path, name), Layer(name, known_class(part), {}), place.learns)
        else:
            held = {attribute: child for attribute, _, child in children(place.layer)}
            child = held.get(part) or Layer(part, "LSTMCell" if part == "cell" else "", {})
            place = _Place(_join(place.path, part), child, place.learns)
    return place


def _label(group: Any) -> str | None:
    value = None if group is None else group.attrs.get("name")
    return value.decode() if isinstance(value, bytes) else value


def _siblings(container: str, labels: Mapping[str, Any]) -> list[str]:
    start = f"{container}/"
    return sorted({path[len(start) :].split("/")[0] for path in labels if path.startswith(start)})


def _position(part: str, siblings: Sequence[str]) -> str:
    kinds = {re.sub(r"_\d+$", "", sibling) for sibling in siblings}
    if len(kinds) > 1:
        return part
    number = re.search(r"_(\d+)$", part)
    return number[1] if number else "0"


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name
