"""A model as a flat list of calls, nested models opened up; and its evaluation at any of its tensors.

Evaluation calls every layer in inference mode, one by one. It is what makes a frozen layer truly frozen: no `fit`, of
whatever Keras version, stands between a layer and the `training=False` that it is called with.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from regraft.core.errors import SourceError
from regraft.core.separators import Step, separators

Value = int


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One call of an operation that is not itself a graph.

    Attributes:
        name: canonical path of the operation; a second call of a shared layer has `#2` appended.
        path: the same without that.
        operation: a layer or a Keras operation.
        node: Keras' record of the call.
        reads: the values it is given, in the order of the node's tensors.
        makes: the values it returns.
        scope: the graphs that this call is inside of: (functional model, its node in the model around it), outermost
            first.
    """

    name: str
    path: str
    operation: Any
    node: Any
    reads: tuple[Value, ...]
    makes: tuple[Value, ...]
    scope: tuple[tuple[keras.Model, Any], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """A model's calls in topological order; values are numbered, `tensors` holds the symbolic tensor of each."""

    calls: tuple[Call, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    tensors: tuple[Any, ...]

    def separating(self) -> list[Call]:
        """The calls whose only result separates the inputs from the outputs, from the inputs upwards.

        Two kinds of tensors separate and are no place to cut all the same: one below the output that carries a mask,
        which would not be in the activations, and one inside a nested model that is called again elsewhere.
        """
        makers = {value: call for call in self.calls for value in call.makes}
        steps = [Step(call.reads, call.makes) for call in self.calls]
        found: Any = separators(steps, self.inputs, self.outputs)
        whole = self._called_once()
        return [
            makers[value]
            for value in found
            if value in makers
            and all(id(graph) in whole for graph, _ in makers[value].scope)
            and (value in self.outputs or getattr(self.tensors[value], "_keras_mask", None) is None)
        ]

    def _called_once(self) -> set[int]:
        """The identities of the graphs that stand in one place of the model."""
        places: dict[int, set[tuple[int, ...]]] = {}
        for call in self.calls:
            path = tuple(id(node) for _, node in call.scope)
            for level, (graph, _) in enumerate(call.scope):
                places.setdefault(id(graph), set()).add(path[:level])
        return {graph for graph, paths in places.items() if len(paths) == 1}

    def needed_for(self, values: Iterable[Value]) -> list[Call]:
        """The calls that these values depend on, in order."""
        wanted = set(values)
        needed: list[Call] = []
        for call in reversed(self.calls):
            if wanted.intersection(call.makes):
                wanted.update(call.reads)
                needed.append(call)
        return needed[::-1]


def functional(model: Any) -> Any:
    """The graph inside a Functional or a built Sequential model; None for anything else."""
    if isinstance(model, keras.Sequential):
        return getattr(model, "_functional", None)
    return model if isinstance(model, keras.Model) and hasattr(model, "_nodes_by_depth") else None


def nodes(graph: Any) -> list[Any]:
    """The nodes of a functional model in topological order, without its inputs."""
    by_depth = graph._nodes_by_depth
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth] if not node.is_input]


def read(model: keras.Model) -> Flow:
    """Open a model up into its calls.

    Raises:
        SourceError: the model has no graph: it is a subclass of `keras.Model` with a `call` of its own, or was never
            built.
    """
    if functional(model) is None:
        raise SourceError(
            f"expected a Functional or built Sequential model, found '{model.name}' of class {type(model).__name__}, "
            "whose graph only its own code knows; give its Functional part, or build it by calling it once"
        )
    reader = _Reader()
    inputs = tuple(reader.value(tensor) for tensor in functional(model).inputs)
    outputs = reader.open_up(model, "", inputs, ())
    return Flow(tuple(reader.calls), inputs, tuple(outputs), tuple(reader.tensors))


class _Reader:
    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.tensors: list[Any] = []
        self.names: dict[str, int] = {}

    def value(self, tensor: Any) -> Value:
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def open_up(self, model: Any, prefix: str, inputs: Sequence[Value], scope: tuple[Any, ...]) -> list[Value]:
        graph = functional(model)
        known = {id(tensor): value for tensor, value in zip(graph.inputs, inputs, strict=True)}
        for node in nodes(graph):
            operation = node.operation
            reads = tuple(known[id(tensor)] for tensor in node.input_tensors)
            path = prefix + operation.name
            inner = functional(operation)
            if inner is not None and len(inner.inputs) == len(reads):
                made = self.open_up(operation, f"{path}/", reads, (*scope, (graph, node)))
            else:
                made = [self.value(tensor) for tensor in node.outputs]
                count = self.names[path] = self.names.get(path, 0) + 1
                name = path if count == 1 else f"{path}#{count}"
                self.calls.append(Call(name, path, operation, node, reads, tuple(made), (*scope, (graph, node))))
            known.update((id(tensor), value) for tensor, value in zip(node.outputs, made, strict=True))
        return [known[id(tensor)] for tensor in graph.outputs]


def evaluate(flow: Flow, calls: Sequence[Call], given: dict[Value, Any], keep: Callable[[Value, Any], None]) -> None:
    """Run calls in inference mode on concrete tensors.

    Every value is forgotten as soon as no later call reads it, so that memory stays that of a plain forward pass.

    Args:
        flow: the model's flow.
        calls: those to run, in order; see `Flow.needed_for`.
        given: the values that are there already, such as the inputs.
        keep: called with every value as soon as it is computed, and with the given ones first.
    """
    last_read = {value: index for index, call in enumerate(calls) for value in call.reads}
    values = dict(given)
    for value, tensor in given.items():
        keep(value, tensor)
    for index, call in enumerate(calls):
        for value, result in zip(call.makes, evaluate_call(call, values), strict=True):
            values[value] = result
            keep(value, result)
        for value in call.reads:
            if last_read[value] == index:
                values.pop(value, None)


def evaluate_call(call: Call, values: Mapping[Value, Any]) -> list[Any]:
    """The results of one call in inference mode, one for each of `call.makes`; `values` holds what it reads."""
    tensors = {id(symbol): values[value] for symbol, value in zip(call.node.input_tensors, call.reads, strict=True)}
    arguments, named = call.node.arguments.fill_in(tensors)
    operation = call.operation
    if takes_training(operation):
        return keras.tree.flatten(operation(*arguments, **{**named, "training": False}))
    if isinstance(operation, keras.Layer) and getattr(operation, "_layers", None):
        return keras.tree.flatten(_inferring(lambda: operation(*arguments, **named)))
    return keras.tree.flatten(operation(*arguments, **named))


class _Inference(keras.Layer):
    """What is called inside it runs in inference mode, as inside a model that predicts."""

    def __init__(self, function: Callable[[], Any]) -> None:
        super().__init__(name="inference", autocast=False)
        self.supports_masking = True
        self._function = function

    def call(self, nothing: Any, training: bool = False) -> Any:
        return self._function()


def _inferring(function: Callable[[], Any]) -> Any:
    """What a function returns that calls layers which hold others, and cannot be told to infer themselves.

    Keras hands `training` down to the layers inside; without it each would go by its own default, which for those that
    augment pictures is to do so.
    """
    return _Inference(function)(keras.ops.zeros(()), training=False)


def takes_training(operation: Any) -> bool:
    """Whether an operation behaves differently in training, as far as its signature says."""
    return isinstance(operation, keras.Layer) and "training" in inspect.signature(operation.call).parameters
