"""Autoencoder: a network learns to give back its input from its own representation of it.

With a representation that is wide, something must keep it from copying: few values that are active (`sparsity`), or
values that change little when the input does (`contraction`; Rifai et al. 2011).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from regraft.core.pretraining import Kind, Spec
from regraft.pretraining.decoding import decoder, stacked
from regraft.pretraining.giving_back import Error, errors, require_error
from regraft.pretraining.learner import Array, Batch, Learner, Rows, Sample
from regraft.pretraining.penalties import Penalised, Penalties
from regraft.pretraining.tying import tied_decoder

NAME = "autoencoder"
KINDS: tuple[Kind, ...] = ("pictures", "numbers", "table")
LABELS = False
GROUPS = False
GREEDY = False
ARCHITECTURES: Mapping[Kind, str] = {}
SPEC = Spec()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Penalised):
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

    def unused(self, kind: Kind) -> Mapping[str, str]:
        """What makes no difference, each with what it is for."""
        return self.unused_weights()


def learner(trunk: keras.Model, sample: Sample, settings: Settings, seed: int) -> Learner:
    """The trunk below a decoder."""
    below = tied_decoder(trunk, sample.shape) if settings.tied else decoder(trunk, sample.shape, seed)
    error, paid = errors(require_error(settings.error, sample)), Penalties.of(settings, trunk)
    ops: Any = keras.ops

    def draw(rows: Rows, indices: Array, random: np.random.Generator, progress: float) -> Batch:
        x = rows.take(indices)
        return x, *paid.directions(x, random)

    def loss(model: keras.Model, batch: tuple[Any, ...], training: bool) -> Any:
        x, *directions = batch
        represented: Any = trunk(x, training=training)
        each = error(below(represented, training=training), x)
        return ops.mean(each) + paid.on(trunk, x, represented, tuple(directions), training)

    return Learner(model=stacked(trunk, below, name=NAME.replace("-", "_")), trunk=trunk, draw=draw, loss=loss)
