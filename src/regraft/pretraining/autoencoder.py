"""Autoencoder: a network learns to give back its input from its own representation of it.

With a representation that is wide, something must keep it from copying: few values that are active (`sparsity`), or
values that change little when the input does (`contraction`; Rifai et al. 2011).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import keras
import numpy as np

from regraft.core.checks import require
from regraft.core.errors import RequestError
from regraft.core.pretraining import Kind, Spec
from regraft.pretraining.decoding import decoder, stacked
from regraft.pretraining.giving_back import Error, errors, require_error
from regraft.pretraining.learner import Array, Batch, Learner, Rows, Sample
from regraft.pretraining.tying import tied_decoder

NAME = "autoencoder"
KINDS: tuple[Kind, ...] = ("pictures", "numbers", "table")
LABELS = False
GROUPS = False
GREEDY = False
ARCHITECTURES: Mapping[Kind, str] = {}
SPEC = Spec()

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
class Settings:
    """What can be set.

    Attributes:
        error: of what is given back: `squared`, or `cross-entropy` for values from 0 to 1; `auto`: by the values.
        tied: whether the decoder has the kernels of the trunk's dense layers, transposed.
        sparsity: weight of the penalty on the size of the representation's values (L1); 0: none.
        target: with `sparsity`, and a representation by sigmoids: the mean that each value is drawn to (Kullback and
            Leibler's divergence) in place of L1; 0: L1.
        contraction: weight of the penalty on how far the representation moves with the input: the squared Frobenius
            norm of its Jacobian, estimated along one random direction for each example, beside an error that is summed
            over the values of an example; 0: none.
    """

    error: Error = "auto"
    tied: bool = False
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

    def unused(self, kind: Kind) -> Mapping[str, str]:
        """What makes no difference, each with what it is for."""
        return {} if self.sparsity else {"target": "sparsity above 0"}


def learner(trunk: keras.Model, sample: Sample, settings: Settings, seed: int) -> Learner:
    """The trunk below a decoder."""
    if settings.sparsity and settings.target:
        _require_shares(trunk, settings)
    below = tied_decoder(trunk, sample.shape) if settings.tied else decoder(trunk, sample.shape, seed)
    error = errors(require_error(settings.error, sample))
    ops: Any = keras.ops

    def draw(rows: Rows, indices: Array, random: np.random.Generator, progress: float) -> Batch:
        x = rows.take(indices)
        return (x, random.standard_normal(x.shape, np.float32)) if settings.contraction else (x,)

    def loss(model: keras.Model, batch: tuple[Any, ...], training: bool) -> Any:
        x, *directions = batch
        represented: Any = trunk(x, training=training)
        total = ops.mean(error(below(represented, training=training), x))
        if settings.sparsity:
            total = total + settings.sparsity * _size(represented, settings.target)
        if directions:
            moved: Any = trunk(x + _NEAR * directions[0], training=training)
            values = float(prod(sample.shape))
            change = ops.sum(ops.square((moved - represented) / _NEAR)) / values / ops.cast(ops.shape(x)[0], "float32")
            total = total + settings.contraction * change
        return total

    return Learner(model=stacked(trunk, below, name=NAME.replace("-", "_")), trunk=trunk, draw=draw, loss=loss)


def _require_shares(trunk: keras.Model, settings: Settings) -> None:
    """Refuse a mean to be drawn to where values have no bound: above 1 the penalty has no gradient.

    Raises:
        RequestError: the representation is not by sigmoids or the like.
    """
    layers: list[Any] = [layer for layer in trunk.layers if not isinstance(layer, _PASSING)]
    function = getattr(layers[-1], "activation", layers[-1])
    name = getattr(function, "__name__", type(function).__name__.lower())
    if name not in _SHARES:
        raise RequestError(
            f"target={settings.target:g} needs a representation from 0 to 1, by sigmoids, found '{layers[-1].name}' "
            f"with {name}; choose an architecture such as 'mlp?activation=sigmoid', or leave target out"
        )


def _size(represented: Any, target: float) -> Any:
    ops: Any = keras.ops
    if not target:
        return ops.mean(ops.abs(represented))
    axes = tuple(range(len(represented.shape) - 1))
    mean = ops.clip(ops.mean(represented, axis=axes), 1e-4, 1 - 1e-4)
    return ops.mean(target * ops.log(target / mean) + (1 - target) * ops.log((1 - target) / (1 - mean)))
