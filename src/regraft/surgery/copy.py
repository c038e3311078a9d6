"""Copies of models and of parts of their graphs, layer by layer, weights included."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from regraft.core.errors import SourceError
from regraft.graph import flow, names

CopyLayer = Callable[[keras.Layer], keras.Layer]


class Copier:
    """Copies operations, each once, so that a layer used in several places is one layer in the copy too."""

    def __init__(self, copy_layer: CopyLayer | None = None) -> None:
        self._copy_layer = copy_layer or copy_layer_config
        self._copies: dict[int, Any] = {}

    def __call__(self, operation: Any) -> Any:
        """The copy of an operation; layers that hold a graph are copied part by part."""
        if id(operation) not in self._copies:
            self._copies[id(operation)] = self._copy(operation)
        return self._copies[id(operation)]

    def _copy(self, operation: Any) -> Any:
        graph = flow.functional(operation)
        if graph is not None:
            inputs, outputs = copy_graph(graph, graph.inputs, graph.outputs, self)
            copied = keras.Model(_packed(graph, inputs, "inputs"), _packed(graph, outputs, "outputs"), name=operation.name)
            copied.trainable = operation.trainable
            return copied
        if isinstance(operation, keras.Layer):
            return self._copy_layer(operation)
        try:
            return type(operation).from_config(operation.get_config())
        except (NotImplementedError, TypeError):
            # A Keras operation without a configuration holds no state: the same one may serve both graphs.
            return operation


def copy_model(model: keras.Model) -> keras.Model:
    """A model equal to the given one, sharing nothing with it.

    Raises:
        SourceError: a layer cannot tell its configuration, or the model has no graph.
    """
    return _with_values(model, Copier()(_with_graph(model)))


def copy_part(model: keras.Model, copier: Copier, inputs: Sequence[Any], outputs: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The symbolic inputs and outputs of a copy of the part of a functional graph between two sets of its tensors."""
    return copy_graph(flow.functional(model), inputs, outputs, copier)


def copy_graph(graph: Any, inputs: Sequence[Any], outputs: Sequence[Any], copier: Copier) -> tuple[list[Any], list[Any]]:
    """New inputs, and what the copied operations between `inputs` and `outputs` make of them."""
    new_inputs = [keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=_input_name(tensor)) for tensor in inputs]
    return new_inputs, replay(graph, dict(zip(map(id, inputs), new_inputs, strict=True)), outputs, copier)


def replay(graph: Any, known: dict[int, Any], outputs: Sequence[Any], copier: Copier) -> list[Any]:
    """Call copies of the operations that lead from the known tensors (by identity) to `outputs`.

    Raises:
        SourceError: the outputs depend on something that is not known.
    """
    known = dict(known)
    for node in _needed(graph, known, outputs):
        arguments, named = node.arguments.fill_in({id(tensor): known[id(tensor)] for tensor in node.input_tensors})
        results = keras.tree.flatten(copier(node.operation)(*arguments, **named))
        known.update(zip(map(id, node.outputs), results, strict=True))
    return [known[id(tensor)] for tensor in outputs]


def copy_layer_config(layer: keras.Layer) -> keras.Layer:
    """A layer of the same class and configuration, with weights of its own, not yet built.

    Raises:
        SourceError: the layer cannot tell its configuration.
    """
    try:
        return type(layer).from_config(layer.get_config())
    except (NotImplementedError, TypeError) as error:
        raise SourceError(
            f"layer '{layer.name}' of class {type(layer).__name__} cannot be copied: {str(error).splitlines()[0]}; "
            "give the class a get_config() that returns its constructor's arguments"
        ) from error


def _needed(graph: Any, known: dict[int, Any], outputs: Sequence[Any]) -> list[Any]:
    wanted = {id(tensor) for tensor in outputs} - set(known)
    needed: list[Any] = []
    for node in reversed(flow.nodes(graph)):
        made = {id(tensor) for tensor in node.outputs}
        if wanted & made:
            wanted -= made
            wanted |= {id(tensor) for tensor in node.input_tensors} - set(known)
            needed.append(node)
    if wanted:
        raise SourceError("the part asked for depends on an input that it does not contain")
    return needed[::-1]


def _input_name(tensor: Any) -> str:
    return str(tensor.name).replace("/", "_")


def _packed(graph: Any, tensors: list[Any], which: str) -> Any:
    structure = getattr(graph, f"_{which}_struct")
    return keras.tree.pack_sequence_as(structure, tensors)


def _with_graph(model: keras.Model) -> keras.Model:
    flow.read(model)
    return model


def _with_values(source: keras.Model, target: keras.Model) -> keras.Model:
    names.copy_values(source, target)
    return target
