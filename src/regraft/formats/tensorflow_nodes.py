"""The nodes of a TensorFlow graph as plain data: attributes decoded, constants left where they are.

Field numbers: tensorflow/core/framework/{graph,node_def,attr_value,function,op_def}.proto.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core.errors import CorruptFileError
from regraft.core.tensors import TensorEntry
from regraft.formats import damage, tensorflow_text, wire
from regraft.formats.tensorflow_types import constant, constant_claim, shape_of, type_name
from regraft.formats.wire import Message

_EMPTY = memoryview(b"")

CONSTANT = "Const"
VARIABLES = ("Variable", "VariableV2", "VarHandleOp", "AutoReloadVariable")
OUTPUT_SHAPES = "_output_shapes"

# Settings of one session on one machine, most of them serialised once more.
_NOT_OF_THE_GRAPH = ("config_proto", "config", "executor_type")


@dataclass(frozen=True, slots=True)
class Node:
    """One node.

    Attributes:
        name: unique in its graph.
        kind: TensorFlow's operation.
        inputs: the values that it reads, in TensorFlow's short form: `x`, `x:1`, in functions `x:output:0`.
        after: names of nodes that must have run before.
        attributes: its settings as plain Python.
        constant: where the value of a `Const` stands in the file: first byte and length.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    after: tuple[str, ...]
    attributes: Mapping[str, Any]
    constant: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """An operation's or a function's declaration: names of what it reads and makes.

    Attributes:
        name: of the operation or function.
        inputs: names of its arguments.
        outputs: name, the attribute that says how many there are, the attribute that lists the types of all of them.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the library.

    Attributes:
        signature: what it reads and makes.
        nodes: its body; empty where nothing leads to it.
        returns: the value inside that each output is.
    """

    signature: Signature
    nodes: tuple[Node, ...]
    returns: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph: nodes, functions by name, and the operations' declarations as far as the file has them."""

    nodes: tuple[Node, ...]
    functions: Mapping[str, Function]
    declared: Mapping[str, Signature]


def graph(definition: Message | None, whole: memoryview, declared: Mapping[str, Signature] | None = None) -> Graph:
    """Read a `GraphDef`; functions that nothing in it leads to are only named, as traces for training can be many.

    Args:
        definition: the message.
        whole: the file that it is a part of.
        declared: the operations' declarations, where the file has them.

    Raises:
        ValueError: it is damaged, or two nodes have one name.
    """
    if definition is None:
        return Graph((), {}, declared or {})
    nodes = tuple(node(message, whole) for message in definition.messages(1))
    if len({item.name for item in nodes}) != len(nodes):
        raise ValueError("two nodes have one name")
    library = definition.message(2)
    known = dict(_function(message) for message in library.messages(1)) if library else {}
    used: dict[str, Function] = {}
    waiting = _called(nodes, known)
    while waiting:
        name = waiting.pop()
        if name not in used:
            found, message = known[name]
            body = tuple(node(item, whole) for item in message.messages(3))
            used[name] = Function(found.signature, body, found.returns)
            waiting += _called(body, known)
    return Graph(nodes, {name: used.get(name, found) for name, (found, _) in known.items()}, declared or {})


def _called(nodes: tuple[Node, ...], known: Mapping[str, Any]) -> list[str]:
    words = {word for item in nodes for word in (item.kind, *item.attributes.values()) if isinstance(word, str)}
    return [word for word in words if word in known]


def all_nodes(graph: Graph) -> Iterator[tuple[str, Node]]:
    """The nodes of a graph by name, then those in its functions by `function/name`."""
    for item in graph.nodes:
        yield item.name, item
    for name, function in graph.functions.items():
        for item in function.nodes:
            yield f"{name}/{item.name}", item


def node(message: Message, whole: memoryview) -> Node:
    """Read a `NodeDef`."""
    inputs = message.texts(3)
    raw = dict(_map(message, 5))
    value = raw.get("value") if message.text(2) == CONSTANT else None
    tensor = Message(value).view(8) if value is not None else None
    return Node(
        name=message.text(1),
        kind=message.text(2),
        inputs=tuple(name for name in inputs if not name.startswith("^")),
        after=tuple(name[1:] for name in inputs if name.startswith("^")),
        attributes={name: _attribute(view) for name, view in raw.items() if _of_the_graph(name)},
        constant=(wire.offset(tensor, whole), len(tensor)) if tensor is not None and len(tensor) else None,
    )


def signature(message: Message) -> Signature:
    """Read an `OpDef`."""
    inputs = tuple(item.text(1) for item in message.messages(2))
    outputs = tuple((item.text(1), item.text(5), item.text(6)) for item in message.messages(3))
    return Signature(message.text(1), inputs, outputs)


def constants(nodes: Iterator[tuple[str, Node]], path: Path, whole: memoryview) -> dict[str, TensorEntry]:
    """The constants among some nodes, read when asked for.

    Args:
        nodes: with the names that their tensors shall have.
        path: the file.
        whole: its content.

    Raises:
        CorruptFileError: one claims more than is stored.
    """
    stamp = damage.stamp(path)
    found: dict[str, TensorEntry] = {}
    for name, item in nodes:
        if item.constant is not None:
            start, size = item.constant
            dtype, shape = constant_claim(Message(whole[start : start + size]))
            reading = functools.partial(_read_constant, path, stamp, start, size)
            found[name] = TensorEntry(name, shape, dtype, reading)
    return found


def _read_constant(path: Path, stamp: tuple[int, int], start: int, size: int) -> np.ndarray[Any, Any]:
    with damage.refusing_damage(path), path.open("rb") as file:
        if damage.stamp(path) != stamp:
            raise CorruptFileError(f"'{path}' was replaced while it was in use; open it again")
        if tensorflow_text.is_text(path):
            return constant(Message(tensorflow_text.content(path)[start : start + size]))
        file.seek(start)
        return constant(Message(file.read(size)))


def _function(message: Message) -> tuple[str, tuple[Function, Message]]:
    declared = signature(message.message(1) or Message(b""))
    returns = {item.text(1): item.text(2) for item in message.messages(4)}
    return declared.name, (Function(declared, (), returns), message)


def _map(message: Message, number: int) -> Iterator[tuple[str, memoryview]]:
    """The names and values of a map. Attributes are most of a graph, so no `Message` is made of what is so small."""
    for view in message.views(number):
        parts = {field: value for field, _, value in wire.fields(view) if not isinstance(value, int)}
        yield str(parts.get(1, b""), "utf-8"), parts.get(2, _EMPTY)


def _of_the_graph(name: str) -> bool:
    return name == OUTPUT_SHAPES or not (name.startswith("_") or name in _NOT_OF_THE_GRAPH)


def _attribute(view: memoryview) -> Any:
    """An `AttrValue` as plain Python; of a tensor only type and shape, of a function its name."""
    kind, _, value = next(wire.fields(view), (0, 0, 0))
    if isinstance(value, int):
        readers: dict[int, Any] = {3: wire.signed, 5: bool, 6: type_name}
        return readers[kind](value) if kind in readers else None
    if kind in (2, 9):
        return _text(value)
    if kind == 4:
        return Message(view).real(4)
    if kind == 7:
        return shape_of(value)
    return _structure(kind, Message(value))


def _structure(kind: int, message: Message) -> Any:
    if kind == 1:
        return _list(message)
    if kind == 8:
        return {"dtype": type_name(message.integer(1)), "shape": shape_of(message.view(2))}
    return message.text(1) if kind == 10 else None


def _list(items: Message) -> tuple[Any, ...]:
    kind = items.numbers[0] if items.numbers else 0
    if kind == 2:
        return tuple(_text(view) for view in items.views(2))
    if kind in (3, 5, 6):
        convert = {3: int, 5: bool, 6: type_name}[kind]
        return tuple(convert(number) for number in items.integers(kind))
    if kind == 4:
        return tuple(items.reals(4))
    if kind == 7:
        return tuple(shape_of(view) for view in items.views(7))
    return tuple(message.text(1) for message in items.messages(9))


def _text(view: memoryview | None) -> str | bytes:
    content = bytes(view or b"")
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content
