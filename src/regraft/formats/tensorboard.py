"""Writing a graph for TensorBoard, made without TensorFlow: an event that holds a `GraphDef`.

What is in it: tensorflow/core/framework/graph.proto.
"""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from regraft.core.tensors import Operation, OperationGraph, flat
from regraft.formats import events
from regraft.formats.encoding import bytes_field, float_field, integer_field, text_field
from regraft.formats.tensorflow_types import type_number

_OUTPUT_SHAPES = "_output_shapes"
_CONTROL = "control_inputs"
# What Regraft adds for itself, or what is said by the edges.
_LEFT_OUT = (_OUTPUT_SHAPES, _CONTROL, "tensor")


def write(graph: OperationGraph, folder: Path) -> Path:
    """Write a graph so that `tensorboard --logdir FOLDER` draws it, scopes folded as the names say.

    Args:
        graph: of any format; nested graphs are opened up into scopes.
        folder: made if it is not there; the graph that was written there before is replaced.

    Returns:
        The event file.

    Raises:
        StorageError: it cannot be written.
    """
    path = folder / events.FILE
    events.write(path, [events.Event(time.time(), bytes_field(4, graph_definition(graph)))])
    return path


def graph_definition(graph: OperationGraph) -> bytes:
    """The graph as a serialised `GraphDef`: names, kinds, edges, shapes and settings; no values of constants."""
    opened = flat(graph)
    # Some formats give values names of their own; an edge is drawn from the operation that makes the value.
    sources = {value: value.partition(":")[0] for value in opened.inputs}
    sources |= {
        value: operation.name if place == 0 else f"{operation.name}:{place}"
        for operation in opened.operations
        for place, value in enumerate(operation.outputs)
    }
    taken = {operation.name for operation in opened.operations}
    outermost = {operation.name for operation in graph.operations}
    feeds = [value for value in opened.inputs if sources[value] not in taken]
    nodes = [_node(sources[value], "Placeholder", (), _shapes([value], opened)) for value in feeds]
    nodes += [_operation(item, sources, _after(item, taken, outermost), opened) for item in opened.operations]
    return b"".join(bytes_field(1, node) for node in nodes)


def _after(operation: Operation, known: set[str], outermost: set[str]) -> list[str]:
    """What must have run before, in TensorFlow's notation; it is named as in the operation's own graph."""
    names = operation.attributes.get(_CONTROL, ())
    found: list[str] = []
    for name in names if isinstance(names, tuple) else ():
        scope = operation.name if operation.name not in outermost else ""
        while scope and f"{scope}/{name}" not in known:
            scope = scope.rpartition("/")[0]
        path = f"{scope}/{name}" if scope else name
        found += [f"^{path}"] if path in known else []
    return found


def _operation(operation: Operation, sources: Mapping[str, str], after: list[str], graph: OperationGraph) -> bytes:
    attributes = {
        name: encoded
        for name, value in operation.attributes.items()
        if name not in _LEFT_OUT and (encoded := _attribute(name, value)) is not None
    }
    stated = operation.attributes.get(_OUTPUT_SHAPES)
    shapes = (
        {_OUTPUT_SHAPES: bytes_field(1, b"".join(bytes_field(7, _shape(item)) for item in stated))}
        if isinstance(stated, tuple)
        else _shapes(operation.outputs, graph)
    )
    reads = [sources[value] for value in operation.inputs if value in sources]
    return _node(operation.name, operation.kind, [*reads, *after], attributes | shapes)


def _node(name: str, kind: str, reads: Iterable[str], attributes: Mapping[str, bytes]) -> bytes:
    parts = [text_field(1, name), text_field(2, kind), *(text_field(3, value) for value in reads)]
    parts += [bytes_field(5, text_field(1, key) + bytes_field(2, value)) for key, value in attributes.items()]
    return b"".join(parts)


def _shapes(values: Iterable[str], graph: OperationGraph) -> dict[str, bytes]:
    """The shapes of values, the batch as an open size before them."""
    shapes = [(None, *graph.shapes[value]) if value in graph.shapes else None for value in values]
    return {_OUTPUT_SHAPES: bytes_field(1, b"".join(bytes_field(7, _shape(shape)) for shape in shapes))}


def _shape(shape: tuple[int | None, ...] | None) -> bytes:
    if shape is None:
        return integer_field(3, 1)
    return b"".join(bytes_field(2, integer_field(1, -1 if size is None else size)) for size in shape)


def _attribute(name: str, value: Any) -> bytes | None:
    """An `AttrValue`; None for what TensorBoard has no place for."""
    if isinstance(value, bool):
        return integer_field(5, int(value))
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return integer_field(3, value)
    if isinstance(value, float):
        return float_field(4, value)
    if isinstance(value, (str, bytes)):
        number = type_number(value) if isinstance(value, str) else None
        return (
            integer_field(6, number)
            if number
            else bytes_field(2, value if isinstance(value, bytes) else value.encode())
        )
    if isinstance(value, tuple) and name == "shape":
        return bytes_field(7, _shape(value))
    if isinstance(value, Mapping) and set(value) == {"dtype", "shape"}:
        return bytes_field(
            8, integer_field(1, type_number(str(value["dtype"])) or 0) + bytes_field(2, _shape(value["shape"]))
        )
    return bytes_field(2, str(value).encode()) if value is not None else None
