"""Denoising autoencoder: a network is shown its input with noise and learns to give it back without (Vincent 2010)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from regraft.core.pretraining import Kind, Spec
from regraft.pretraining.decoding import decoder, stacked
from regraft.pretraining.giving_back import Error, errors, require_error
from regraft.pretraining.learner import Array, Batch, Learner, Rows, Sample
from regraft.pretraining.noise import Disturbed, Noise
from regraft.pretraining.penalties import Penalised, Penalties
from regraft.pretraining.tying import tied_decoder

NAME = "denoising-autoencoder"
KINDS: tuple[Kind, ...] = ("pictures", "numbers", "table")
LABELS = False
GROUPS = False
GREEDY = False
ARCHITECTURES: Mapping[Kind, str] = {}
SPEC = Spec(epochs=50)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Penalised):
    """What can be set.

    Attributes:
        noise: the standard deviation of `gaussian` noise, in units of the data's own (of each number, of each column of
            a table; 1 for others from 0 to 1); the part of the values, of a table of the cells, that `masking` or
            `salt-and-pepper` sets.
        noise_kind: `gaussian`, `masking` or `salt-and-pepper`.
        emphasis: weight of the values that were disturbed, beside 1 for the others.
        error: of what is given back: `squared`, or `cross-entropy` for values from 0 to 1; `auto`: by the values.
        tied: whether the decoder has the kernels of the trunk's dense layers, transposed.
        sparsity: weight of the penalty on the size of the representation's values (L1); 0: none.
        target: with `sparsity`, and a representation by sigmoids: the mean that each value is drawn to (Kullback and
            Leibler's divergence) in place of L1; 0: L1.
        contraction: weight of the penalty on how far the representation moves with what is shown: the squared Frobenius
            norm of its Jacobian, estimated along one random direction for each example, beside an error that is summed
            over the values of an example; 0: none.
    """

    noise: float = 0.5
    noise_kind: Noise = "masking"
    emphasis: float = 1.0
    error: Error = "auto"
    tied: bool = False

    def unused(self, kind: Kind) -> Mapping[str, str]:
        """What makes no difference, each with what it is for."""
        idle = {} if self.noise else dict.fromkeys(("noise_kind", "emphasis"), "noise above 0")
        return {**idle, **self.unused_weights()}


def learner(trunk: keras.Model, sample: Sample, settings: Settings, seed: int) -> Learner:
    """The trunk below a decoder, fed with noise."""
    below = tied_decoder(trunk, sample.shape) if settings.tied else decoder(trunk, sample.shape, seed)
    error, paid = errors(require_error(settings.error, sample)), Penalties.of(settings, trunk)
    disturbed = Disturbed.of(settings.noise_kind, settings.noise, sample)
    ops: Any = keras.ops

    def draw(rows: Rows, indices: Array, random: np.random.Generator, progress: float) -> Batch:
        x = rows.take(indices)
        return x, disturbed.put_on(x, random), *paid.directions(x, random)

    def loss(model: keras.Model, batch: tuple[Any, ...], training: bool) -> Any:
        x, shown, *directions = batch
        represented: Any = trunk(shown, training=training)
        each = error(below(represented, training=training), x)
        if settings.emphasis != 1:
            each = each * ops.where(ops.not_equal(x, shown), settings.emphasis, 1.0)
        return ops.mean(each) + paid.on(trunk, shown, represented, tuple(directions), training)

    return Learner(model=stacked(trunk, below, name="denoising_autoencoder"), trunk=trunk, draw=draw, loss=loss)
