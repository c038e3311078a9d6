"""Cutting a model in two at a cut point, inside nested models too; names stay what they were."""

from typing import Any

import keras

from regraft.graph import cut_points, flow, names
from regraft.surgery.copy import Copier, copy_graph, replay


def cut(model: keras.Model, cut_point: str) -> tuple[keras.Model, keras.Model]:
    """The parts of a model below and above a cut point, as two new models with weights of their own.

    `rest(trunk(x))` equals `model(x)`. A layer that is used on both sides of the cut is in both parts. Variables keep their
    canonical names: cutting inside a nested model leaves a nested model of the same name in each part.

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
    opened = flow.read(model)
    call = cut_points.find(opened, cut_point)
    tensor = opened.tensors[call.makes[0]]
    inputs, below = _lower(call.scope, tensor)
    trunk = keras.Model(inputs, below, name=model.name)
    entry = keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name="activations")
    rest = keras.Model(entry, _upper(call.scope, tensor, entry), name=model.name)
    for part in (trunk, rest):
        names.copy_values(model, part)
    return trunk, rest


def between(model: keras.Model, lower: str | None, upper: str) -> keras.Model | None:
    """The part of a model from one cut point up to another, as a new model; None where they are the same.

    Args:
        model: is not changed.
        lower: a cut point, or None for the model's input.
        upper: a cut point above it.
    """
    if lower == upper:
        return None
    trunk, _ = cut(model, upper)
    return trunk if lower is None else cut(trunk, lower)[1]


def _lower(scope: tuple[tuple[Any, Any], ...], tensor: Any) -> tuple[list[Any], Any]:
    """New inputs of the outermost graph and the copied cut tensor."""
    graph, node = scope[0]
    if len(scope) == 1:
        inputs, (output,) = copy_graph(graph, graph.inputs, [tensor], Copier())
        return inputs, output
    inner_inputs, inner_output = _lower(scope[1:], tensor)
    inner = keras.Model(inner_inputs, inner_output, name=node.operation.name)
    inputs, given = copy_graph(graph, graph.inputs, node.input_tensors, Copier())
    return inputs, inner(given[0] if len(given) == 1 else given)


def _upper(scope: tuple[tuple[Any, Any], ...], tensor: Any, entry: Any) -> Any:
    """What the copied operations above the cut make of the entry, through all levels of nesting."""
    graph, node = scope[0]
    if len(scope) == 1:
        known = {id(tensor): entry}
    else:
        inner_entry = keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name="activations")
        inner = keras.Model(inner_entry, _upper(scope[1:], tensor, inner_entry), name=node.operation.name)
        known = dict(zip(map(id, node.outputs), keras.tree.flatten(inner(entry)), strict=True))
    made = replay(graph, known, graph.outputs, Copier())
    return made[0] if len(made) == 1 else made
