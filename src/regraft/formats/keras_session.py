"""Canonical names for what Keras 1 and 2 store, which is the names of the session that wrote the file.

A name such as `batch_normalization_1_1/gamma:0` or `uniform1` is understood from the configuration, by the order of the
layer's variables; without a configuration, as far as the name and the shape tell.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from regraft.formats.keras_layers import Layer, children, own_variables
from regraft.formats.keras_names import Named


def stored_by_session(
    weights: Mapping[str, Sequence[tuple[str, Any]]], model: Layer | None, first_keras: bool = False
) -> tuple[list[Named], list[str]]:
    """Name the datasets of a Keras 1 or 2 file.

    Args:
        weights: for each layer in order, (name in the file, dataset) in order.
        model: the configuration; None where there is none.
        first_keras: whether Keras 1 wrote the file, which had names of its own.
    """
    layers = {layer.name: layer for layer in model.layers} if model is not None and model.is_model else {}
    found: list[Named] = []
    warnings: list[str] = []
    unnamed: list[str] = []
    for layer_name, stored in weights.items():
        names = [name for name, _ in stored]
        layer = layers.get(layer_name)
        expected = _expected(layer, names, model.trainable if model else True) if layer is not None else None
        if expected is None:
            expected = [(name, _is_learning(name)) for name in _parsed(layer_name, stored, first_keras, layer is None)]
            if layer is not None and stored:
                warnings.append(
                    f"variables of '{layer_name}' (class {layer.class_name}) are named as the file names them"
                )
        unnamed += [name for name in names if _UNNAMED.fullmatch(_own_part(name))] if layer is None else []
        order = sorted(range(len(stored)), key=_rank(layer, expected))
        found += [Named(expected[index][0], stored[index][1], expected[index][1]) for index in order]
    if unnamed:
        warnings.append(
            f"{len(unnamed)} variables without a telling name, such as '{unnamed[0]}', are named by their shape"
        )
    return found, warnings


def _own_part(stored: str) -> str:
    return re.sub(r":\d+$", "", stored).rpartition("/")[2]


def _rank(layer: Layer | None, names: Sequence[tuple[str, bool]]) -> Any:
    natural = {name: index for index, (name, _) in enumerate(_variables(layer, layer.name))} if layer else {}
    return lambda index: (natural.get(names[index][0], len(natural)), index)


def _variables(layer: Layer, path: str, learns: bool = True) -> Iterator[tuple[str, bool]]:
    """Every variable that a layer should have, by canonical name, in Keras' order."""
    learns = learns and layer.trainable
    for variable in own_variables(layer) or ():
        yield f"{path}/{variable.name}", learns and variable.learns
    inner = [(child.name, child) for child in layer.layers] if layer.is_model else []
    for name, child in inner or [(canonical, child) for _, canonical, child in children(layer)]:
        yield from _variables(child, f"{path}/{name}", learns)


def _expected(layer: Layer, names: Sequence[str], learns: bool) -> list[tuple[str, bool]] | None:
    """The canonical names in the file's order, where number and names agree with what the layer should have."""
    natural = list(_variables(layer, layer.name, learns))
    if len(natural) != len(names):
        return None
    # Files list what learns before what does not; a frozen model was all of one kind when it was saved.
    by_nature = sorted(_variables(layer, layer.name), key=lambda item: not _is_learning(item[0]))
    split = [(name, dict(natural)[name]) for name, _ in by_nature]
    for order in (sorted(natural, key=lambda item: not item[1]), split, natural):
        if not layer.is_model or all(map(_agree, names, (name for name, _ in order))):
            return order
    return None


def _is_learning(name: str) -> bool:
    return not name.rpartition("/")[2].startswith("moving_")


def _agree(stored: str, canonical: str) -> bool:
    own, expected = _own_part(stored), canonical.rpartition("/")[2]
    return own == expected or (own == "depthwise_kernel" and expected == "kernel")


# Keras 1 named variables so; its `running_std` held the variance.
_OLD_NAMES = {
    "W": "kernel",
    "b": "bias",
    "gamma": "gamma",
    "beta": "beta",
    "running_mean": "moving_mean",
    "running_std": "moving_variance",
}
# Also a recurrent layer's `U`, and its gates one by one; the number tells sessions apart.
_FIRST = re.compile(rf"({'|'.join(_OLD_NAMES)}|U|[WUb]_[a-z])(?:_\d+)?")
_UNNAMED = re.compile(r"([a-z_]*(uniform|normal)|variable|param|weight)_?\d*", re.IGNORECASE)
_ATTENTION = {
    "query": "query_dense",
    "key": "key_dense",
    "value": "value_dense",
    "attention_output": "output_dense",
}


def _parsed(layer_name: str, stored: Sequence[tuple[str, Any]], first_keras: bool, guess: bool) -> list[str]:
    """Canonical names made from the file's own; what cannot be translated stays as it is."""
    paths: list[tuple[str, ...]] = []
    owns: list[str] = []
    for name, dataset in stored:
        head, _, own = re.sub(r":\d+$", "", name).rpartition("/")
        middle = re.sub(rf"^{re.escape(layer_name)}(_\d+)?(/|$)", "", head)
        if layer_name.startswith(f"{head}/") or layer_name == head:
            # A name with "/" in it: `fire2/expand1x1_b` belongs to the layer `fire2/expand1x1`.
            middle, own = "", f"{head}/{own}".removeprefix(f"{layer_name}_").removeprefix(f"{layer_name}/")
        first = _FIRST.fullmatch(own.removeprefix(f"{layer_name}_")) if first_keras else None
        if first is not None:
            own = _OLD_NAMES.get(first[1], first[1])
        if guess and _UNNAMED.fullmatch(own):
            own = "kernel" if len(dataset.shape) > 1 else "bias"
        owns.append(own)
        paths.append(tuple(_attribute(part) for part in middle.split("/") if part))
    named: list[str] = []
    for path, own in zip(paths, owns, strict=True):
        together = {other for place, other in zip(paths, owns, strict=True) if place == path}
        if "recurrent_kernel" in together:
            path = (*(path[:-1] if path and path[-1].endswith("_cell") else path), "cell")
        if own == "depthwise_kernel" and "pointwise_kernel" not in together:
            own = "kernel"
        named.append(_unused("/".join((layer_name, *path, own)), named))
    return named


def _attribute(part: str) -> str:
    side = re.match(r"(forward|backward)_", part)
    return f"{side[1]}_layer" if side else _ATTENTION.get(part, part)


def _unused(name: str, taken: Sequence[str]) -> str:
    count = 1
    free = name
    while free in taken:
        count += 1
        free = f"{name}#{count}"
    return free
