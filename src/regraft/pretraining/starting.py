"""The weights that a network begins with: drawn by NumPy, so that one seed says the same on every backend."""

import random
from typing import Any

import keras
import numpy as np

from regraft.graph import names
from regraft.surgery.seeding import drawing

_RELU_LIKE = ("relu", "leaky_relu", "elu", "selu", "gelu", "silu")
# Sets these draws apart from others that come from the same seed.
_STREAM = 7


def begin(model: keras.Model, seed: int, stream: int = 0) -> None:
    """Give every kernel of a model its first values, in place; biases begin at zero.

    As He et al. 2015 have it where a rectifier follows, else as Glorot and Bengio 2010 have it.

    Args:
        model: of layers whose kernels have their inputs before their last axis.
        seed: of the draws.
        stream: another number for each part of a network that is drawn on its own.
    """
    for path, layer in names.layers(model):
        kernel = vars(layer).get("_kernel", None)
        kernel = getattr(layer, "kernel", None) if kernel is None else kernel
        if kernel is None or len(kernel.shape) < 2 or isinstance(layer, keras.Model):
            continue
        draws = np.random.default_rng([seed, _STREAM, stream, *path.encode()])
        kernel.assign(_drawn(draws, tuple(kernel.shape), _activation(layer)).astype(np.float32))


def _drawn(draws: np.random.Generator, shape: tuple[int, ...], activation: str) -> Any:
    field = int(np.prod(shape[:-2]))
    fan_in, fan_out = field * shape[-2], field * shape[-1]
    if activation in _RELU_LIKE:
        return draws.normal(0.0, (2.0 / fan_in) ** 0.5, shape)
    limit = (6.0 / (fan_in + fan_out)) ** 0.5
    return draws.uniform(-limit, limit, shape)


def _activation(layer: Any) -> str:
    return str(getattr(getattr(layer, "activation", None), "__name__", ""))


def begin_others(model: keras.Model, seed: int) -> None:
    """Draw anew, in place, what the layers of a network that others built begin with, as each layer's author has it."""
    with drawing(seed):
        for _, layer in names.layers(model):
            for variable in layer.variables:
                start: Any = _initializer(layer, variable)
                if start is not None:
                    variable.assign(start(variable.shape, dtype=variable.dtype))


def _initializer(layer: Any, variable: Any) -> Any:
    """What a layer draws a variable from, without a seed of its own."""
    found = getattr(layer, f"{variable.name}_initializer", None)
    if found is None or not isinstance(found, keras.initializers.Initializer):
        return None
    config = found.get_config()
    if "seed" not in config:
        return None
    return type(found).from_config({**config, "seed": random.randrange(2**31)})
