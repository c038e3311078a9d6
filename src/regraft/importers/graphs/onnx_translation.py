"""What the rows of ONNX's table write into: the nodes and constants of a neutral graph."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from regraft.core.tensors import Operation, TensorArchive, TensorEntry
from regraft.importers.graphs.neutral import Node, Tensor


class Translation:
    """Collects the nodes and constants of a neutral graph."""

    def __init__(self, archive: TensorArchive, opset: int) -> None:
        """Begin with the tensors of the file."""
        self.opset = opset
        self.shapes = {name: entry.shape for name, entry in archive.tensors.items()}
        self.nodes: list[Node] = []
        self.tensors: dict[str, Tensor] = {name: _tensor(entry) for name, entry in archive.tensors.items()}

    def add(self, operation: Operation, kind: str, inputs: Sequence[str] | None = None, **settings: Any) -> None:
        """Add the node that does what an operation does."""
        reads = operation.inputs if inputs is None else tuple(inputs)
        while reads and not reads[-1]:
            reads = reads[:-1]
        self.nodes.append(Node(operation.name, kind, reads, operation.outputs, settings, operation.kind))

    def constant(self, operation: Operation, role: str, values: Any, dtype: str = "int64") -> str:
        """Add a constant that the operation has as an attribute; returns the name of the value."""
        name, array = f"{operation.name}:{role}", np.asarray(values, dtype)
        self.tensors[name] = Tensor(lambda: array)
        return name

    def operand_or_attribute(self, operation: Operation, index: int, attribute: str) -> str:
        """What newer opsets have as an operand and older ones as an attribute; returns the name of the value or ""."""
        if len(operation.inputs) > index and operation.inputs[index]:
            return operation.inputs[index]
        value = operation.attributes.get(attribute)
        return "" if value is None else self.constant(operation, attribute, value)


Row = Callable[[Translation, Operation], None]


def _tensor(entry: TensorEntry) -> Tensor:
    floats = entry.dtype.startswith(("float", "bfloat"))
    # ONNX does not say what is a parameter; a single number is a factor or a bound as a rule.
    return Tensor(_in_float32(entry) if floats else entry.read, entry.name, learns=floats and entry.size > 1)


def _in_float32(entry: TensorEntry) -> Callable[[], np.ndarray[Any, Any]]:
    return lambda: entry.read().astype(np.float32)


def unknown(translation: Translation, operation: Operation) -> None:
    """The row of every operator that has none."""
    translation.add(operation, "unknown", reason="no counterpart is known")


def refused(translation: Translation, operation: Operation, reason: str) -> None:
    """Name an operation that has no counterpart, and why."""
    translation.add(operation, "unknown", reason=reason)
