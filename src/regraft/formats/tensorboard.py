"""Writing a graph for TensorBoard: an event file that holds it, made without TensorFlow.

The framing of records: tensorflow/core/lib/io/record_writer.h; what is in them: core/util/event.proto and
core/framework/graph.proto.
"""

import struct
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from regraft.core import storage
from regraft.core.tensors import Operation, OperationGraph, flat
from regraft.formats import crc32c
from regraft.formats.tensorflow_types import type_number

# The name marks the file for TensorBoard; one that is fixed is replaced, and TensorBoard never finds two graphs.
FILE = "events.out.tfevents.0.regraft"

_VERSION = b"brain.Event:2"
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
    path = folder / FILE
    now = struct.pack("<d", time.time())
    first = _fixed64(1, now) + _bytes(3, _VERSION)
    second = _fixed64(1, now) + _bytes(4, graph_definition(graph))
    storage.write_bytes(path, _record(first) + _record(second))
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
    return b"".join(_bytes(1, node) for node in nodes)


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
        {_OUTPUT_SHAPES: _bytes(1, b"".join(_bytes(7, _shape(item)) for item in stated))}
        if isinstance(stated, tuple)
        else _shapes(operation.outputs, graph)
    )
    reads = [sources[value] for value in operation.inputs if value in sources]
    return _node(operation.name, operation.kind, [*reads, *after], attributes | shapes)


def _node(name: str, kind: str, reads: Iterable[str], attributes: Mapping[str, bytes]) -> bytes:
    parts = [_text(1, name), _text(2, kind), *(_text(3, value) for value in reads)]
    parts += [_bytes(5, _text(1, key) + _bytes(2, value)) for key, value in attributes.items()]
    return b"".join(parts)


def _shapes(values: Iterable[str], graph: OperationGraph) -> dict[str, bytes]:
    """The shapes of values, the batch as an open size before them."""
    shapes = [(None, *graph.shapes[value]) if value in graph.shapes else None for value in values]
    return {_OUTPUT_SHAPES: _bytes(1, b"".join(_bytes(7, _shape(shape)) for shape in shapes))}


def _shape(shape: tuple[int | None, ...] | None) -> bytes:
    if shape is None:
        return _varint_field(3, 1)
    return b"".join(_bytes(2, _varint_field(1, -1 if size is None else size)) for size in shape)


def _attribute(name: str, value: Any) -> bytes | None:
    """An `AttrValue`; None for what TensorBoard has no place for."""
    if isinstance(value, bool):
        return _varint_field(5, int(value))
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return _varint_field(3, value)
    if isinstance(value, float):
        return _tag(4, 5) + struct.pack("<f", _within_float32(value))
    if isinstance(value, (str, bytes)):
        number = type_number(value) if isinstance(value, str) else None
        return _varint_field(6, number) if number else _bytes(2, value if isinstance(value, bytes) else value.encode())
    if isinstance(value, tuple) and name == "shape":
        return _bytes(7, _shape(value))
    if isinstance(value, Mapping) and set(value) == {"dtype", "shape"}:
        return _bytes(8, _varint_field(1, type_number(str(value["dtype"])) or 0) + _bytes(2, _shape(value["shape"])))
    return _bytes(2, str(value).encode()) if value is not None else None


def _within_float32(value: float) -> float:
    largest = 3.4028234663852886e38
    return value if value != value else min(max(value, -largest), largest)


def _record(content: bytes) -> bytes:
    length = struct.pack("<Q", len(content))
    parts = (length, struct.pack("<I", crc32c.masked(length)), content, struct.pack("<I", crc32c.masked(content)))
    return b"".join(parts)


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _tag(number: int, wire: int) -> bytes:
    return _varint(number << 3 | wire)


def _varint_field(number: int, value: int) -> bytes:
    return _tag(number, 0) + _varint(value)


def _fixed64(number: int, content: bytes) -> bytes:
    return _tag(number, 1) + content


def _bytes(number: int, content: bytes) -> bytes:
    return _tag(number, 2) + _varint(len(content)) + content


def _text(number: int, content: str) -> bytes:
    return _bytes(number, content.encode())
