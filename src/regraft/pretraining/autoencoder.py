"""Autoencoder: a network learns to give back its input from its own representation of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import keras
import numpy as np

from regraft.core.pretraining import Kind, Spec
from regraft.pretraining.learner import Array, Batch, Learner, Rows, Sample

NAME = "autoencoder"
KINDS: tuple[Kind, ...] = ("pictures", "numbers", "table")
LABELS = False
GREEDY = False
ARCHITECTURES: Mapping[Kind, str] = {}
SPEC = Spec()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set.

    Attributes:
        loss: `squared` error or `cross-entropy` (for values from 0 to 1); `auto`: by the values.
    """

    loss: Literal["auto", "squared", "cross-entropy"] = "auto"


def learner(trunk: keras.Model, sample: Sample, settings: Settings, seed: int) -> Learner:
    """The trunk below a decoder."""
    crossed = sample.is_unit if settings.loss == "auto" else settings.loss == "cross-entropy"
    flat = keras.layers.Flatten(name="flat")(trunk.output)
    start: Any = keras.initializers.GlorotUniform(seed)
    made = keras.layers.Dense(prod(sample.shape), name="decoder", kernel_initializer=start)(flat)
    model = keras.Model(trunk.input, keras.layers.Reshape(sample.shape, name="given_back")(made), name="autoencoder")

    def draw(rows: Rows, indices: Array, random: np.random.Generator, progress: float) -> Batch:
        return (rows.take(indices),)

    def loss(model: keras.Model, batch: tuple[Any, ...], training: bool) -> Any:
        ops: Any = keras.ops
        (x,) = batch
        out: Any = model(x, training=training)
        if crossed:
            return ops.mean(ops.maximum(out, 0.0) - out * x + ops.log1p(ops.exp(-ops.abs(out))))
        return ops.mean(ops.square(out - x))

    return Learner(model=model, trunk=trunk, draw=draw, loss=loss)
