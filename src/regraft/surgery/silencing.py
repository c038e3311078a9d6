"""Switching off what is random in training in layers that are frozen; `trainable = False` does not do it."""

import weakref
from collections.abc import Collection
from typing import Any

import keras

from regraft.core.errors import SourceError
from regraft.graph import flow, names

# Layers of Keras that are random in training only, by the attribute that is 0 where they are not.
_CHANCE = {
    "Dropout": ("rate",),
    "AlphaDropout": ("rate",),
    "GaussianDropout": ("rate",),
    "SpatialDropout1D": ("rate",),
    "SpatialDropout2D": ("rate",),
    "SpatialDropout3D": ("rate",),
    "GaussianNoise": ("stddev",),
    "StochasticDepth": ("drop_path_rate",),
    "Attention": ("dropout",),
    "AdditiveAttention": ("dropout",),
    "MultiHeadAttention": ("_dropout",),
    "GroupedQueryAttention": ("dropout",),
    "SimpleRNNCell": ("dropout", "recurrent_dropout"),
    "GRUCell": ("dropout", "recurrent_dropout"),
    "LSTMCell": ("dropout", "recurrent_dropout"),
    "ConvLSTMCell": ("dropout", "recurrent_dropout"),
}
# Layers of Keras that change their weights in training whether or not they are trainable.
_RESTLESS = ("SpectralNormalization",)
# The base of Keras' layers that change pictures at random: they belong to the data, not to the network.
_AUGMENTS = "BaseImagePreprocessingLayer"

# What a layer had before it was silenced in place, for as long as it lives or until it is given back.
_before: "weakref.WeakKeyDictionary[Any, dict[str, float]]" = weakref.WeakKeyDictionary()


def silence(layer: keras.Layer, path: str) -> None:
    """Switch off in place what is random in training, in the layer and in those that it holds.

    Raises:
        SourceError: one of them would change its output or its weights in training all the same.
    """
    for inner, part in names.layers(layer):
        where = f"'{path}/{inner}'" if inner else f"'{path}'"
        attributes = _attributes(part)
        for attribute in attributes:
            setattr(part, attribute, 0.0)
        if not attributes and any(isinstance(value, keras.random.SeedGenerator) for value in vars(part).values()):
            raise _refusal(where, part, "is random in training and cannot be switched off")
        if is_restless(part):
            raise _refusal(where, part, "changes its weights in training even when it is not trainable")


def silence_below(model: keras.Model, learning: Collection[str]) -> tuple[str, ...]:
    """Switch off in place what is random in the frozen layers below all that learns, until `give_back`.

    Dropout right below a layer that learns is that layer's own, and stays; so do layers that augment pictures.

    Args:
        model: may be of any class; one whose graph only its own code knows has its layers that hold frozen variables
            silenced, and no others.
        learning: canonical names of the variables that learn.

    Returns:
        The paths of the layers that were random and no longer are.

    Raises:
        SourceError: a frozen layer would change its output or its weights in training all the same.
    """
    chosen = _frozen_below(model, learning)
    parts = {
        f"{path}/{inner}" if inner else path: part for path, layer in chosen for inner, part in names.layers(layer)
    }
    random = {path: chances for path, part in parts.items() if (chances := _chances(part))}
    for path, chances in random.items():
        _before.setdefault(parts[path], chances)
    for path, layer in chosen:
        silence(layer, path)
    return tuple(random)


def give_back(model: keras.Model) -> None:
    """Let all that `silence_below` switched off in a model be as random as it was."""
    for _, layer in names.layers(model):
        for attribute, value in _before.pop(layer, {}).items():
            setattr(layer, attribute, value)


def is_restless(layer: keras.Layer) -> bool:
    """Whether a layer of Keras changes its weights in training even when it is not trainable."""
    return any(kind.__name__ in _RESTLESS for kind in type(layer).__mro__)


def _frozen_below(model: keras.Model, learning: Collection[str]) -> list[tuple[str, keras.Layer]]:
    """(path, layer) of what computes the outputs of the frozen layers that depend on nothing that learns."""
    owned = {id(variable): name for name, variable in names.variables(model).items()}

    def weights(layer: Any) -> list[str]:
        found = [owned[id(item)] for item in layer.variables if id(item) in owned]
        return [name for name in found if "seed_generator" not in name]

    if flow.functional(model) is None:
        own = [(path, layer) for path, layer in names.layers(model) if path and weights(layer)]
        return [(path, layer) for path, layer in own if not set(weights(layer)) & set(learning)]
    opened = flow.read(model)
    moved: set[int] = set()
    frozen: list[int] = []
    for call in opened.calls:
        own_weights = weights(call.operation) if isinstance(call.operation, keras.Layer) else []
        if moved.intersection(call.reads) or set(own_weights) & set(learning):
            moved.update(call.makes)
        elif own_weights:
            frozen += call.makes
    needed = {call.name for call in opened.needed_for(frozen)}
    above = {id(call.operation) for call in opened.calls if call.name not in needed}
    layers = {id(call.operation): call for call in opened.calls if isinstance(call.operation, keras.Layer)}
    return [
        (call.path, call.operation)
        for key, call in layers.items()
        if call.name in needed and key not in above and not _augments(call.operation)
    ]


def _augments(layer: keras.Layer) -> bool:
    return any(kind.__name__ == _AUGMENTS for kind in type(layer).__mro__)


def _attributes(layer: Any) -> tuple[str, ...]:
    """The attributes by which a layer is random, if it is one of Keras' that may be."""
    return next((_CHANCE[kind.__name__] for kind in type(layer).__mro__ if kind.__name__ in _CHANCE), ())


def _chances(layer: Any) -> dict[str, float]:
    """Their values, where the layer is random now."""
    return {name: value for name in _attributes(layer) if (value := getattr(layer, name))}


def _refusal(where: str, layer: keras.Layer, reason: str) -> SourceError:
    return SourceError(
        f"cannot freeze layer {where} of class {type(layer).__name__}, which {reason}; take it out of the model, "
        "leave it out of the patterns, or cut the model above it: a trunk that runs outside the training loop is still"
    )
