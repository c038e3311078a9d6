"""The weights that a network begins with: drawn by NumPy, so that one seed says the same on every backend."""

import random
from typing import Any

import keras
import numpy as np
from scipy.special import ndtr, ndtri

from regraft.graph import names
from regraft.surgery.seeding import drawing

_RELU_LIKE = ("relu", "leaky_relu", "elu", "selu", "gelu", "silu")
# Sets these draws apart from others that come from the same seed.
_STREAM = 7
# The deviation of normal numbers of which none is beyond two.
_OF_TRUNCATED = 0.87962566103423978


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
    count = 0
    with drawing(seed):
        for _, layer in names.layers(model):
            for variable in layer.variables:
                start = _initializer(layer, variable)
                if start is not None:
                    variable.assign(by_initializer(start, tuple(variable.shape), np.random.default_rng([seed, count])))
                    count += 1


def by_initializer(start: Any, shape: tuple[int, ...], draws: np.random.Generator) -> Any:
    """What an initialiser of Keras would draw, by NumPy: float32; one that is none of Keras' own draws for itself."""
    if isinstance(start, keras.initializers.VarianceScaling):
        drawn = _scaled(start, shape, draws)
    elif isinstance(start, keras.initializers.RandomUniform):
        drawn = draws.uniform(start.minval, start.maxval, shape)
    elif isinstance(start, keras.initializers.RandomNormal):
        drawn = draws.normal(start.mean, start.stddev, shape)
    elif isinstance(start, keras.initializers.TruncatedNormal):
        drawn = start.mean + start.stddev * _truncated(shape, draws)
    elif isinstance(start, keras.initializers.Orthogonal):
        drawn = start.gain * _orthogonal(shape, draws)
    else:
        return keras.ops.convert_to_numpy(start(shape, dtype="float32"))
    return drawn.astype(np.float32)


def _scaled(start: Any, shape: tuple[int, ...], draws: np.random.Generator) -> Any:
    field = int(np.prod(shape[:-2]))
    fans: dict[str, float] = {"fan_in": field * shape[-2:][0], "fan_out": field * shape[-1]}
    fans["fan_avg"] = sum(fans.values()) / 2
    deviation = (start.scale / max(1.0, fans[start.mode])) ** 0.5
    if start.distribution == "uniform":
        return draws.uniform(-(3.0**0.5) * deviation, 3.0**0.5 * deviation, shape)
    if start.distribution == "untruncated_normal":
        return draws.normal(0.0, deviation, shape)
    return deviation / _OF_TRUNCATED * _truncated(shape, draws)


def _truncated(shape: tuple[int, ...], draws: np.random.Generator) -> Any:
    """Normal numbers, of which none is beyond two deviations."""
    return ndtri(draws.uniform(ndtr(-2.0), ndtr(2.0), shape))


def _orthogonal(shape: tuple[int, ...], draws: np.random.Generator) -> Any:
    rows, columns = int(np.prod(shape[:-1])), shape[-1]
    q, r = np.linalg.qr(draws.normal(size=(max(rows, columns), min(rows, columns))))
    # The signs make it uniform among all: Mezzadri 2007.
    q = q * np.sign(np.diag(r))
    return (q if rows >= columns else q.T).reshape(shape)


def _initializer(layer: Any, variable: Any) -> Any:
    """What a layer draws a variable from, without a seed of its own."""
    # Of a kernel that is one of several, such as recurrent_kernel, the initialiser is called recurrent_initializer.
    called = (variable.name, variable.name.removesuffix("_kernel"))
    found = next((start for name in called if (start := getattr(layer, f"{name}_initializer", None))), None)
    if found is None or not isinstance(found, keras.initializers.Initializer):
        return None
    config = found.get_config()
    if "seed" not in config:
        return None
    return type(found).from_config({**config, "seed": random.randrange(2**31)})
