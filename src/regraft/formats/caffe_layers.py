"""The layers of a Caffe network as plain data, from the binary and the text form of both versions of the format."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from regraft.formats.caffe_schema import (
    FIRST_TYPES,
    PARAMETERS,
    TRANSFORM,
    TRANSFORM_NUMBERS,
    first_type,
    from_binary,
    from_text,
)
from regraft.formats.prototext import Block
from regraft.formats.wire import Message


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer.

    Attributes:
        name: in the network.
        type: such as `Convolution`; those of the first version under their later names.
        bottoms: the values that it reads.
        tops: the values that it makes.
        attributes: its parameters.
        transform: how a data layer prepares pictures.
        tested: whether it is there when the network is used, not only when it learns.
        blobs: its weights; only in a binary file.
    """

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    attributes: dict[str, Any]
    transform: dict[str, Any] = field(default_factory=dict[str, Any])
    tested: bool = True
    blobs: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Network:
    """A network: its name, its layers, and the shapes of the inputs that it states, the batch included."""

    name: str
    layers: tuple[Layer, ...]
    inputs: dict[str, tuple[int, ...]]


def network_of_binary(message: Message) -> Network:
    """The network of a `.caffemodel`."""
    layers = [*map(_layer, message.messages(100)), *map(_first_layer, message.messages(2))]
    dims, shapes = message.integers(4), [inner.integers(1) for inner in message.messages(8)]
    return Network(message.text(1), tuple(layers), _inputs(message.texts(3), dims, shapes))


def _layer(message: Message) -> Layer:
    return Layer(
        message.text(1),
        message.text(2),
        tuple(message.texts(3)),
        tuple(message.texts(4)),
        _parameters(message, 0),
        _transform(message, 0),
        blobs=tuple(message.messages(7)),
    )


def _first_layer(message: Message) -> Layer:
    if 1 in message:
        raise ValueError("its layers are of Caffe before 2014; upgrade it with Caffe's upgrade_net_proto_binary")
    number = message.integer(5)
    return Layer(
        message.text(4),
        FIRST_TYPES[number] if 0 <= number < len(FIRST_TYPES) else str(number),
        tuple(message.texts(2)),
        tuple(message.texts(3)),
        _parameters(message, 1),
        _transform(message, 1),
        blobs=tuple(message.messages(6)),
    )


def _parameters(message: Message, version: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in PARAMETERS.values():
        number = row[version]
        inner = message.message(number) if isinstance(number, int) else None
        if inner is not None:
            found |= from_binary(inner, row[2])
    return found


def _transform(message: Message, version: int) -> dict[str, Any]:
    inner = message.message(TRANSFORM_NUMBERS[version])
    return from_binary(inner, TRANSFORM) if inner is not None else {}


def network_of_text(block: Block) -> Network:
    """The network of a `.prototxt`.

    Raises:
        ValueError: it is no network.
    """
    stated = [(item, False) for item in _blocks(block, "layer")] + [(item, True) for item in _blocks(block, "layers")]
    layers = tuple(_text_layer(item, first) for item, first in stated)
    shapes = [[size for size in item.get("dim", []) if isinstance(size, int)] for item in _blocks(block, "input_shape")]
    dims = [size for size in block.get("input_dim", []) if isinstance(size, int)]
    return Network(_text(block, "name"), layers, _inputs(_texts(block, "input"), dims, shapes))


def _text_layer(block: Block, first: bool) -> Layer:
    if "layer" in block:
        raise ValueError("its layers are of Caffe before 2014; upgrade it with Caffe's upgrade_net_proto_text")
    attributes: dict[str, Any] = {}
    for name, (_, _, fields) in PARAMETERS.items():
        for inner in _blocks(block, name):
            attributes |= from_text(inner, fields)
    transform = [from_text(inner, TRANSFORM) for inner in _blocks(block, "transform_param")]
    kind = _text(block, "type")
    return Layer(
        _text(block, "name"),
        first_type(kind) if first else kind,
        tuple(_texts(block, "bottom")),
        tuple(_texts(block, "top")),
        attributes,
        transform[-1] if transform else {},
        _tested(block),
    )


def _tested(block: Block) -> bool:
    """Whether a layer is there in the phase `TEST`: its rules say so, or it has none."""
    included = [_text(rule, "phase") for rule in _blocks(block, "include")]
    excluded = [_text(rule, "phase") for rule in _blocks(block, "exclude")]
    return (not included or any(phase != "TRAIN" for phase in included)) and "TEST" not in excluded


def _blocks(block: Block, name: str) -> Iterator[Block]:
    for value in block.get(name, []):
        if not isinstance(value, dict):
            raise ValueError(f"'{name}' is no block")
        yield cast(Block, value)


def _texts(block: Block, name: str) -> list[str]:
    return [str(value) for value in block.get(name, []) if isinstance(value, (str, int, float))]


def _text(block: Block, name: str) -> str:
    return (_texts(block, name) or [""])[-1]


def _inputs(names: list[str], dims: list[int], shapes: list[list[int]]) -> dict[str, tuple[int, ...]]:
    """Inputs have a shape each, or four sizes each in one row."""
    if shapes:
        return {name: tuple(shape) for name, shape in zip(names, shapes, strict=False)} | dict.fromkeys(
            names[len(shapes) :], ()
        )
    return {name: tuple(dims[4 * index : 4 * index + 4]) for index, name in enumerate(names)}
