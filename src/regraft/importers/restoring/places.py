"""The variables of a model as places that wait for values, in the order of its layers."""

from typing import Any

import keras

from regraft.core.errors import SourceError
from regraft.core.layouts import Place
from regraft.graph import flow, names

# State of random layers, which no file is asked for.
STATE = "seed_generator_state"
# What leaves every element where it is, so that a flattened map is still one behind it.
_ELEMENTWISE = (
    keras.layers.Activation,
    keras.layers.BatchNormalization,
    keras.layers.Dropout,
    keras.layers.ELU,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.Identity,
    keras.layers.LayerNormalization,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ReLU,
    keras.layers.Rescaling,
    keras.layers.Softmax,
)


def places(model: keras.Model) -> tuple[Place, ...]:
    """Every variable of a model but the state of random layers."""
    layers = dict(names.layers(model))
    below = _flattened(model)
    return tuple(
        _place(name, variable, layers.get(name.rpartition("/")[0]), below)
        for name, variable in names.variables(model).items()
        if not name.endswith(STATE)
    )


def is_ordered(model: keras.Model) -> bool:
    """Whether the order of a model's layers is that of its computation."""
    return flow.functional(model) is not None


def _place(name: str, variable: Any, layer: Any, below: dict[int, tuple[int, ...]]) -> Place:
    epsilon = getattr(layer, "epsilon", None)
    flattened = below.get(id(layer), ())
    shape = tuple(variable.shape)
    counts = shape[:1] == (_size(flattened),) and name.rpartition("/")[2] != "bias"
    return Place(
        name,
        shape,
        type(layer).__name__ if layer is not None else "",
        float(epsilon) if isinstance(epsilon, (int, float)) else None,
        flattened if counts else (),
    )


def _flattened(model: keras.Model) -> dict[int, tuple[int, ...]]:
    """For layers that read the flattened elements of a map: its height, width and channels, by the layer's identity."""
    try:
        calls = flow.read(model)
    except SourceError:
        return {}
    maps: dict[int, tuple[int, ...]] = {}
    found: dict[int, tuple[int, ...]] = {}
    for call in calls.calls:
        if len(call.reads) != 1 or len(call.makes) != 1:
            continue
        given, made = call.reads[0], call.makes[0]
        shape = _map_of(call.operation, calls.tensors[given], calls.tensors[made])
        if shape:
            maps[made] = shape
        elif given in maps:
            found[id(call.operation)] = maps[given]
            if isinstance(call.operation, _ELEMENTWISE):
                maps[made] = maps[given]
    return found


def _map_of(operation: Any, given: Any, made: Any) -> tuple[int, ...]:
    """Height, width and channels of a map that an operation flattens; empty where it does something else."""
    shape = tuple(given.shape[1:])
    if not isinstance(operation, (keras.layers.Flatten, keras.layers.Reshape)) or len(made.shape) != 2:
        return ()
    # Keras' Flatten moves the channels behind the map before it flattens it, so that a kernel serves both.
    if getattr(operation, "data_format", None) == "channels_first" and isinstance(operation, keras.layers.Flatten):
        shape = (*shape[1:], *shape[:1])
    if len(shape) < 2 or None in shape or shape[-1] == 1 or _size(shape) == shape[-1]:
        return ()
    return shape


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for side in shape:
        size *= side
    return size if shape else 0
