"""A Keras configuration, of any version, as a graph of operations. Nothing in it is run."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from regraft.core.errors import SourceError
from regraft.core.tensors import Operation, OperationGraph, Shape
from regraft.formats.keras_layers import Layer
from regraft.formats.keras_shapes import inferred

_Tensor = tuple[str, int, int]

# No layer is called so often, and none has so many outputs.
_MOST = 1 << 12


def built(model: Layer, source: str) -> OperationGraph:
    """The graph of a model's configuration, nested models included.

    Args:
        model: Functional or Sequential.
        source: the file, for messages.

    Raises:
        SourceError: the model is of a class whose graph only its own code knows, or refers to layers that it lacks.
    """
    if not model.is_model:
        raise SourceError(
            f"'{source}' holds a model of class {model.class_name}, whose graph only its own code knows; "
            "expected a Functional or Sequential model"
        )
    return _sequential(model, source) if model.is_sequential else _functional(model, source)


def _sequential(model: Layer, source: str) -> OperationGraph:
    layers = [layer for layer in model.layers if layer.class_name != "InputLayer"]
    first = next((layer for layer in model.layers if layer.class_name == "InputLayer"), None)
    value = first.name if first else "input"
    shapes: dict[str, Shape] = {}
    _state(shapes, value, _sequential_input(model, first, layers))
    given, operations = value, list[Operation]()
    for index, layer in enumerate(layers):
        makes = (layer.name,)
        inner = built(layer, source) if layer.is_model else None
        operation = _operation(layer, layer.name, (value,), makes, inner)
        after = layers[index + 1].build if index + 1 < len(layers) else None
        stated = _shape((after or {}).get("input_shape"))
        _add(operations, shapes, operation, layer, {layer.name: stated})
        value = layer.name
    return OperationGraph(model.name, tuple(operations), (given,), (value,), shapes)


def _sequential_input(model: Layer, first: Layer | None, layers: Sequence[Layer]) -> Shape | None:
    stated = [_input_shape(first)] if first else []
    for layer in layers[:1]:
        stated += [_input_shape(layer), _shape((layer.build or {}).get("input_shape"))]
        if layer.is_model:
            inner = [_input_shape(item) for item in layer.layers if item.class_name == "InputLayer"]
            stated += inner[:1]
    stated.append(_shape(model.config.get("build_input_shape")))
    return next((shape for shape in stated if shape is not None), None)


def _functional(model: Layer, source: str) -> OperationGraph:
    layers = {layer.name: layer for layer in model.layers}
    shapes: dict[str, Shape] = {}
    stated: dict[_Tensor, Shape] = {}
    calls: dict[tuple[str, int], list[_Tensor]] = {}
    firsts = first_calls(model)
    for layer in layers.values():
        for index, node in enumerate(layer.nodes):
            calls[layer.name, index] = [existing(tensor, firsts) for tensor, _ in _read_by(node, layers, stated)]
    given = [_tensor(item) for item in _flat(model.config["input_layers"])]
    wanted = [existing(_tensor(item), firsts) for item in _flat(model.config["output_layers"])]
    _check(model, layers, [*given, *wanted, *(tensor for reads in calls.values() for tensor in reads)], source)
    for tensor in given:
        _state(shapes, value_name(tensor), _input_shape(layers[tensor[0]]))
    made = _made(calls, wanted)
    operations: list[Operation] = []
    # A nested model is built once, however often it is called: the calls of models in models multiply.
    inner = {name: built(layer, source) for name, layer in layers.items() if layer.is_model}
    sources = {(layer.name, 0) for layer in layers.values() if not layer.nodes}
    for name, index in _in_order(calls, sources, source):
        layer = layers[name]
        reads = tuple(value_name(tensor) for tensor in calls[name, index])
        makes = [(name, index, position) for position in range(made.get((name, index), 1))]
        call = value_name((name, index, 0))
        operation = _operation(layer, call, reads, tuple(map(value_name, makes)), inner.get(name))
        _add(operations, shapes, operation, layer, {value_name(tensor): stated.get(tensor) for tensor in makes})
    return OperationGraph(
        model.name, tuple(operations), tuple(map(value_name, given)), tuple(map(value_name, wanted)), shapes
    )


def _operation(
    layer: Layer, name: str, reads: tuple[str, ...], makes: tuple[str, ...], inner: OperationGraph | None
) -> Operation:
    if inner is None or len(inner.inputs) != len(reads):
        # A nested model that is called with more than its inputs is one step: what happens inside cannot be told.
        return Operation(name, layer.class_name, reads, makes, layer.config, layer.name)
    makes = (
        makes
        if len(makes) == len(inner.outputs)
        else tuple(f"{name}:{i}" if i else name for i in range(len(inner.outputs)))
    )
    return Operation(name, layer.class_name, reads, makes, {"trainable": layer.trainable}, layer.name, inner)


def _add(
    operations: list[Operation],
    shapes: dict[str, Shape],
    operation: Operation,
    layer: Layer,
    stated: Mapping[str, Shape | None],
) -> None:
    operations.append(operation)
    inner = operation.graph
    for position, value in enumerate(operation.outputs):
        shape = stated.get(value)
        if shape is None and inner is not None:
            shape = inner.shapes.get(inner.outputs[position])
        elif shape is None and position == 0:
            shape = inferred(layer, [shapes.get(read) for read in operation.inputs])
        _state(shapes, value, shape)


def _state(shapes: dict[str, Shape], value: str, shape: Shape | None) -> None:
    if shape is not None:
        shapes[value] = shape


def _read_by(
    node: Any, layers: Mapping[str, Layer], stated: dict[_Tensor, Shape]
) -> Iterator[tuple[_Tensor, Shape | None]]:
    """The tensors that one call reads; Keras 3 states their shapes beside them, which are kept in `stated`."""
    if isinstance(node, Mapping):
        item = cast(Mapping[str, Any], node)
        if item.get("class_name") == "__keras_tensor__":
            tensor = _tensor(item["config"]["keras_history"])
            shape = _shape(item["config"].get("shape"))
            if shape is not None:
                stated[tensor] = shape
            yield tensor, shape
            return
        for value in item.values():
            yield from _read_by(value, layers, stated)
    elif isinstance(node, list):
        items = cast(list[Any], node)
        if _is_reference(items, layers):
            yield _tensor(items), None
            items = items[3:]
        for value in items:
            yield from _read_by(value, layers, stated)


def _is_reference(items: list[Any], layers: Mapping[str, Layer]) -> bool:
    # Keras 2 writes a tensor as [layer, call, position] or with the call's other arguments as a fourth item.
    return (
        len(items) in (3, 4)
        and isinstance(items[0], str)
        and items[0] in layers
        and all(isinstance(number, int) for number in items[1:3])
    )


def _flat(value: Any) -> list[Any]:
    """The references in any nesting of lists and dictionaries."""
    if isinstance(value, Mapping):
        return [item for part in cast(Mapping[str, Any], value).values() for item in _flat(part)]
    items = cast(list[Any], value)
    if items and isinstance(items[0], str):
        return [items]
    return [item for part in items for item in _flat(part)]


def _tensor(reference: Sequence[Any]) -> _Tensor:
    name, call, position = reference[:3]
    if not (0 <= int(call) < _MOST * _MOST and 0 <= int(position) < _MOST):
        raise ValueError(f"call {call} and output {position} of layer '{name}'")
    return str(name), int(call), int(position)


def first_calls(model: Layer) -> dict[str, int]:
    """The number that the first call of a layer has, for layers where that is not 0.

    Keras 1 and 2 counted a nested model's calls from its making on, which was a call too, and did not store that one.
    """
    layers = {layer.name: layer for layer in model.layers}
    read = [tensor for layer in layers.values() for node in layer.nodes for tensor, _ in _read_by(node, layers, {})]
    last: dict[str, int] = {}
    for name, call, _ in [*read, *(_tensor(item) for item in _flat(model.config["output_layers"]))]:
        last[name] = max(last.get(name, 0), call)
    counts = {name: len(layer.nodes) for name, layer in layers.items()}
    return {name: call + 1 - counts[name] for name, call in last.items() if 0 < counts.get(name, 0) <= call}


def existing(tensor: _Tensor, firsts: Mapping[str, int]) -> _Tensor:
    """The tensor that a reference (layer, call, position) means, its calls counted from 0."""
    name, call, position = tensor
    return name, max(call - firsts.get(name, 0), 0), position


def value_name(tensor: _Tensor) -> str:
    """The name of a tensor among the values of the graph."""
    name, call, position = tensor
    return f"{name}{f'#{call + 1}' if call else ''}{f':{position}' if position else ''}"


def _made(calls: Mapping[tuple[str, int], list[_Tensor]], wanted: Sequence[_Tensor]) -> dict[tuple[str, int], int]:
    made: dict[tuple[str, int], int] = {}
    for name, call, position in [*wanted, *(tensor for reads in calls.values() for tensor in reads)]:
        made[name, call] = max(made.get((name, call), 1), position + 1)
    return made


def _check(model: Layer, layers: Mapping[str, Layer], tensors: Sequence[_Tensor], source: str) -> None:
    for name, _, _ in tensors:
        if name not in layers:
            raise SourceError(f"'{source}': model '{model.name}' refers to layer '{name}', which it does not hold")


def _in_order(
    calls: Mapping[tuple[str, int], list[_Tensor]], given: set[tuple[str, int]], source: str
) -> Iterator[tuple[str, int]]:
    """The calls in an order in which they can be computed, otherwise in the file's."""
    done = set(given)
    waiting = {call: {(name, index) for name, index, _ in reads} for call, reads in calls.items() if call not in given}
    readers: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for call, reads in waiting.items():
        reads -= done
        for read in reads:
            readers.setdefault(read, []).append(call)
    ready = [call for call, reads in waiting.items() if not reads]
    position = 0
    while position < len(ready):
        call = ready[position]
        position += 1
        yield call
        for reader in readers.get(call, ()):
            waiting[reader].discard(call)
            if not waiting[reader]:
                ready.append(reader)
    if position < len(waiting):
        stuck = next(call for call, reads in waiting.items() if reads)
        raise SourceError(f"'{source}': layer '{stuck[0]}' waits for a tensor that no layer makes")


def _input_shape(layer: Layer | None) -> Shape | None:
    if layer is None:
        return None
    return _shape(layer.config.get("batch_shape") or layer.config.get("batch_input_shape"))


def _shape(stated: Any) -> Shape | None:
    """A stated shape without the batch; None where several shapes or none are stated."""
    if not isinstance(stated, list) or not stated:
        return None
    sizes = cast(list[Any], stated)
    if not all(size is None or isinstance(size, int) for size in sizes):
        return None
    return tuple(sizes[1:])
