"""What a model file holds, as plain data: tensors read when asked for, optimizer slots, and a graph of operations."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from regraft.core.errors import SourceError, legible, nearest
from regraft.core.separators import Step, separators

Shape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor at rest.

    Attributes:
        name: canonical: layer path and variable name joined by "/", such as `base/conv1/kernel`.
        shape: of the tensor.
        dtype: NumPy's name of its type; `bfloat16` for that.
        read: reads the values; every call reads anew. Raises `CorruptFileError` where the file no longer gives them.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], np.ndarray[Any, Any]] = field(repr=False, compare=False)

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class SlotEntry:
    """One tensor of an optimizer's state.

    Attributes:
        slot: what it is: `momentum`, `velocity`, ...; the position in the file where that cannot be told.
        variable: canonical name of the variable that it belongs to; None where that cannot be told.
        tensor: the values.
    """

    slot: str
    variable: str | None
    tensor: TensorEntry


@dataclass(frozen=True, slots=True)
class OptimizerGroup:
    """What an optimizer says of some variables only.

    Attributes:
        variables: their canonical names.
        class_name: the optimizer's class; empty: that of the whole.
        config: the settings that hold for them.
        iterations: steps that they have taken; None where the file does not say.
    """

    variables: tuple[str, ...]
    class_name: str = ""
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    iterations: int | None = None


@dataclass(frozen=True, slots=True)
class OptimizerEntry:
    """An optimizer at rest.

    Attributes:
        class_name: its class, such as `Adam`.
        config: its settings as the file states them.
        iterations: steps taken; None where the file does not say.
        slots: its state for each variable.
        stated: the name that `tf.train` has for it, such as `Momentum`; empty where it is none of those.
        scalars: what it keeps once for all variables, by Keras' names: `learning_rate`, `u_product`.
        groups: variables that differ in settings, steps or class; empty where all are alike.
        arrays: the state in the file's order, where a file of Keras tells it apart by order.
    """

    class_name: str
    config: Mapping[str, Any]
    iterations: int | None
    slots: tuple[SlotEntry, ...] = ()
    stated: str = ""
    scalars: Mapping[str, float] = field(default_factory=dict[str, float])
    groups: tuple[OptimizerGroup, ...] = ()
    arrays: tuple[TensorEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class TensorArchive:
    """A model file, opened: what it says at once, its tensors when asked for.

    Attributes:
        format: one of `regraft.formats.FORMATS`.
        tensors: by canonical name, from the input upwards where the file says the order.
        config: the architecture as plain JSON; None where the file holds weights only.
        optimizer: its state; None where there is none.
        metadata: what else the file says about itself.
        warnings: what one should know before relying on it.
    """

    format: str
    tensors: Mapping[str, TensorEntry]
    config: Mapping[str, Any] | None = None
    optimizer: OptimizerEntry | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Warnings name what is in the file; each becomes one line."""
        object.__setattr__(self, "warnings", tuple(map(legible, self.warnings)))

    def tensor(self, name: str) -> TensorEntry:
        """The tensor of this name, which is read when its `read` is called.

        Raises:
            SourceError: there is none; the message names the nearest ones.
        """
        if name not in self.tensors:
            raise SourceError(f"the file has no tensor '{name}'{nearest(name, self.tensors)}")
        return self.tensors[name]

    def matching(self, pattern: str) -> tuple[TensorEntry, ...]:
        """The tensors whose whole name matches a regular expression, in their order; none of them is read."""
        return tuple(entry for name, entry in self.tensors.items() if re.fullmatch(pattern, name))

    def collection(self, name: str) -> tuple[str, ...]:
        """What is in a collection of TensorFlow: names of operations, values or variables.

        Raises:
            SourceError: there is no such collection; the message names the nearest ones.
        """
        known: Mapping[str, tuple[str, ...]] = self.metadata.get("collections") or {}
        if name not in known:
            raise SourceError(f"the file has no collection '{name}'{nearest(name, known)}")
        return known[name]


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of one operation, as plain data.

    Attributes:
        name: unique in its graph; a second call of a shared layer has `#2` appended.
        kind: the class or operator, such as `Conv2D`.
        inputs: the values that it reads; in a foreign graph also tensors of the archive, by name, and "" for an operand
            that is left out.
        outputs: the values that it makes.
        attributes: its settings.
        layer: whose variables it uses: the name without `#2`.
        graph: what is inside, where the operation is itself a graph; `inputs` are its inputs, in order.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    layer: str
    graph: "OperationGraph | None" = None


@dataclass(frozen=True, slots=True)
class OperationGraph:
    """Operations in a topological order, and the values between them.

    Attributes:
        name: of the network.
        operations: in an order in which they can be computed.
        inputs: the values that are given.
        outputs: the values that are wanted.
        shapes: of values as far as known, without the batch; None where a size is open.
    """

    name: str
    operations: tuple[Operation, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shapes: Mapping[str, Shape] = field(default_factory=dict[str, Shape])

    def operation(self, name: str) -> Operation:
        """The operation of this name.

        Raises:
            SourceError: there is none; the message names the nearest ones.
        """
        found = next((operation for operation in self.operations if operation.name == name), None)
        if found is None:
            known = [operation.name for operation in self.operations]
            raise SourceError(f"graph '{self.name}' has no operation '{name}'{nearest(name, known)}")
        return found

    def maker(self, value: str) -> Operation | None:
        """The operation that makes a value; None where it is given, or is a tensor of the archive.

        Raises:
            SourceError: there is no such value.
        """
        found = next((operation for operation in self.operations if value in operation.outputs), None)
        if found is None and value not in self.inputs and not self.readers(value):
            known = [*self.inputs, *(made for operation in self.operations for made in operation.outputs)]
            raise SourceError(f"graph '{self.name}' has no value '{value}'{nearest(value, known)}")
        return found

    def readers(self, value: str) -> tuple[Operation, ...]:
        """The operations that read a value."""
        return tuple(operation for operation in self.operations if value in operation.inputs)

    def matching(self, pattern: str) -> tuple[Operation, ...]:
        """The operations whose whole name matches a regular expression, in their order."""
        return tuple(operation for operation in self.operations if re.fullmatch(pattern, operation.name))

    def separating(self) -> list[Operation]:
        """The operations that make a value which alone separates inputs from outputs, from the inputs upwards."""
        makers = {value: operation for operation in self.operations for value in operation.outputs}
        steps = [Step(operation.inputs, operation.outputs) for operation in self.operations]
        return [makers[str(value)] for value in separators(steps, self.inputs, self.outputs) if value in makers]


def flat(graph: OperationGraph) -> OperationGraph:
    """The same graph with nested graphs opened up; names and layers become paths such as `base/conv1`.

    >>> inner = OperationGraph("base", (Operation("conv1", "Conv2D", ("i",), ("c",), {}, "conv1"),), ("i",), ("c",))
    >>> base = Operation("base", "Functional", ("x",), ("y",), {}, "base", inner)
    >>> outer = OperationGraph("model", (base,), ("x",), ("y",))
    >>> [operation.name for operation in flat(outer).operations], flat(outer).outputs
    (['base/conv1'], ('base/c',))
    """
    calls: dict[str, int] = {}
    known = {value: value for value in graph.inputs}
    shapes = {value: graph.shapes[value] for value in graph.inputs if value in graph.shapes}
    operations = tuple(_open_up(graph, "", "", known, shapes, calls))
    outputs = tuple(known[value] for value in graph.outputs)
    return OperationGraph(graph.name, operations, graph.inputs, outputs, shapes)


def _open_up(
    graph: OperationGraph,
    scope: str,
    prefix: str,
    known: dict[str, str],
    shapes: dict[str, Shape],
    calls: dict[str, int],
) -> Iterator[Operation]:
    for operation in graph.operations:
        reads = tuple(known.get(value, value) for value in operation.inputs)
        inner = operation.graph
        if inner is not None:
            inside = dict(zip(inner.inputs, reads, strict=True))
            yield from _open_up(
                inner, f"{scope}{operation.name}/", f"{prefix}{operation.layer}/", inside, shapes, calls
            )
            known.update((value, inside[made]) for value, made in zip(operation.outputs, inner.outputs, strict=True))
            continue
        makes = tuple(scope + value for value in operation.outputs)
        known.update(zip(operation.outputs, makes, strict=True))
        stated = zip(makes, operation.outputs, strict=True)
        shapes.update((made, graph.shapes[value]) for made, value in stated if value in graph.shapes)
        path = prefix + operation.layer
        count = calls[path] = calls.get(path, 0) + 1
        name = path if count == 1 else f"{path}#{count}"
        yield Operation(name, operation.kind, reads, makes, operation.attributes, path)
