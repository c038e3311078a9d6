"""Stacked autoencoder: each layer learns to give back what it is given, one after the other; then all at once."""

from collections.abc import Mapping, Sequence
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

NAME = "stacked-autoencoder"
KINDS: tuple[Kind, ...] = ("pictures", "numbers", "table")
LABELS = False
GROUPS = False
GREEDY = True
ARCHITECTURES: Mapping[Kind, str] = {"pictures": "mlp"}
SPEC = Spec(epochs=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Penalised):
    """What can be set.

    Attributes:
        noise: put on what each layer is shown, as for the denoising autoencoder; 0: none.
        noise_kind: `gaussian`, `masking` or `salt-and-pepper`.
        error: of what the first layer, and all of them, give back: `squared`, or `cross-entropy` for values from 0 to
            1; `auto`: by the values. Layers above the first have squared error.
        tied: whether decoders have the kernels of the dense layers, transposed.
        together: whether all layers learn at once in the end.
        sparsity: weight of the penalty on the size of the values that each layer makes (L1); of the topmost
            alone where all learn at once; 0: none.
        target: with `sparsity`, and a representation by sigmoids: the mean that each value is drawn to (Kullback and
            Leibler's divergence) in place of L1; 0: L1.
        contraction: weight of the penalty on how far the representation moves with what is shown: the squared Frobenius
            norm of its Jacobian, estimated along one random direction for each example, beside an error that is summed
            over the values of an example; 0: none.
    """

    noise: float = 0.2
    noise_kind: Noise = "masking"
    error: Error = "auto"
    tied: bool = False
    together: bool = True

    def unused(self, kind: Kind) -> Mapping[str, str]:
        """What makes no difference, each with what it is for."""
        return {**({} if self.noise else {"noise_kind": "noise above 0"}), **self.unused_weights()}


def learner(trunk: keras.Model, sample: Sample, settings: Settings, seed: int) -> Learner:
    """One stage below a decoder of its own."""
    crossed = sample.stage == 0 and require_error(settings.error, sample)
    return _learner(trunk, _decoder(trunk, sample, settings, seed), sample, settings, crossed)


def whole(
    trunk: keras.Model, stages: Sequence[Learner], sample: Sample, settings: Settings, seed: int
) -> Learner | None:
    """All layers below the decoders of all stages, from the highest downwards."""
    if not settings.together:
        return None
    decoders = stacked(*(stage.model.layers[-1] for stage in reversed(stages)), name="decoders")
    return _learner(trunk, decoders, sample, settings, require_error(settings.error, sample))


def _decoder(trunk: keras.Model, sample: Sample, settings: Settings, seed: int) -> keras.Model:
    name = f"decoder{sample.stage + 1}"
    return tied_decoder(trunk, sample.shape, name) if settings.tied else decoder(trunk, sample.shape, seed, name)


def _learner(trunk: keras.Model, below: keras.Model, sample: Sample, settings: Settings, crossed: bool) -> Learner:
    error, disturbed = errors(crossed), Disturbed.of(settings.noise_kind, settings.noise, sample)
    paid = Penalties.of(settings, trunk)
    ops: Any = keras.ops

    def draw(rows: Rows, indices: Array, random: np.random.Generator, progress: float) -> Batch:
        x = rows.take(indices)
        return x, disturbed.put_on(x, random), *paid.directions(x, random)

    def loss(model: keras.Model, batch: tuple[Any, ...], training: bool) -> Any:
        x, shown, *directions = batch
        represented: Any = trunk(shown, training=training)
        each = error(below(represented, training=training), x)
        return ops.mean(each) + paid.on(trunk, shown, represented, tuple(directions), training)

    return Learner(model=stacked(trunk, below, name="stacked_autoencoder"), trunk=trunk, draw=draw, loss=loss)
