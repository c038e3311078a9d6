"""What the rows of TensorFlow's table write into: the nodes and constants of a neutral graph."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from regraft.core.tensors import Operation, OperationGraph, TensorArchive
from regraft.formats.tensorflow_nodes import CONSTANT, VARIABLES
from regraft.importers.graphs.neutral import Array, Node, Tensor
from regraft.importers.graphs.tensorflow_patterns import Patterns


class Translation:
    """Collects the nodes and constants of a neutral graph."""

    def __init__(self, archive: TensorArchive, graph: OperationGraph) -> None:
        """Begin with nothing but the file."""
        self.archive = archive
        self.patterns = Patterns(graph)
        self.stated = graph.shapes
        self.shapes: dict[str, tuple[int | None, ...]] = {
            value: shape for value, shape in graph.shapes.items() if value not in self.patterns.varying
        }
        # Where a graph has variables these are the weights; frozen, it does not say what is a parameter, and a single
        # number is a factor or a bound as a rule.
        self.has_variables = any(operation.kind in VARIABLES for operation in graph.operations)
        self.nodes: list[Node] = []
        self.tensors: dict[str, Tensor] = {}
        self.missing: dict[str, str] = {}

    def add(self, operation: Operation, kind: str, inputs: Sequence[str] | None = None, **settings: Any) -> None:
        """Add the node that does what an operation does."""
        reads = operation.inputs if inputs is None else tuple(inputs)
        while reads and not reads[-1]:
            reads = reads[:-1]
        self.nodes.append(Node(operation.name, kind, reads, operation.outputs, settings, operation.kind))

    def step(self, operation: Operation, role: str, kind: str, inputs: Sequence[str], **settings: Any) -> str:
        """Add a node on the way to what an operation does; returns the name of its value."""
        name = f"{operation.name}_{role}"
        value = f"{operation.name}:{role}"
        self.nodes.append(Node(name, kind, tuple(inputs), (value,), settings, operation.kind))
        return value

    def constant(self, operation: Operation, role: str, values: Any, dtype: str = "int64") -> str:
        """Add a constant that the operation has as an attribute; returns the name of the value."""
        name, array = f"{operation.name}:{role}", np.asarray(values, dtype)
        self.tensors[name] = Tensor(lambda: array)
        return name

    def refuse(self, operation: Operation, reason: str) -> None:
        """Say why an operation cannot be said."""
        self.add(operation, "unknown", reason=reason)

    def known(self, value: str) -> Array | None:
        """The values of a constant of the graph; None of anything else."""
        operation = self.patterns.maker(value)
        if operation is None or operation.kind != CONSTANT:
            return None
        tensor = self.tensors.get(operation.outputs[0])
        return None if tensor is None else tensor.read()

    def is_learned_number(self, value: str) -> bool:
        """Whether a value is a variable with one element."""
        tensor = self.tensors.get(value)
        return tensor is not None and tensor.learns and self.archive.tensors[tensor.source].size == 1

    def integers(self, value: str) -> tuple[int, ...] | None:
        """The same as whole numbers."""
        values = self.known(value)
        return None if values is None else tuple(int(item) for item in values.reshape(-1))
