"""The blocks of a network, as its author would name them: `block_3`, `conv2_block1`, `stage_0_block_1`, `hidden2`.

Two witnesses say where a block ends: the cut points, which are the only places where training may begin, and the names
of layers. Stretches between cut points whose layers are numbered alike are one block; a stretch with no number of its
own that only normalises, activates or pools belongs to the block below; any other is a block by itself.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from regraft.core.blocks import Block, Layer, Reused
from regraft.graph import flow, names
from regraft.graph.cut_points import find
from regraft.graph.flow import Flow

# What the layers of a block have in common at the beginning of their names; the first that fits.
_KEYS = [
    re.compile(pattern)
    for pattern in (
        r"(.*?stage_?\d+[._/]block_?\d+[a-z]?)(?=[._/]|$)",  # ConvNeXt: stage_0_block_1_...
        r"(.*?block_?\d+[a-z]?)(?=[._/]|$)",  # block_3_expand, conv2_block1_1_conv, block2b_dwconv, block1_conv2
        r"(expanded_conv(?:_\d+)?)(?=[._/]|$)",  # the first block of MobileNetV2, all of MobileNetV3
        r"(fire\d+)(?=[._/]|$)",  # SqueezeNet
        r"(.*?(?:layers?|stages?|features|blocks)[._/]?\d+(?:[._/](?:blocks?[._/])?\d+)?)(?=[._/]|$)",  # PyTorch
    )
]
# MobileNet: conv_pad_2, conv_dw_2, conv_dw_2_bn, conv_pw_2, ...
_SEPARABLE = re.compile(r"conv_(?:pad|dw|pw)_(\d+)(?=_|$)")


def reused(model: keras.Model, cut_point: str) -> Reused:
    """The layers below a cut point, and their blocks.

    Raises:
        SourceError: there is no such cut point.
    """
    opened = flow.read(model)
    top = find(opened, cut_point)
    needed = {id(call.operation) for call in opened.needed_for([top.makes[0]])}
    everything = list(_layers(model, opened))
    kept = [
        (layer, made) for layer, made in everything if isinstance(layer, keras.layers.InputLayer) or id(layer) in needed
    ]
    return Reused(tuple(made for _, made in kept), _blocks(opened, top, kept), cut_point, len(everything))


def _layers(model: keras.Model, opened: Flow) -> Iterator[tuple[Any, Layer]]:
    """Every layer once in the order of `model.layers`, models inside opened up where the flow opens them."""
    called = {id(call.operation) for call in opened.calls}
    seen: set[int] = set()

    def walk(outer: Any, prefix: str) -> Iterator[tuple[Any, Layer]]:
        for layer in outer.layers:
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            path = prefix + layer.name
            if id(layer) not in called and flow.functional(layer) is not None:
                yield from walk(layer, f"{path}/")
            else:
                yield layer, _described(layer, path)

    yield from walk(model, "")


def _described(layer: Any, path: str) -> Layer:
    movable: list[Any] = [
        variable for _, part in names.layers(layer) for variable in vars(part).get("_trainable_variables", ())
    ]
    kernel = any("kernel" in variable.name or len(variable.shape) > 1 for variable in movable)
    return Layer(path, bool(movable), kernel, isinstance(layer, keras.layers.BatchNormalization))


def _blocks(opened: Flow, top: Any, kept: Sequence[tuple[Any, Layer]]) -> tuple[Block, ...]:
    groups: list[tuple[str | None, list[Layer]]] = []
    for stretch in _stretches(opened, top, kept):
        key = _key(stretch)
        if groups and (key == groups[-1][0] if key else not _weighs(stretch)):
            groups[-1][1].extend(stretch)
        else:
            groups.append((key, list(stretch)))
    return tuple(_named(_settled(groups)))


def _stretches(opened: Flow, top: Any, kept: Sequence[tuple[Any, Layer]]) -> list[list[Layer]]:
    """The layers between one cut point and the next, from the input upwards; a shared one where it is used first."""
    places: dict[int, int] = {}
    for number, call in enumerate(opened.separating()):
        for below in opened.needed_for([call.makes[0]]):
            places.setdefault(id(below.operation), number)
        if call is top or call.name == top.name:
            break
    found: dict[int, list[Layer]] = {}
    for layer, made in kept:
        found.setdefault(places.get(id(layer), 0), []).append(made)
    return [found[number] for number in sorted(found)]


def _key(stretch: Sequence[Layer]) -> str | None:
    """What most of its layers that have a number have in common; only those with weights count where there are any."""
    some = [layer for layer in stretch if layer.trainable] or stretch
    keys = Counter(key for layer in some if (key := _key_of(layer.path)) is not None)
    return keys.most_common(1)[0][0] if keys else None


def _key_of(path: str) -> str | None:
    outer, slash, name = path.rpartition("/")
    separable = _SEPARABLE.match(name)
    if separable:
        return f"{outer}{slash}conv_dw_{separable[1]}"
    found = next((match for key in _KEYS if (match := key.match(name))), None)
    return None if found is None else f"{outer}{slash}{found[1]}"


def _weighs(stretch: Sequence[Layer]) -> bool:
    return any(layer.kernel for layer in stretch)


def _settled(groups: Sequence[tuple[str | None, list[Layer]]]) -> list[tuple[str | None, list[Layer]]]:
    """Groups without a kernel joined to the one below; those at the very bottom to the one above."""
    made: list[tuple[str | None, list[Layer]]] = []
    lowest: list[Layer] = []
    for key, layers in groups:
        if _weighs(layers):
            made.append((key, [*lowest, *layers]))
            lowest = []
        elif made:
            made[-1][1].extend(layers)
        else:
            lowest += layers
    return made


def _named(groups: Sequence[tuple[str | None, list[Layer]]]) -> Iterator[Block]:
    seen: Counter[str] = Counter()
    for key, layers in groups:
        name = key or next(layer.path for layer in layers if layer.kernel)
        seen[name] += 1
        yield Block(name if seen[name] == 1 else f"{name}#{seen[name]}", tuple(layers))
