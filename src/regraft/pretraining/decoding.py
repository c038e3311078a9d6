"""From a representation back to the input: the trunk's own shapes, from the top downwards."""

from collections.abc import Sequence
from math import prod
from typing import Any

import keras

from regraft.pretraining.starting import begin

Shape = tuple[int, ...]

# Widths of maps that a decoder has at most: it is thrown away, and need not be as wide as a large trunk.
_WIDEST = 128
_STREAM = 1


def stacked(*models: keras.Model, name: str) -> keras.Model:
    """One model that calls each on what the one before gives; their layers are its own."""
    inputs: Any = keras.Input(batch_shape=models[0].inputs[0].shape, dtype=models[0].inputs[0].dtype, name="given")
    x: Any = inputs
    for model in models:
        x = model(x)
    return keras.Model(inputs, x, name=name)


def decoder(trunk: keras.Model, shape: Shape, seed: int, name: str = "decoder") -> keras.Model:
    """A network from the output of a trunk to values of a shape, without an activation at its end.

    Dense layers where the trunk has dense ones, convolutions after a doubling where it has halved its maps.

    Args:
        trunk: a network to a vector or to maps.
        shape: of what is to be given back.
        seed: of the weights.
        name: of the network.
    """
    used = _activation(trunk)
    inputs: Any = keras.Input(trunk.output_shape[1:], name="representation")
    x: Any = inputs
    for number, target in enumerate(_targets(trunk, shape), 1):
        x = _towards(x, target, used, f"back{number}")
    x = _towards(x, shape, None, "given_back")
    made = keras.Model(inputs, x, name=name)
    begin(made, seed, _STREAM)
    return made


def _targets(trunk: keras.Model, shape: Shape) -> list[Shape]:
    """Shapes on the way back, the uppermost first: of dense layers, and of the last map of each size."""
    found: list[Shape] = []
    for layer in trunk.layers:
        own: tuple[Any, ...] = tuple(layer.output.shape[1:])
        if isinstance(layer, keras.layers.Dense) or (len(own) == 3 and None not in own and own[:2] != shape[:2]):
            if found and len(own) == 3 and len(found[-1]) == 3 and found[-1][:2] == own[:2]:
                found.pop()
            found.append(own if len(own) == 1 else (*own[:2], min(own[2], _WIDEST)))
    top: Shape = tuple(trunk.output_shape[1:])
    if found and (found[-1] == top or (len(top) == 3 and found[-1][:2] == top[:2])):
        found.pop()
    return found[::-1]


def _towards(x: Any, target: Sequence[int], activation: str | None, name: str) -> Any:
    """One step: the last layer of it has the activation."""
    if len(target) != 3 or len(x.shape) != 4:
        flat = keras.layers.Flatten(name=f"{name}_flat")(x) if len(x.shape) > 2 else x
        made: Any = keras.layers.Dense(prod(target), activation=activation, name=name)(flat)
        return made if len(target) == 1 else keras.layers.Reshape(tuple(target), name=f"{name}_shape")(made)
    factors = tuple(-(-wanted // own) for wanted, own in zip(target[:2], x.shape[1:3], strict=True))
    if factors != (1, 1):
        x = keras.layers.UpSampling2D(factors, name=f"{name}_up")(x)
    over = [own - wanted for wanted, own in zip(target[:2], x.shape[1:3], strict=True)]
    if any(over):
        crop = tuple((extra // 2, extra - extra // 2) for extra in over)
        x = keras.layers.Cropping2D(crop, name=f"{name}_crop")(x)
    return keras.layers.Conv2D(target[2], 3, padding="same", activation=activation, name=name)(x)


def _activation(trunk: keras.Model) -> str:
    used = [str(getattr(getattr(layer, "activation", None), "__name__", "")) for layer in trunk.layers]
    return next((name for name in reversed(used) if name not in ("", "linear", "softmax")), "relu")
