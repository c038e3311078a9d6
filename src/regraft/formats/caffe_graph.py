"""The graph of a Caffe network as it is used: without what only learning needs, every value under a name of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from regraft.formats.caffe_layers import Layer, Network

_DATA = ("Data", "HDF5Data", "ImageData", "MemoryData", "WindowData", "DummyData", "AnnotatedData", "Input")
# What a loss does to its first input when the network is used.
_LOSSES = {"SoftmaxWithLoss": "Softmax", "SigmoidCrossEntropyLoss": "Sigmoid"}
_DROPPED = ("Accuracy", "Silence", "HDF5Output")


@dataclass(slots=True)
class _Drawn:
    """What has been drawn so far.

    Attributes:
        operations: as plain data.
        current: the name of the value that each of Caffe's blobs stands for now; layers may write where they read.
        inputs: the values that are given, and their shapes.
        names: those of the operations.
        made: the names of all values.
        notes: what was changed.
    """

    operations: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    current: dict[str, str] = field(default_factory=dict[str, str])
    inputs: dict[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    names: set[str] = field(default_factory=set[str])
    made: set[str] = field(default_factory=set[str])
    notes: list[str] = field(default_factory=list[str])


def drawn(network: Network, tensors: Mapping[str, Sequence[str]]) -> tuple[dict[str, Any], list[str]]:
    """The graph of a network as plain data.

    Args:
        network: its layers.
        tensors: the names of the weights of each layer.

    Returns:
        `name`, `inputs` with their shapes (the batch included, empty where the file does not say), `outputs`,
        `operations` (`name`, `kind`, `inputs`, `outputs`, `attributes`), and notes on what was changed.
    """
    state = _Drawn()
    for name, shape in network.inputs.items():
        state.current[name] = name
        state.inputs[name] = shape
        state.made.add(name)
    for layer in network.layers:
        if layer.tested:
            _draw(layer, tensors.get(layer.name, ()), state)
    _drop_labels(state)
    read = {value for operation in state.operations for value in operation["inputs"]}
    outputs = [value for operation in state.operations for value in operation["outputs"] if value not in read]
    graph = {
        "name": network.name or "network",
        "inputs": {name: list(shape) for name, shape in state.inputs.items()},
        "outputs": outputs,
        "operations": state.operations,
    }
    return graph, state.notes


def _draw(layer: Layer, tensors: Sequence[str], state: _Drawn) -> None:
    bottoms = [state.current.get(name, name) for name in layer.bottoms]
    if layer.type in _DATA:
        _give(layer, state)
    elif layer.type == "Split":
        # Caffe itself puts these in where a value is read twice.
        state.current.update(dict.fromkeys(layer.tops, bottoms[0] if bottoms else ""))
    elif layer.type in _LOSSES:
        state.notes.append(
            f"layer '{layer.name}' ({layer.type}) is drawn as {_LOSSES[layer.type]}: the loss is not needed"
        )
        _add(layer, _LOSSES[layer.type], bottoms[:1], tensors, state)
    elif layer.type not in _DROPPED and not layer.type.endswith("Loss"):
        _add(layer, layer.type, bottoms, tensors, state)


def _give(layer: Layer, state: _Drawn) -> None:
    """Make the values of a data layer inputs of the network."""
    shapes = layer.attributes.get("shape", [])
    crop = layer.transform.get("crop_size")
    for index, top in enumerate(layer.tops):
        state.current[top] = top
        state.made.add(top)
        stated = shapes[min(index, len(shapes) - 1)] if shapes else ()
        state.inputs[top] = tuple(stated) or ((1, 3, crop, crop) if crop and index == 0 else ())


def _add(layer: Layer, kind: str, inputs: list[str], tensors: Sequence[str], state: _Drawn) -> None:
    made = [_fresh(top, f"{top}/{layer.name}", state.made) for top in layer.tops] or [layer.name]
    name = _fresh(layer.name, layer.name, state.names)
    state.operations.append(
        {
            "name": name,
            "kind": kind,
            "inputs": [*inputs, *tensors],
            "outputs": made,
            "attributes": layer.attributes,
        }
    )
    state.current.update(zip(layer.tops, made, strict=False))


def _fresh(name: str, second: str, taken: set[str]) -> str:
    """A name that is not taken, which it is from now on; a layer that writes where it reads makes a second value."""
    found, count = name, 1
    while found in taken:
        found = second if second != name and count == 1 else f"{second}#{count}"
        count += 1
    taken.add(found)
    return found


def _drop_labels(state: _Drawn) -> None:
    """Labels are read by losses only, and so are layers that do nothing but prepare them."""
    losing = True
    while losing:
        read = {value for operation in state.operations for value in operation["inputs"]}
        unread = [name for name in state.inputs if name not in read]
        for name in unread:
            del state.inputs[name]
        losing = _drop_preparation(state)


def _drop_preparation(state: _Drawn) -> bool:
    """Drop one layer that only cuts a label into parts which nobody reads."""
    read = {value for operation in state.operations for value in operation["inputs"]}
    for operation in state.operations:
        if (
            operation["kind"] == "Slice"
            and not read.intersection(operation["outputs"])
            and "label" in operation["inputs"][0]
        ):
            state.operations.remove(operation)
            return True
    return False
