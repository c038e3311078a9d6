"""What keeps the representation of an autoencoder from being a copy: few values that are active, or that move little.

Sparse: the size of the values (L1), or how far the mean of each is from a target (Kullback and Leibler's divergence).
Contractive: how far the values move with the input (Rifai et al. 2011).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Self

import keras
import numpy as np

from regraft.core.checks import require
from regraft.core.errors import RequestError
from regraft.pretraining.learner import Array

# How far an input is moved to see how far its representation moves.
_NEAR = 1e-2
# Activations whose values are shares, and layers that leave shares what they are.
_SHARES = ("sigmoid", "hard_sigmoid", "softmax")
_PASSING = (
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.AveragePooling2D,
    keras.layers.MaxPooling2D,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Penalised:
    """Settings of every method with these penalties.

    Attributes:
        sparsity: weight of the penalty on the size of the representation's values; 0: none.
        target: with `sparsity`: the mean that each value is drawn to in place of L1; 0: L1.
        contraction: weight of the penalty on how far the representation moves with what is shown; 0: none.
    """

    sparsity: float = 0.0
    target: float = 0.0
    contraction: float = 0.0

    def __post_init__(self) -> None:
        """Refuse weights that no penalty can have.

        Raises:
            RequestError: one of them, named.
        """
        require(
            self,
            ("sparsity", "as 0 (none) or above", 0 <= self.sparsity < np.inf),
            ("contraction", "as 0 (none) or above", 0 <= self.contraction < np.inf),
            ("target", "from 0 (L1) to below 1", 0 <= self.target < 1),
        )

    def unused_weights(self) -> Mapping[str, str]:
        """What of these makes no difference, each with what it is for."""
        return {} if self.sparsity else {"target": "sparsity above 0"}


@dataclass(frozen=True, slots=True)
class Penalties:
    """What is added to the error, with these weights.

    Attributes:
        sparsity: of the size of the representation's values; 0: none.
        target: the mean that each value is drawn to in place of L1; 0: L1.
        contraction: of how far the representation moves with the input; 0: none.
    """

    sparsity: float
    target: float
    contraction: float

    @classmethod
    def of(cls, settings: Penalised, trunk: keras.Model) -> Self:
        """Those of some settings.

        Raises:
            RequestError: the values of the trunk have no mean to be drawn to.
        """
        if settings.sparsity and settings.target:
            _require_shares(trunk, settings.target)
        return cls(settings.sparsity, settings.target, settings.contraction)

    def directions(self, x: Array, random: np.random.Generator) -> tuple[Array, ...]:
        """Along which each of some inputs is moved, of their shape; none where nothing is to be seen by it."""
        return (random.standard_normal(x.shape, np.float32),) if self.contraction else ()

    def on(self, trunk: keras.Model, x: Any, represented: Any, directions: tuple[Any, ...], training: bool) -> Any:
        """The sum of what is to be paid, mean over the batch; 0.0 where nothing is.

        Args:
            trunk: what represents.
            x: what it was shown, (n, ...).
            represented: what it made of it.
            directions: see `directions`.
            training: whether layers behave as in training.
        """
        ops: Any = keras.ops
        total: Any = self.sparsity * _size(represented, self.target) if self.sparsity else 0.0
        for direction in directions:
            moved: Any = trunk(x + _NEAR * direction, training=training)
            parts = float(prod(x.shape[1:])) * ops.cast(ops.shape(x)[0], "float32")
            total = total + self.contraction * ops.sum(ops.square((moved - represented) / _NEAR)) / parts
        return total


def _require_shares(trunk: keras.Model, target: float) -> None:
    """Refuse a mean to be drawn to where values have no bound: above 1 the penalty has no gradient.

    Raises:
        RequestError: the representation is not by sigmoids or the like.
    """
    layers: list[Any] = [layer for layer in trunk.layers if not isinstance(layer, _PASSING)]
    function = getattr(layers[-1], "activation", layers[-1])
    name = getattr(function, "__name__", type(function).__name__.lower())
    if name not in _SHARES:
        raise RequestError(
            f"target={target:g} needs a representation from 0 to 1, by sigmoids, found '{layers[-1].name}' "
            f"with {name}; choose an architecture such as 'mlp?activation=sigmoid', or leave target out"
        )


def _size(represented: Any, target: float) -> Any:
    ops: Any = keras.ops
    if not target:
        return ops.mean(ops.abs(represented))
    axes = tuple(range(len(represented.shape) - 1))
    mean = ops.clip(ops.mean(represented, axis=axes), 1e-4, 1 - 1e-4)
    return ops.mean(target * ops.log(target / mean) + (1 - target) * ops.log((1 - target) / (1 - mean)))
