"""TensorFlow's nodes as a graph of operations: values named, functions opened, an order in which all can be computed.

A value is called as TensorFlow calls tensors, `conv1/Relu:0`; inside a function as it is written there,
`conv1/Relu:activations:0`. What makes no value makes `^name`, TensorFlow's sign for "has run".
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from regraft.core.errors import SourceError
from regraft.core.tensors import Operation, OperationGraph, Shape
from regraft.formats.tensorflow_nodes import OUTPUT_SHAPES, Function, Graph, Node

PLACEHOLDERS = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")

_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_WITHOUT_OUTPUTS = ("NoOp", "Assert", "Save", "SaveV2", "SaveSlices", "AssignVariableOp", "ControlTrigger", "Abort")
# Opened up, a graph may be this large: calls within calls double it with every level.
_MOST_OPERATIONS = 200_000
_DEEPEST = 50


def graph_of(
    graph: Graph, name: str, inputs: Sequence[str], outputs: Sequence[str], tensors: Mapping[str, str]
) -> OperationGraph:
    """All operations of a graph.

    Args:
        graph: the nodes.
        name: of the network.
        inputs: the values that are given; a placeholder that makes one is no operation.
        outputs: the values that are wanted; what they need comes first.
        tensors: for nodes that hold values, the name of the tensor.

    Raises:
        SourceError: a node reads what nobody makes, or waits for itself.
    """
    found = _Builder(graph, tensors).graph(name, graph.nodes, tuple(inputs), tuple(outputs), None)
    opened = _size(found)
    if opened > max(_MOST_OPERATIONS, len(graph.nodes)):
        raise SourceError(f"graph '{name}' opens up to {opened} operations, expected {_MOST_OPERATIONS} at most")
    return found


def value_name(reference: str) -> str:
    """A value in full: TensorFlow leaves the 0 out.

    >>> value_name("conv1/Relu"), value_name("split:1"), value_name("^init")
    ('conv1/Relu:0', 'split:1', '^init')
    """
    return reference if ":" in reference or reference.startswith("^") else f"{reference}:0"


@dataclass(slots=True)
class _Builder:
    graph_definition: Graph
    tensors: Mapping[str, str]
    open_calls: list[str] = field(default_factory=list[str])
    done: dict[str, OperationGraph | None] = field(default_factory=dict[str, OperationGraph | None])
    sizes: dict[str, int] = field(default_factory=dict[str, int])

    def graph(
        self, name: str, nodes: Sequence[Node], inputs: tuple[str, ...], outputs: tuple[str, ...],
        function: Function | None,
    ) -> OperationGraph:  # fmt: skip
        inside = function is not None
        made = _made(nodes, self.graph_definition, inside, outputs)
        if len(made) != len(nodes):
            raise SourceError(f"two nodes of graph '{name}' have one name; expected a name for each")
        missing = set(outputs) - {value for values in made.values() for value in values} - set(inputs)
        if missing:
            raise SourceError(f"graph '{name}' wants the value '{min(missing)}', which no node makes")
        reads = {node.name: _reads(node, inside) for node in nodes}
        order = _ordered(nodes, reads, made, inputs, outputs)
        varying = _varying(order, reads, made, inputs)
        kept = [node for node in order if not set(made[node.name]) <= set(inputs)]
        operations = tuple(self._operation(node, reads[node.name], made[node.name], inside) for node in kept)
        shapes = dict(_shapes(order, made, varying, inputs))
        return OperationGraph(name, operations, inputs, outputs, shapes)

    def _operation(self, node: Node, reads: tuple[str, ...], made: tuple[str, ...], inside: bool) -> Operation:
        attributes: dict[str, Any] = dict(node.attributes)
        if node.after:
            attributes["control_inputs"] = node.after
        tensor = self.tensors.get(f"{self.open_calls[-1]}/{node.name}" if inside else node.name)
        if tensor is not None:
            attributes["tensor"] = tensor
        inner = self._called(node)
        if inner is not None and (len(inner.inputs), len(inner.outputs)) != (len(reads), len(made)):
            inner = None
        return Operation(node.name, node.kind, reads, made, attributes, node.name, inner)

    def _called(self, node: Node) -> OperationGraph | None:
        """The function that a node calls; None where it calls none, itself, or too much."""
        called = node.attributes.get("f") if node.kind in _CALLS else node.kind
        if not isinstance(called, str):
            return None
        function = self.graph_definition.functions.get(called)
        if function is None or called in self.open_calls or len(self.open_calls) > _DEEPEST:
            return None
        if called not in self.done:
            self.open_calls.append(called)
            found = self._function(called, function)
            self.open_calls.pop()
            self.sizes[called] = _size(found)
            self.done[called] = found if self.sizes[called] <= _MOST_OPERATIONS else None
        return self.done[called]

    def _function(self, name: str, function: Function) -> OperationGraph:
        outputs = tuple(_inside_name(function.returns.get(item[0], "")) for item in function.signature.outputs)
        return self.graph(name, function.nodes, function.signature.inputs, outputs, function)


def _size(graph: OperationGraph) -> int:
    """How many operations there are when all calls are opened up."""
    sizes: dict[int, int] = {}

    def counted(inner: OperationGraph) -> int:
        if id(inner) not in sizes:
            sizes[id(inner)] = sum(1 if item.graph is None else counted(item.graph) for item in inner.operations)
        return sizes[id(inner)]

    return counted(graph)


def _inside_name(reference: str) -> str:
    """A value in a function in full: an argument as it is, the result of a node with its place."""
    parts = reference.split(":")
    return f"{reference}:0" if len(parts) == 2 else reference


def _reads(node: Node, inside: bool) -> tuple[str, ...]:
    return tuple(_inside_name(name) if inside else value_name(name) for name in node.inputs)


def _made(nodes: Sequence[Node], graph: Graph, inside: bool, outputs: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """What each node makes: as it is declared, or else as far as others read it."""
    read: dict[str, list[str]] = {}
    for name in (*outputs, *(name for node in nodes for name in _reads(node, inside))):
        read.setdefault(name.partition(":")[0], []).append(name)
    return {node.name: _outputs(node, graph, inside, read.get(node.name, [])) or (f"^{node.name}",) for node in nodes}


def _outputs(node: Node, graph: Graph, inside: bool, read: list[str]) -> tuple[str, ...]:
    declared = graph.declared.get(node.kind)
    called = graph.functions.get(node.kind)
    arguments = declared.outputs if declared else called.signature.outputs if called else None
    if arguments is not None:
        places = [(name, place) for name, *sizes in arguments for place in range(_count(node, *sizes))]
        if inside:
            return tuple(f"{node.name}:{name}:{place}" for name, place in places)
        return tuple(f"{node.name}:{place}" for place in range(len(places)))
    if inside:
        return tuple(dict.fromkeys(read)) or (() if node.kind in _WITHOUT_OUTPUTS else (f"{node.name}:output:0",))
    highest = max((int(name.rpartition(":")[2]) for name in read), default=-1)
    shapes = node.attributes.get(OUTPUT_SHAPES)
    stated = len(shapes) if isinstance(shapes, tuple) else 0 if node.kind in _WITHOUT_OUTPUTS else 1
    return tuple(f"{node.name}:{place}" for place in range(max(highest + 1, stated)))


def _count(node: Node, number: str, types: str) -> int:
    if types:
        listed = node.attributes.get(types)
        return len(listed) if isinstance(listed, tuple) else 0
    counted = node.attributes.get(number, 1) if number else 1
    if not isinstance(counted, int) or not 0 <= counted <= _MOST_OPERATIONS:
        raise SourceError(f"node '{node.name}' of kind {node.kind} claims {counted} outputs")
    return counted


def _ordered(
    nodes: Sequence[Node], reads: Mapping[str, tuple[str, ...]], made: Mapping[str, tuple[str, ...]],
    inputs: tuple[str, ...], outputs: tuple[str, ...],
) -> list[Node]:  # fmt: skip
    """The nodes so that each comes after what it reads, and what the outputs need comes first.

    Constants and variables come just before what reads them first, so that what stands before a cut point is what is
    needed for it. A loop is closed from behind: `Merge` does not wait for `NextIteration`.
    """
    by_name = {node.name: node for node in nodes}
    makers = {value: name for name, values in made.items() for value in values}
    given = set(inputs)
    waiting: dict[str, list[str]] = {}
    for node in nodes:
        own = list[str]()
        for value in reads[node.name]:
            maker = makers.get(value)
            if maker is None and value not in given:
                raise SourceError(f"node '{node.name}' reads the value '{value}', which no node makes")
            if maker is not None and value not in given and not _closes_a_loop(node, by_name[maker]):
                own.append(maker)
        # What holds values waits for nothing, and is put off until it is needed.
        waiting[node.name] = sorted(dict.fromkeys(own), key=lambda name: not by_name[name].inputs)
    done: dict[str, Node] = {}
    starts = [makers[value] for value in outputs if value in makers and value not in given]
    for start in [*starts, *by_name]:
        _visit(start, waiting, by_name, done)
    return list(done.values())


def _visit(start: str, waiting: Mapping[str, list[str]], by_name: Mapping[str, Node], done: dict[str, Node]) -> None:
    # Networks are deeper than Python's stack, so the way down is kept here.
    way: list[tuple[str, Iterator[str]]] = []
    on_way: set[str] = set()

    def enter(name: str) -> None:
        if name in on_way:
            raise SourceError(f"node '{name}' waits for its own result; a graph without such a cycle was expected")
        if name not in done:
            way.append((name, iter(waiting[name])))
            on_way.add(name)

    enter(start)
    while way:
        name, left = way[-1]
        following = next(left, None)
        if following is None:
            way.pop()
            on_way.discard(name)
            done[name] = by_name[name]
        else:
            enter(following)


def _closes_a_loop(node: Node, maker: Node) -> bool:
    return node.kind in ("Merge", "RefMerge") and maker.kind in ("NextIteration", "RefNextIteration")


def _varying(
    order: Iterable[Node], reads: Mapping[str, tuple[str, ...]], made: Mapping[str, tuple[str, ...]],
    inputs: tuple[str, ...],
) -> set[str]:  # fmt: skip
    varying = set(inputs)
    for node in order:
        if varying.intersection(reads[node.name]):
            varying.update(made[node.name])
    return varying


def _shapes(
    order: Iterable[Node], made: Mapping[str, tuple[str, ...]], varying: set[str], inputs: tuple[str, ...]
) -> Iterator[tuple[str, Shape]]:
    for node in order:
        stated = node.attributes.get(OUTPUT_SHAPES)
        if not isinstance(stated, tuple):
            stated = (node.attributes.get("shape"),) if node.kind in PLACEHOLDERS else ()
        for value, shape in zip(made[node.name], stated, strict=False):
            if isinstance(shape, tuple) and (shape or value not in varying):
                yield value, shape[1:] if value in varying or value in inputs else shape
