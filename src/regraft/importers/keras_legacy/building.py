"""A rewritten configuration as a live model, called in the order of the file's own graph."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from regraft.core.errors import SourceError
from regraft.formats import keras_graph
from regraft.formats.keras_layers import described
from regraft.importers.keras_legacy import calls, deferring, layers, layout
from regraft.importers.keras_legacy.layout import Value
from regraft.importers.keras_legacy.scope import Part, Scope, Whole, is_model, name_of, one_or_all

Paths = tuple[str, str]


def built(item: Mapping[str, Any], source: str, elements: int, old_sigmoid: bool) -> tuple[keras.Model, Whole]:
    """The model of a rewritten configuration, with fresh weights.

    Args:
        item: see `rewriting.rewritten`.
        source: the file, for messages.
        elements: how many the file holds; a model that asks for far more is not built.
        old_sigmoid: whether hard_sigmoid means that of Keras 1 and 2.

    Returns:
        The model; how the file's layers are called in it, and what could not be kept.

    Raises:
        SourceError: it asks for what is not Keras' own.
        CorruptFileError: it asks for far more weights than the file holds.
    """
    whole = Whole(source, old_sigmoid, layout.channels_first(item["config"]))
    if whole.first:
        whole.notes.append("channels stood before height and width in the file; here they stand last, input included")
    model = deferring.built_within(elements, source, lambda: _part(whole, item, ("", ""), set()).model)
    return model, whole


def _part(whole: Whole, item: Mapping[str, Any], paths: Paths, taken: set[str]) -> Part:
    if not is_model(item):
        raise SourceError(
            f"'{whole.source}' holds a model of class {item['class_name']}, whose graph only its own code knows; "
            "expected a Functional or Sequential model; give the model itself"
        )

    def build(inner: Mapping[str, Any], below: Paths) -> Part:
        return _part(whole, inner, below, set())

    scope = Scope(whole, item["config"]["layers"], paths, taken, build)
    made = _sequential(item, scope) if item["class_name"] == "Sequential" else _functional(item, scope)
    if item["config"].get("trainable") is False:
        made.model.trainable = False
    return made


def _model_name(item: Mapping[str, Any]) -> str:
    return layers.plain_name(name_of(item).lower() if "name" not in item["config"] else name_of(item), set())


def _functional(item: Mapping[str, Any], scope: Scope) -> Part:
    model = described(item)
    graph = keras_graph.built(model, scope.whole.source)
    firsts = keras_graph.first_calls(model)
    by_name = {layer.name: layer for layer in model.layers}
    values: dict[str, Value] = {}
    for name in graph.inputs:
        config = scope.items[name]["config"]
        values[name] = scope.given(name, config.get("batch_shape"), config)
    inputs = [values[name] for name in graph.inputs]

    def find(reference: calls.Reference) -> Value:
        return values[keras_graph.value_name(keras_graph.existing(reference, firsts))]

    for operation in graph.operations:
        index = int(operation.name[len(operation.layer) :].removeprefix("#") or 1) - 1
        node = by_name[operation.layer].nodes[index]
        given, named = calls.arguments(node, find, by_name.__contains__)
        results = scope.call(operation.layer, given, named)
        for position, result in enumerate(results):
            values[keras_graph.value_name((operation.layer, index, position))] = result
    return _model(item, inputs, [values[name] for name in graph.outputs])


def _model(item: Mapping[str, Any], inputs: Sequence[Value], outputs: Sequence[Value]) -> Part:
    model = keras.Model(
        one_or_all([value.tensor for value in inputs]),
        one_or_all([value.tensor for value in outputs]),
        name=_model_name(item),
    )
    return Part(model, [value.moved for value in inputs], [value.moved for value in outputs])


def _sequential(item: Mapping[str, Any], scope: Scope) -> Part:
    names = list(scope.items)
    first = scope.items[names[0]] if names else None
    if first is None:
        raise SourceError(f"'{scope.whole.source}': expected layers in '{name_of(item)}', found none")
    if first["config"].get("layers") and not is_model(first):
        inputs, outputs = _branches(first, scope)
        alone = {key: value for key, value in first["config"].items() if key != "layers"}
        scope.items[names[0]] = {**first, "config": alone}
        return _chained(item, scope, names, inputs, outputs)
    if first["class_name"] == "InputLayer":
        names = names[1:]
        given = scope.given(name_of(first), first["config"].get("batch_shape"), first["config"])
    else:
        given = scope.given("input", _shape_before(first) or item["config"].get("build_input_shape"), {})
    if given.moved or not all(map(scope.plain, names)):
        return _chained(item, scope, names, [given], given)
    tensor = given.tensor
    start = keras.layers.InputLayer(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)
    chain = [scope.layer(name) for name in names]
    return Part(keras.Sequential([start, *chain], name=_model_name(item)), [False], [False])


def _chained(item: Mapping[str, Any], scope: Scope, names: Sequence[str], inputs: Sequence[Value], given: Any) -> Part:
    """A chain of layers that Keras' Sequential cannot express, such as one that begins with several inputs."""
    for name in names:
        results = scope.call(name, given, {})
        given = results[0]
    return _model(item, inputs, [given])


def _branches(first: Mapping[str, Any], scope: Scope) -> tuple[list[Value], list[Value]]:
    """What goes into and comes out of the models that the first layer of a Keras 1 Sequential joins.

    Their layers become layers of the whole: Keras 1 stored their weights beside each other.
    """
    inputs: list[Value] = []
    outputs: list[Value] = []
    for branch in first["config"]["layers"]:
        part = _part(scope.whole, branch, scope.paths, scope.taken)
        inputs += map(Value, part.model.inputs, part.moved_inputs)
        outputs += map(Value, part.model.outputs, part.moved_outputs)
    return inputs, outputs


def _shape_before(item: Mapping[str, Any]) -> Any:
    """The shape that a layer, or the first layer in it, states for its input."""
    config = item["config"]
    stated = config.get("batch_shape")
    inner = config.get("layer")
    if stated is None and is_model(item):
        given = next((part for part in config["layers"] if part["class_name"] == "InputLayer"), config["layers"][0])
        return _shape_before(given)
    if stated is None and isinstance(inner, Mapping):
        return inner["config"].get("batch_shape")
    return stated
