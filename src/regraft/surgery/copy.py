"""Copies of models and of parts of their graphs, layer by layer, weights included."""

from collections.abc import Sequence
from typing import Any, Literal

import keras

from regraft.core.errors import SourceError, nearest
from regraft.graph import flow, names


class Copier:
    """Copies operations, each once, so that a layer used in several places is one layer in the copy too."""

    def __init__(self) -> None:
        self._copies: dict[int, tuple[Any, Any]] = {}

    def __call__(self, operation: Any) -> Any:
        """The copy of an operation; layers that hold a graph are copied part by part."""
        if id(operation) not in self._copies:
            self._copies[id(operation)] = (operation, self._copy(operation))
        return self._copies[id(operation)][1]

    def fill(self) -> None:
        """Give the copies the values and the trainable flags of what they are copies of, once they are built."""
        for original, copied in self._copies.values():
            if isinstance(original, keras.Layer):
                _copy_state(original, copied)

    def copy_of(self, original: int) -> Any:
        """The copy that was made of the operation with this identity; None where it was not needed."""
        return self._copies.get(original, (None, None))[1]

    def _copy(self, operation: Any) -> Any:
        graph = flow.functional(operation)
        if graph is not None:
            inputs, outputs = copy_graph(graph, graph.inputs, graph.outputs, self)
            return keras.Model(packed(graph, inputs, "inputs"), packed(graph, outputs, "outputs"), name=operation.name)
        if isinstance(operation, keras.Layer):
            return copy_layer_config(operation)
        try:
            return type(operation).from_config(operation.get_config())
        except (NotImplementedError, TypeError):
            # A Keras operation without a configuration holds no state: the same one may serve both graphs.
            return operation


def copy_model(model: keras.Model) -> keras.Model:
    """A model equal to the given one, trainable flags included, sharing nothing with it; not compiled.

    Raises:
        SourceError: a layer cannot tell its configuration, or the model has no graph.
    """
    flow.read(model)
    copier = Copier()
    copied = copier(model)
    copier.fill()
    return copied


def copy_graph(
    graph: Any, inputs: Sequence[Any], outputs: Sequence[Any], copier: Copier
) -> tuple[list[Any], list[Any]]:
    """New inputs, and what the copied operations between `inputs` and `outputs` make of them."""
    new_inputs = [
        keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor._keras_history.operation.name)
        for tensor in inputs
    ]
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
    if type(layer) is keras.layers.Lambda:
        return _copied_lambda(layer)
    try:
        copied: Any = type(layer).from_config(layer.get_config())
    except (NotImplementedError, TypeError) as error:
        raise SourceError(
            f"layer '{layer.name}' of class {type(layer).__name__} cannot be copied: {str(error).splitlines()[0]}; "
            "give the class a get_config() that returns its constructor's arguments"
        ) from error
    # Where a class leaves its configuration to Keras, the name may be lost.
    copied.name = layer.name
    return copied


def _copied_lambda(layer: Any) -> keras.Layer:
    """A layer with the same live function: Keras would write its code down and, rightly, refuse to read that."""
    settings = {name: getattr(layer, name) for name in ("mask", "arguments", "name", "trainable")}
    return keras.layers.Lambda(layer.function, output_shape=layer._output_shape, dtype=layer.dtype_policy, **settings)


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


def packed(graph: Any, tensors: Sequence[Any], which: Literal["inputs", "outputs"]) -> Any:
    """Tensors in the structure (one, a list, a dictionary) that a graph's inputs or outputs have."""
    return keras.tree.pack_sequence_as(getattr(graph, f"_{which}_struct"), list(tensors))


def set_flag(layer: Any, trainable: bool) -> None:
    """Set in place whether a layer is trainable, and leave alone what the layers inside say for themselves."""
    # Not `layer.trainable = ...`, which would overrule them.
    layer._trainable = trainable


def _copy_state(original: keras.Layer, copied: keras.Layer) -> None:
    values = names.variables(original)
    for name, variable in names.variables(copied).items():
        if name not in values:
            raise SourceError(
                f"layer '{original.name}' of class {type(original).__name__} cannot be copied: its copy has a variable "
                f"'{name}', it has none of that name{nearest(name, values)}; let its class name them alike each time"
            )
        variable.assign(keras.ops.copy(values[name]))
        variable.trainable = values[name].trainable
    names.refresh(copied)
    flags = {path: layer.trainable for path, layer in names.layers(original)}
    for path, layer in names.layers(copied):
        if path in flags:
            set_flag(layer, flags[path])
