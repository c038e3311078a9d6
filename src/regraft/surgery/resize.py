"""The same network with the same weights for pictures of another size."""

from typing import Any

import keras

from regraft.core.errors import SourceError
from regraft.graph import flow, names
from regraft.surgery.copy import Copier

Shape = tuple[int | None, ...]


def with_input_size(model: keras.Model, height: int, width: int, channels: int | None = None) -> keras.Model:
    """Rebuild a network for another picture size, with the same weights under the same names.

    Convolutions and pooling do not mind the size of their input. What does (a Dense layer on a flattened map, position
    embeddings, a fixed Reshape) is named in the error. Padding stays as the network was built with it: networks of
    keras.applications that pad by the parity of their input are better built for the size (`keras:NAME`).

    Args:
        model: Functional or Sequential, with one picture as input; not changed.
        height: in pixels.
        width: in pixels.
        channels: None keeps the number. From three to one, the kernels that read the input are summed over their
            channels, which is exact for a grey picture given three times; from one to three they are shared out evenly.

    Returns:
        A new model; nested models stay nested.

    Raises:
        SourceError: a part of the network cannot take that size, or the network takes no picture.
    """
    graph = flow.functional(model)
    if graph is None or len(graph.inputs) != 1 or len(graph.inputs[0].shape) != 4:
        raise SourceError(
            f"expected a Functional or Sequential model with one picture (height, width, channels) as its input, found "
            f"'{model.name}' with {[tuple(tensor.shape[1:]) for tensor in getattr(model, 'inputs', None) or ()]}"
        )
    old = tuple(graph.inputs[0].shape[1:])
    new = (height, width, channels or old[2])
    wish = f"'{model.name}' for pictures of {height} x {width}" + (f" x {channels}" if channels else "")
    rebuilt = _Rebuilder(wish).model(model, [(None, *new)], "")
    _copy_values(model, rebuilt, (old[2], new[2]), wish)
    return rebuilt


class _Rebuilder:
    """Replays the calls of a model on tensors of other shapes, with a new layer for every layer."""

    def __init__(self, wish: str) -> None:
        self.wish = wish
        self.made: dict[int, Any] = {}
        self.copier = Copier()

    def model(self, model: keras.Model, shapes: list[Shape], path: str) -> keras.Model:
        graph = flow.functional(model)
        inputs = [
            keras.Input(batch_shape=(old.shape[0], *shape[1:]), dtype=old.dtype, name=old._keras_history.operation.name)
            for old, shape in zip(graph.inputs, shapes, strict=True)
        ]
        known: dict[int, Any] = {id(old): new for old, new in zip(graph.inputs, inputs, strict=True)}
        for node in flow.nodes(graph):
            where = f"{path}{node.operation.name}"
            arguments, named = node.arguments.fill_in(known)
            operation = self.operation(node, [tuple(known[id(old)].shape) for old in node.input_tensors], where)
            try:
                results = keras.tree.flatten(operation(*arguments, **named))
            except (ValueError, TypeError) as error:
                raise self.refusal(where, " ".join(str(error).split())[:200]) from error
            known.update((id(old), new) for old, new in zip(node.outputs, results, strict=True))
        rebuilt = self.assembled(model, inputs, known)
        if not model.trainable:
            rebuilt.trainable = False
        return rebuilt

    def operation(self, node: Any, shapes: list[Shape], path: str) -> Any:
        """The new counterpart of an operation; a shared one has one counterpart."""
        old = node.operation
        if id(old) in self.made:
            return self.made[id(old)]
        inner = flow.functional(old)
        if inner is not None and len(inner.inputs) == len(shapes):
            new: Any = self.model(old, shapes, f"{path}/")
        else:
            new = self.copier(old)
        self.made[id(old)] = new
        return new

    def assembled(self, model: keras.Model, inputs: list[Any], known: dict[int, Any]) -> keras.Model:
        if isinstance(model, keras.Sequential):
            return keras.Sequential([inputs[0], *(self.made[id(layer)] for layer in model.layers)], name=model.name)
        graph = flow.functional(model)
        outputs = keras.tree.map_structure(lambda old: known[id(old)], graph._outputs_struct)
        structure = keras.tree.pack_sequence_as(graph._inputs_struct, inputs)
        return keras.Model(structure, outputs, name=model.name)

    def refusal(self, path: str, reason: str) -> SourceError:
        return SourceError(
            f"cannot rebuild {self.wish}: layer '{path}' is tied to its size ({reason}); "
            "cut the network below that layer, or keep its size and let pictures be resized"
        )


def _copy_values(source: keras.Model, target: keras.Model, channels: tuple[int, int], wish: str) -> None:
    values = names.variables(source)
    for name, variable in names.variables(target).items():
        value: Any = keras.ops.convert_to_numpy(values[name])
        if tuple(value.shape) != tuple(variable.shape):
            value = _for_channels(value, channels, tuple(variable.shape))
        if value is None:
            raise _Rebuilder(wish).refusal(
                name.rpartition("/")[0],
                f"its {name.rpartition('/')[2]} is {tuple(values[name].shape)}, it would be {tuple(variable.shape)}",
            )
        variable.assign(value)
    names.refresh(target)


def _for_channels(kernel: Any, channels: tuple[int, int], shape: Shape) -> Any:
    """A convolution's kernel for another number of input channels; None where that is not what differs."""
    old, new = channels
    if kernel.ndim != 4 or kernel.shape[2] != old or (*kernel.shape[:2], new, kernel.shape[3]) != shape:
        return None
    if (old, new) == (3, 1):
        return kernel.sum(axis=2, keepdims=True)
    return kernel.repeat(3, axis=2) / 3 if (old, new) == (1, 3) else None
