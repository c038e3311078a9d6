"""TensorFlow Lite models (.tflite): constants as tensors, operators as the graph; without TensorFlow."""

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from regraft.core.errors import CorruptFileError, SourceError
from regraft.core.tensors import OperationGraph, TensorArchive, TensorEntry
from regraft.formats import damage, elements, extents, wire
from regraft.formats.extents import Extent
from regraft.formats.flatbuffer import Buffer, Table
from regraft.formats.stated_graph import stated
from regraft.formats.tflite_schema import DTYPES, OPERATORS, options

NAME = "tflite"
TITLE = "TensorFlow Lite model (.tflite)"

_MARK = b"TFL3"
# The operator by which files say that its number does not fit into the field of old.
_GREATER = 127
_CUSTOM = 32


def read(path: Path, architecture: Mapping[str, Any] | None = None) -> TensorArchive:
    """Open a `.tflite` file; the constants of its first graph are its tensors, under their own names.

    Args:
        path: the file.
        architecture: not needed, the file has its own.

    Raises:
        CorruptFileError: the file is truncated or was altered.
        SourceError: it holds no graph.
    """
    with damage.refusing_damage(path):
        whole, content = extents.whole(path), wire.mapped(path)
        if bytes(content[4:8]) != _MARK:
            raise CorruptFileError(f"'{path}' lacks the mark of TensorFlow Lite; get the file again")
        model = Buffer(content).root()
        graphs = model.tables(2)
        if not graphs:
            raise SourceError(f"'{path}': expected a graph, found none; give the .tflite file of a network")
        reader = _Reader(model, graphs[0], whole)
        drawn = reader.drawn()
        metadata = {"path": str(path), "description": model.text(3) or None, "version": model.number(0, "<I")}
    warnings = list(reader.warnings)
    if len(graphs) > 1:
        warnings.append(f"the file holds {len(graphs)} graphs; the first one is described")
    return TensorArchive(NAME, reader.tensors, {"graph": drawn}, None, metadata, tuple(warnings))


def graph(archive: TensorArchive) -> OperationGraph:
    """The operators with TensorFlow Lite's own names and options, channels last.

    An operation reads values of the graph, tensors of the archive by their names, and "" where an operand is left out.

    Raises:
        SourceError: the file holds no operators.
    """
    drawn, operations = stated(archive)
    shapes = {name: tuple(shape[1:]) for name, shape in drawn["shapes"].items() if shape}
    return OperationGraph(drawn["name"], operations, tuple(drawn["inputs"]), tuple(drawn["outputs"]), shapes)


class _Reader:
    """The tensors of a graph, constants told from values."""

    def __init__(self, model: Table, graph: Table, whole: Extent) -> None:
        self._graph, self._whole = graph, whole
        self._kinds = [_kind(code) for code in model.tables(1)]
        self._buffers = model.tables(4)
        self._described = graph.tables(0)
        self.names = _unique([tensor.text(3) for tensor in self._described])
        self.tensors: dict[str, TensorEntry] = {}
        self.warnings: list[str] = []
        for name, tensor in zip(self.names, self._described, strict=True):
            self._keep(name, tensor)
        quantized = [
            name for name, tensor in zip(self.names, self._described, strict=True) if self._is_scaled(name, tensor)
        ]
        if quantized:
            self.warnings.append(
                f"{len(quantized)} tensors are quantized, '{quantized[0]}' for one; the stored integers are given"
            )

    def _keep(self, name: str, tensor: Table) -> None:
        """Make a tensor of what has values in the file."""
        number = tensor.number(2, "<I")
        if not number:
            return
        content = self._content(number, name)
        if not content.size:
            return
        dtype = DTYPES.get(tensor.number(1, "<b"))
        if dtype is None or 6 in tensor:
            self.warnings.append(f"'{name}' is sparse or of a type without plain numbers, and was left out")
            return
        shape = elements.checked_shape(tensor.numbers(0, "<i"), f"tensor '{name}'")
        if prod(shape) * elements.itemsize(dtype) != content.size:
            raise CorruptFileError(
                f"'{self._whole.path}': tensor '{name}' of shape {shape} and type {dtype} claims "
                f"{elements.bytes_of(shape, dtype)} bytes, {content.size} are stored; get the file again"
            )
        self.tensors[name] = elements.dense(self._whole.path, name, shape, dtype, content.bytes)

    def _content(self, number: int, name: str) -> Extent:
        """The bytes of a buffer: in it, or behind the flat buffer in files of more than two gigabytes."""
        if number >= len(self._buffers):
            raise CorruptFileError(
                f"'{self._whole.path}': tensor '{name}' is in buffer {number} of {len(self._buffers)}; "
                "get the file again"
            )
        buffer = self._buffers[number]
        start, size = buffer.span(0)
        if not size and buffer.number(1, "<Q") > 1:
            start, size = buffer.number(1, "<Q"), buffer.number(2, "<Q")
        return self._whole.within(start, size, f"tensor '{name}'")

    def _is_scaled(self, name: str, tensor: Table) -> bool:
        """Whether a constant's integers stand for other numbers."""
        scale = tensor.table(4)
        return name in self.tensors and scale is not None and bool(scale.numbers(2, "<f"))

    def drawn(self) -> dict[str, Any]:
        """The graph as plain data."""
        operations: list[dict[str, Any]] = []
        taken: dict[str, int] = {}
        for operator in self._graph.tables(3):
            kind = self._at(self._kinds, operator.number(0, "<I"), "operator")
            outputs = self._named(operator.numbers(2, "<i"))
            name = outputs[0] if outputs else kind
            count = taken[name] = taken.get(name, 0) + 1
            operations.append(
                {
                    "name": name if count == 1 else f"{name}#{count}",
                    "kind": kind,
                    "inputs": self._named(operator.numbers(1, "<i")),
                    "outputs": outputs,
                    "attributes": options(kind, operator.table(4)),
                }
            )
        inputs = self._named(self._graph.numbers(1, "<i"))
        return {
            "name": self._graph.text(4) or "main",
            "inputs": inputs,
            "outputs": self._outputs(inputs, operations),
            "operations": operations,
            "shapes": {
                name: _shape(tensor)
                for name, tensor in zip(self.names, self._described, strict=True)
                if name not in self.tensors
            },
        }

    def _outputs(self, inputs: list[str], operations: list[dict[str, Any]]) -> list[str]:
        """The values that are wanted; each is made by an operator or given."""
        made = {*inputs, *(name for operation in operations for name in operation["outputs"])}
        outputs = self._named(self._graph.numbers(2, "<i"))
        for name in outputs:
            if name not in made:
                raise CorruptFileError(
                    f"'{self._whole.path}' wants '{name}', which no operator makes; get the file again"
                )
        return outputs

    def _named(self, indices: list[int]) -> list[str]:
        """The names of tensors; an operand that is left out has the number -1."""
        return ["" if index == -1 else self._at(self.names, index, "tensor") for index in indices]

    def _at(self, items: list[str], index: int, what: str) -> str:
        if not 0 <= index < len(items):
            raise CorruptFileError(f"'{self._whole.path}' names {what} {index} of {len(items)}; get the file again")
        return items[index]


def _kind(code: Table) -> str:
    """What an operator is called; custom ones by their own name."""
    old, new = code.number(0, "<b"), code.number(3, "<i")
    number = new if old == _GREATER or old < 0 else max(old, new)
    if number == _CUSTOM:
        return f"CUSTOM:{code.text(1)}"
    return OPERATORS[number] if 0 <= number < len(OPERATORS) else f"OPERATOR_{number}"


def _unique(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    found: list[str] = []
    for index, name in enumerate(names):
        name = name or f"tensor_{index}"
        count = seen[name] = seen.get(name, 0) + 1
        found.append(name if count == 1 else f"{name}#{count}")
    return found


def _shape(tensor: Table) -> list[int | None]:
    """The sizes of a value; None where one is open."""
    sizes = tensor.numbers(7, "<i") or tensor.numbers(0, "<i")
    return [None if size < 0 else size for size in sizes]
