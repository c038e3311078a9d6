"""What stands above a trunk: one vector for each example, and dense layers that begin where a seed says."""

from typing import Any

import keras
import numpy as np

from regraft.pretraining.starting import by_initializer

Tensor = Any

# Layers of the trunk have any names; two of one name cannot be in one model.
_OWN = "pretraining_"


def vector(output: Tensor) -> Tensor:
    """The mean over places of a map or a text; a vector as it is.

    Args:
        output: symbolic, (n, ..., channels).
    """
    pools: dict[int, Any] = {
        # Of a text it leaves out what is after the end, where the layers below say what is.
        3: keras.layers.GlobalAveragePooling1D,
        4: keras.layers.GlobalAveragePooling2D,
        5: keras.layers.GlobalAveragePooling3D,
    }
    rank = len(output.shape)
    return pools[rank](name=f"{_OWN}mean")(output) if rank in pools else output


def unit(vectors: Tensor) -> Tensor:
    """Vectors of length one: (n, d)."""
    return keras.layers.UnitNormalization(name=f"{_OWN}unit")(vectors)


def dense(x: Tensor, units: int, name: str, seed: int, activation: str | None = None, bias: bool = True) -> Tensor:
    """A dense layer whose kernel is drawn from a seed and its own name, so that no two layers begin alike."""
    layer: Any = keras.layers.Dense(units, activation, bias, name=f"{_OWN}{name}")
    made = layer(x)
    start = keras.initializers.HeNormal() if activation else keras.initializers.GlorotUniform()
    draws = np.random.default_rng([seed, *name.encode()])
    layer.kernel.assign(by_initializer(start, tuple(layer.kernel.shape), draws))
    return made
