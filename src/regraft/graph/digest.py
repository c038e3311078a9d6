"""Digests of models: of a sub-graph's structure and weights, of named variables."""

import inspect
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np

from regraft.core import digest
from regraft.core.progress import warn
from regraft.graph import names
from regraft.graph.cut_points import value_of
from regraft.graph.flow import read

# What says nothing about the function that a layer computes in inference.
_IRRELEVANT = ("name", "trainable", "build_config", "seed")
# Packages whose classes are what their names say; the version of Keras is no part of a digest.
_KNOWN_CODE = ("builtins", "keras", "tensorflow", "torch", "jax", "flax")


def of_trunk(model: keras.Model, cut_point: str) -> str:
    """The digest of what computes a cut point's tensor: operations, how they are connected, and their weights.

    Names do not count, nor whether parts are nested, nor anything above the cut: the same trunk has the same digest in
    whatever model it stands. The source code of layers that are not Keras' own counts.
    """
    return of_trunks(model, [cut_point])[cut_point]


def of_trunks(model: keras.Model, cut_points: Iterable[str]) -> dict[str, str]:
    """The digests of several trunks of one model; every layer is read once."""
    flow = read(model)
    makers = {name: value_of(flow, name) for name in cut_points}
    operations: dict[int, str] = {}
    values = {
        value: digest.of_strings(["input", str(index), str(flow.tensors[value].dtype)])
        for index, value in enumerate(flow.inputs)
    }
    for call in flow.needed_for(makers.values()):
        key = id(call.operation)
        if key not in operations:
            operations[key] = _describe(call.operation)
        constants = call.node.arguments.fill_in({id(symbol): None for symbol in call.node.input_tensors})
        made = digest.of_strings([operations[key], _plain(constants), *(values[value] for value in call.reads)])
        values |= {value: digest.of_strings([made, str(index)]) for index, value in enumerate(call.makes)}
    return {name: values[value] for name, value in makers.items()}


def of_variables(variables: Mapping[str, keras.Variable]) -> dict[str, str]:
    """The digest of the bytes of each variable."""
    return {name: of_variable(variable) for name, variable in variables.items()}


def of_variable(variable: keras.Variable) -> str:
    """The digest of a variable's bytes, its dtype and its shape."""
    return digest.of_array(np.asarray(keras.ops.convert_to_numpy(variable)))


def _describe(operation: Any) -> str:
    kind = f"{type(operation).__module__}.{type(operation).__qualname__}"
    try:
        serialised: Any = keras.saving.serialize_keras_object(operation)
        structure = digest.of_json(_significant(serialised["config"]))
    except (NotImplementedError, TypeError, KeyError):
        # Two layers that differ only in what they do not tell must not share activations: this one shares none.
        warn(
            f"layer '{operation.name}' of class {type(operation).__name__} has no usable get_config(); "
            "its activations cannot be kept for another run"
        )
        structure = secrets.token_hex(8)
    weights = names.variables(operation) if isinstance(operation, keras.Layer) else {}
    # Seeds of random layers do not matter to inference.
    weights = {name: variable for name, variable in weights.items() if "seed_generator" not in name}
    return digest.of_strings([kind, structure, *_own_code(operation), *of_variables(weights).values()])


def _own_code(operation: Any) -> list[str]:
    """The source of what Keras does not know: custom classes, and functions that layers hold, such as activations."""
    layers = [layer for _, layer in names.layers(operation)] if isinstance(operation, keras.Layer) else [operation]
    held = [value for layer in layers for value in vars(layer).values() if inspect.isfunction(value)]
    parts = dict.fromkeys(kind for layer in layers for kind in type(layer).__mro__)
    return [_source(part) for part in [*parts, *held] if part.__module__.partition(".")[0] not in _KNOWN_CODE]


def _source(part: Any) -> str:
    try:
        return inspect.getsource(part)
    except (OSError, TypeError):
        return part.__qualname__


def _significant(value: Any) -> Any:
    """A configuration or argument as JSON, without what does not change the function that a layer computes."""
    if isinstance(value, dict):
        # The name of a dtype policy is all that it says.
        irrelevant = () if "Policy" in str(value.get("class_name")) else _IRRELEVANT
        return {
            key: _significant(item) if irrelevant else repr(item)
            for key, item in value.items()
            if key not in irrelevant
        }
    if isinstance(value, (list, tuple)):
        return [_significant(item) for item in value]
    if isinstance(value, np.ndarray) or keras.ops.is_tensor(value):
        return digest.of_array(np.asarray(keras.ops.convert_to_numpy(value)))
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)


def _plain(arguments: Any) -> str:
    positional, named = arguments
    return digest.of_json(_significant([list(positional), dict(named)]))
