"""Digests of models: of a sub-graph's structure and weights, of named variables."""

import secrets
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np

from regraft.core import digest
from regraft.core.progress import warn
from regraft.graph import names
from regraft.graph.cut_points import find
from regraft.graph.flow import read

# What says nothing about the function that a layer computes in inference.
_IRRELEVANT = ("name", "trainable", "build_config", "seed")


def of_trunk(model: keras.Model, cut_point: str) -> str:
    """The digest of what computes a cut point's tensor: operations, how they are connected, and their weights.

    Names do not count, nor whether parts are nested, nor anything above the cut: the same trunk has the same digest in
    whatever model it stands.
    """
    return of_trunks(model, [cut_point])[cut_point]


def of_trunks(model: keras.Model, cut_points: Iterable[str]) -> dict[str, str]:
    """The digests of several trunks of one model; every layer is read once."""
    flow = read(model)
    described: dict[int, str] = {}
    result: dict[str, str] = {}
    for name in cut_points:
        calls = flow.needed_for(find(flow, name).makes)
        numbers: dict[int, int] = {value: index for index, value in enumerate(flow.inputs)}
        parts: list[str] = []
        for call in calls:
            key = id(call.operation)
            if key not in described:
                described[key] = _describe(call.operation)
            constants = call.node.arguments.fill_in({id(symbol): None for symbol in call.node.input_tensors})
            parts.append(f"{described[key]}({[numbers[value] for value in call.reads]}){_plain(constants)}")
            for value in call.makes:
                numbers[value] = len(numbers)
        result[name] = digest.of_strings(parts)
    return result


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
        config = _without_names(serialised["config"])
        structure = digest.of_json(config)
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
    return digest.of_strings([kind, structure, *of_variables(weights).values()])


def _without_names(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_names(item) for key, item in value.items() if key not in _IRRELEVANT}
    if isinstance(value, (list, tuple)):
        return [_without_names(item) for item in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)


def _plain(arguments: Any) -> str:
    positional, named = arguments
    return digest.of_json(_without_names([list(positional), dict(named)]))
