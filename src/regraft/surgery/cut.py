"""Cutting a model in two at a cut point, inside nested models too; names stay what they were."""

from typing import Any

import keras

from regraft.graph import cut_points, flow
from regraft.surgery.copy import Copier, copy_graph, packed, replay, set_flag

Scope = tuple[tuple[Any, Any], ...]


def cut(model: keras.Model, cut_point: str) -> tuple[keras.Model, keras.Model]:
    """The parts of a model below and above a cut point, as two new models with weights of their own.

    `rest(trunk(x))` equals `model(x)`. A layer that is used on both sides of the cut is in both parts. Variables keep
    their canonical names: cutting inside a nested model leaves a nested model of the same name in each part.

    Args:
        model: Functional or Sequential; it is not changed.
        cut_point: a name from `cut_points(model)`.

    Returns:
        (trunk, rest).

    Raises:
        SourceError: there is no such cut point, or a layer cannot be copied.

    >>> inputs = keras.Input((4,))
    >>> hidden = keras.layers.Dense(3, name="hidden")(inputs)
    >>> trunk, rest = cut(keras.Model(inputs, keras.layers.Dense(2, name="top")(hidden)), "hidden")
    >>> trunk.output_shape, rest.output_shape
    ((None, 3), (None, 2))
    """
    scope, tensor = _place(model, cut_point)
    return _trunk(model, scope, tensor), _rest(model, scope, tensor)


def trunk_of(model: keras.Model, cut_point: str) -> keras.Model:
    """The part below a cut point alone; see `cut`."""
    return _trunk(model, *_place(model, cut_point))


def between(model: keras.Model, lower: str | None, upper: str) -> keras.Model | None:
    """The part of a model from one cut point up to another, as a new model; None where they are the same.

    Args:
        model: is not changed.
        lower: a cut point, or None for the model's input.
        upper: a cut point above it.
    """
    if lower == upper:
        return None
    if lower is None:
        return trunk_of(model, upper)
    start, entered = _place(model, lower)
    end, left = _place(model, upper)
    if len(start) > 1 or len(end) > 1:
        trunk = trunk_of(model, upper)
        return _rest(trunk, *_place(trunk, lower))
    copier = Copier()
    entry = keras.Input(batch_shape=entered.shape, dtype=entered.dtype, name="activations")
    outermost = next(graph for graph, _ in start)
    (made,) = replay(outermost, {id(entered): entry}, [left], copier)
    part = _part(model, entry, made)
    copier.fill()
    return part


def _place(model: keras.Model, cut_point: str) -> tuple[Scope, Any]:
    """The graphs that a cut point is inside of, and its tensor."""
    opened = flow.read(model)
    call = cut_points.find(opened, cut_point)
    return call.scope, opened.tensors[call.makes[0]]


def _trunk(model: keras.Model, scope: Scope, tensor: Any) -> keras.Model:
    copier = Copier()
    inputs, below = _lower(scope, tensor, copier)
    trunk = _part(model, packed(scope[0][0], inputs, "inputs"), below)
    copier.fill()
    return trunk


def _rest(model: keras.Model, scope: Scope, tensor: Any) -> keras.Model:
    copier = Copier()
    entry = keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name="activations")
    rest = _part(model, entry, packed(scope[0][0], _upper(scope, tensor, entry, copier), "outputs"))
    copier.fill()
    return rest


def _lower(scope: Scope, tensor: Any, copier: Copier) -> tuple[list[Any], Any]:
    """New inputs of the outermost graph and the copied cut tensor."""
    graph, node = scope[0]
    if len(scope) == 1:
        inputs, (output,) = copy_graph(graph, graph.inputs, [tensor], copier)
        return inputs, output
    inner = _part(node.operation, *_lower(scope[1:], tensor, copier))
    inputs, given = copy_graph(graph, graph.inputs, node.input_tensors, copier)
    return inputs, inner(given[0] if len(given) == 1 else given, **_constants(node))


def _upper(scope: Scope, tensor: Any, entry: Any, copier: Copier) -> list[Any]:
    """What the copied operations above the cut make of the entry, through all levels of nesting."""
    graph, node = scope[0]
    if len(scope) == 1:
        known = {id(tensor): entry}
    else:
        inner_entry = keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name="activations")
        inner = _part(node.operation, inner_entry, _upper(scope[1:], tensor, inner_entry, copier))
        made = keras.tree.flatten(inner(entry, **_constants(node)))
        known = dict(zip(map(id, node.outputs), made, strict=True))
    return replay(graph, known, graph.outputs, copier)


def _part(model: keras.Model, inputs: Any, outputs: Any) -> keras.Model:
    """A part of a model, with its name and its trainable flag."""
    part = keras.Model(inputs, outputs, name=model.name)
    set_flag(part, model.trainable)
    return part


def _constants(node: Any) -> dict[str, Any]:
    """What a nested model was called with besides tensors, such as `training=False`."""
    return {name: value for name, value in node.arguments.kwargs.items() if isinstance(value, (bool, int, float))}
