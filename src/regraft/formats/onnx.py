"""ONNX models (.onnx), read without the onnx package: tensors where they stand, the graph as plain data.

Fields are those of `onnx.proto`, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core.errors import CorruptFileError
from regraft.core.tensors import Operation, OperationGraph, TensorArchive, TensorEntry
from regraft.formats import damage, onnx_tensors
from regraft.formats.onnx_tensors import DTYPES, File
from regraft.formats.stated_graph import stated
from regraft.formats.wire import Message

NAME = "onnx"
TITLE = "ONNX model (.onnx)"

# What a node carries itself, as opposed to what is kept as a tensor of the archive: no weights are this small.
_INLINE = 64


def read(path: Path, architecture: Mapping[str, Any] | None = None) -> TensorArchive:
    """Open an ONNX file; initializers and large constants become tensors under the names that the file gives them.

    Args:
        path: the file.
        architecture: not needed, the file has its own.

    Raises:
        CorruptFileError: the file is truncated or was altered.
        SourceError: it holds what this version cannot read, or its values are in a file that is not there.
    """
    with damage.refusing_damage(path):
        reader = _Reader(onnx_tensors.opened(path))
        model = Message(reader.file.view)
        inner = model.message(7)
        # The version of the operators stands behind the graph: a file without it was cut off between two fields.
        if inner is None or 8 not in model:
            missing = "graph" if inner is None else "version of its operators"
            raise CorruptFileError(f"'{path}' has no {missing}, which every ONNX file has; get the file again")
        config = {"opsets": _opsets(model), "graph": reader.graph(inner)}
        metadata = {
            "producer": " ".join(part for part in (model.text(2), model.text(3)) if part),
            "ir_version": model.integer(1),
            "opset": config["opsets"].get(""),
            "properties": {item.text(1): item.text(2) for item in model.messages(14)} or None,
            "path": str(path),
        }
        warnings = [*reader.warnings, *_about_functions(model)]
    return TensorArchive(NAME, reader.tensors, config, None, metadata, tuple(warnings))


def graph(archive: TensorArchive) -> OperationGraph:
    """The operations with ONNX's own kinds and attributes.

    An operation reads values of the graph, tensors of the archive by their names, and "" where an operand is left out.

    Raises:
        SourceError: the file has no operations.
    """
    drawn, operations = stated(archive)
    operations = _constants_late(operations, drawn["inputs"])
    # ONNX has no batch axis by name; it is the first by the custom of every exporter.
    shapes = {name: tuple(value["shape"][1:]) for name, value in drawn["values"].items() if value["shape"]}
    return OperationGraph(
        drawn["name"] or "network", operations, tuple(drawn["inputs"]), tuple(drawn["outputs"]), shapes
    )


def _constants_late(operations: Sequence[Operation], inputs: Iterable[str]) -> tuple[Operation, ...]:
    """The operations with those that depend on no input right before the first that needs them.

    Exporters put the reshaping of weights first; where a network is cut, weights count where they are used.
    """
    varying = set(inputs)
    for operation in operations:
        if varying.intersection(operation.inputs):
            varying.update(operation.outputs)
    first: dict[str, int] = {}
    places: dict[int, int] = {}
    for index, operation in reversed(list(enumerate(operations))):
        uses = [first.get(value, index) for value in operation.outputs]
        places[index] = index if varying.intersection(operation.outputs) else min(uses, default=index)
        first.update((value, min(first.get(value, index), places[index])) for value in operation.inputs)
    order = sorted(places, key=lambda index: (places[index], index))
    return tuple(operations[index] for index in order)


def opset(archive: TensorArchive) -> int:
    """The version of ONNX's own operators that the file was written for."""
    return int((archive.config or {})["opsets"].get("", 1))


class _Reader:
    """Collects the tensors of a file while its graph is being read."""

    def __init__(self, file: File) -> None:
        self.file = file
        self.tensors: dict[str, TensorEntry] = {}
        self.warnings: list[str] = []

    def graph(self, message: Message) -> dict[str, Any]:
        """A graph as plain data."""
        for item in message.messages(5):
            self.keep(item, item.text(8))
        sparse = [values.text(8) for item in message.messages(15) if (values := item.message(1))]
        self.warnings += [f"sparse tensor '{name}' is not read" for name in sparse]
        operations = self.operations(message)
        stated = (item for number in (11, 12, 13) for item in message.messages(number))
        values = {name: _value(item) for item in stated if (name := item.text(1)) not in self.tensors}
        return {
            "name": message.text(2),
            "operations": operations,
            # Older files list initializers among the inputs, as defaults that a caller may replace.
            "inputs": [name for item in message.messages(11) if (name := item.text(1)) not in self.tensors],
            "outputs": [item.text(1) for item in message.messages(12)],
            "values": values,
        }

    def operations(self, message: Message) -> list[dict[str, Any]]:
        """The nodes in the file's order, which is topological; constants of some size become tensors."""
        names: dict[str, int] = {}
        operations: list[dict[str, Any]] = []
        for node in message.messages(1):
            outputs = node.texts(2)
            name = node.text(3) or (outputs[0] if outputs else node.text(4))
            count = names[name] = names.get(name, 0) + 1
            name = name if count == 1 else f"{name}#{count}"
            kind = ".".join(part for part in (node.text(7).removeprefix("ai.onnx"), node.text(4)) if part)
            constant = outputs[0] if kind == "Constant" and outputs else None
            attributes = {
                item.text(1): self.attribute(item, constant or f"{name}/{item.text(1)}") for item in node.messages(5)
            }
            if constant in self.tensors:
                continue
            operations.append(
                {"name": name, "kind": kind, "inputs": node.texts(1), "outputs": outputs, "attributes": attributes}
            )
        return operations

    def attribute(self, message: Message, tensor_name: str) -> Any:
        """The value of an attribute as plain data."""
        read = _ATTRIBUTES.get(message.integer(20) or _kind_by_content(message))
        if read is not None:
            return read(message)
        if (inner := message.message(6)) is not None:
            return self.graph(inner)
        if (tensor := message.message(5)) is not None:
            return self.tensor(tensor, tensor_name)
        return None

    def tensor(self, message: Message, name: str) -> dict[str, Any]:
        """A small tensor as plain data; of a large one, and of weights, only its name among the tensors."""
        found = onnx_tensors.entry(message, self.file, name)
        if found.size <= _INLINE and (found.size <= 1 or not found.dtype.startswith(("float", "bfloat"))):
            return {"dtype": found.dtype, "shape": list(found.shape), "values": found.read().reshape(-1).tolist()}
        self.keep(message, name)
        return {"tensor": name}

    def keep(self, message: Message, name: str) -> None:
        """Put a tensor among those of the archive."""
        if name in self.tensors:
            raise CorruptFileError(f"'{self.file.path}' has two tensors named '{name}'; get the file again")
        self.tensors[name] = onnx_tensors.entry(message, self.file, name)


# By the numbers of onnx.AttributeProto.AttributeType; tensors and graphs are read by `_Reader`.
_ATTRIBUTES: dict[int, Callable[[Message], Any]] = {
    1: lambda message: _shortest(message.real(2)),
    2: lambda message: message.integer(3),
    3: lambda message: _text(message.view(4)),
    6: lambda message: [_shortest(value) for value in message.reals(7)],
    7: lambda message: message.integers(8),
    8: lambda message: [_text(view) for view in message.views(9)],
}


def _kind_by_content(message: Message) -> int:
    """The type of an attribute of the first version of the format, which did not state it."""
    return next((kind for kind, field in ((1, 2), (2, 3), (3, 4), (6, 7), (7, 8), (8, 9)) if field in message), 0)


def _shortest(value: float) -> float:
    """The number with the fewest digits that is the same in 32 bits: 0.1 as it was meant, not 0.10000000149."""
    return float(str(np.float32(value)))


def _text(view: memoryview | None) -> str:
    return str(view or b"", "utf-8", "replace")


def _opsets(model: Message) -> dict[str, int]:
    return {item.text(1).removeprefix("ai.onnx"): item.integer(2) for item in model.messages(8)}


def _value(message: Message) -> dict[str, Any]:
    """Type and shape of a value; sizes that are open or named only are None."""
    kind = message.message(2)
    tensor = kind.message(1) if kind else None
    shape = tensor.message(2) if tensor else None
    sizes = [axis.integer(1, None) for axis in shape.messages(1)] if shape else None
    return {
        "dtype": DTYPES.get(tensor.integer(1)) if tensor else None,
        "shape": sizes and [size or None for size in sizes],
    }


def _about_functions(model: Message) -> list[str]:
    functions = [item.text(1) for item in model.messages(25)]
    return (
        [f"{len(functions)} operators are defined in the file itself: {', '.join(functions[:3])}"] if functions else []
    )
