"""Barlow Twins: two views of an example are to be described alike, and no two numbers of a description to say the same.

Zbontar, Jing, Misra, LeCun and Deny 2021. It needs neither labels nor negative pairs, nor large batches.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from regraft.core.checks import require
from regraft.core.pretraining import Kind, Spec
from regraft.pretraining.corrupting.choosing import column_of_place
from regraft.pretraining.heads import dense, vector
from regraft.pretraining.learner import Array, Batch, Learner, Rows, Sample
from regraft.pretraining.views import cells, pictures

NAME = "barlow-twins"
KINDS: tuple[Kind, ...] = ("pictures", "numbers", "table")
LABELS = False
GROUPS = False
GREEDY = False
ARCHITECTURES: Mapping[Kind, str] = {}
SPEC = Spec(epochs=60, batch_size=256, rate=3e-3)

_SMALL = 1e-5
_OF_PICTURES = ("turn", "scale", "shift", "slant", "contrast", "erase", "mirror")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set.

    Attributes:
        width: of the description, above the trunk.
        redundancy: how much it counts that two numbers of a description say the same.
        turn: pictures: degrees by which a view is turned, at most.
        scale: pictures: part of the size.
        shift: pictures: part of height and width.
        slant: pictures: how far a column leans over, as part of the height.
        contrast: pictures: part by which contrast differs.
        erase: pictures: share of the area over which another place of the picture is put.
        mirror: pictures: whether half of the views are mirrored.
        cells: numbers and tables: share of the cells that come from other rows.
        noise: standard deviation of noise, as part of the data's own.
    """

    width: int = 256
    redundancy: float = 0.01
    turn: float = 20.0
    scale: float = 0.2
    shift: float = 0.1
    slant: float = 0.2
    contrast: float = 0.2
    erase: float = 0.05
    mirror: bool = False
    cells: float = 0.3
    noise: float = 0.2

    def __post_init__(self) -> None:
        """Refuse what no view or loss can have.

        Raises:
            RequestError: one of them, named, with what is allowed.
        """
        require(
            self,
            ("width", "as 2 or more", self.width >= 2),
            ("redundancy", "above 0", 0 < self.redundancy < float("inf")),
            ("turn", "from 0 to 180", 0 <= self.turn <= 180),
            ("scale", "from 0 to below 1", 0 <= self.scale < 1),
            ("shift", "from 0 to below 1", 0 <= self.shift < 1),
            ("slant", "from 0 to below 1", 0 <= self.slant < 1),
            ("contrast", "from 0 to below 1", 0 <= self.contrast < 1),
            ("erase", "from 0 to below 1", 0 <= self.erase < 1),
            ("cells", "from 0 to 1", 0 <= self.cells <= 1),
            ("noise", "as 0 or above", 0 <= self.noise < float("inf")),
        )

    @property
    def in_views(self) -> bool:
        """Whether pictures are seen in views."""
        return True

    def unused(self, kind: Kind) -> Mapping[str, str]:
        """What makes no difference, each with what it is for."""
        return {"cells": "numbers and tables"} if kind == "pictures" else dict.fromkeys(_OF_PICTURES, "pictures")

    @property
    def changes(self) -> pictures.Changes:
        """What a view of a picture may be changed by."""
        return pictures.Changes(
            turn=self.turn,
            scale=self.scale,
            shift=self.shift,
            slant=self.slant,
            contrast=self.contrast,
            noise=self.noise,
            erase=self.erase,
            mirror=self.mirror,
        )


def learner(trunk: keras.Model, sample: Sample, settings: Settings, seed: int) -> Learner:
    """The trunk below a network that describes."""
    model = _model(trunk, settings, seed)
    columns = None if sample.kind == "pictures" else column_of_place(sample)

    def view(x: Array, random: np.random.Generator) -> Array:
        if columns is None:
            return pictures.view(x, settings.changes, random)
        return cells.view(x, settings.cells, settings.noise, random, columns)

    def draw(rows: Rows, indices: Array, random: np.random.Generator, progress: float) -> Batch:
        x = rows.take(indices)
        return view(x, random), view(x, random)

    def loss(model: keras.Model, batch: tuple[Any, ...], training: bool) -> Any:
        one, other = (model(each, training=training) for each in batch)
        return twins(one, other, settings.redundancy)

    return Learner(model=model, trunk=trunk, draw=draw, loss=loss, measures={"agreement": _agreement})


def _model(trunk: keras.Model, settings: Settings, seed: int) -> keras.Model:
    """Input -> description."""
    x: Any = vector(trunk.output)
    for number in (1, 2):
        x = dense(x, settings.width, f"describe{number}", seed, bias=False)
        # Of views that come in hundreds, not of a whole data set: the average follows sooner than Keras has it.
        x = keras.layers.BatchNormalization(momentum=0.9, name=f"pretraining_norm{number}")(x)
        x = keras.layers.ReLU(name=f"pretraining_relu{number}")(x)
    return keras.Model(trunk.input, dense(x, settings.width, "description", seed), name="barlow_twins")


def twins(one: Any, other: Any, redundancy: float) -> Any:
    """How far the correlations of two descriptions are from the identity, per number: two of (n, d) -> ()."""
    ops: Any = keras.ops
    count = ops.cast(ops.shape(one)[0], one.dtype)
    correlation = ops.matmul(ops.transpose(_standard(one)), _standard(other)) / count
    diagonal = ops.diagonal(correlation)
    apart = ops.sum(ops.square(1 - diagonal))
    alike = ops.sum(ops.square(correlation)) - ops.sum(ops.square(diagonal))
    return (apart + redundancy * alike) / one.shape[-1]


def _standard(x: Any) -> Any:
    ops: Any = keras.ops
    centred = x - ops.mean(x, axis=0, keepdims=True)
    return centred / ops.sqrt(ops.mean(ops.square(centred), axis=0, keepdims=True) + _SMALL)


def _agreement(model: Any, batch: tuple[Any, ...]) -> Any:
    """The mean correlation of the two descriptions, number by number."""
    one, other = (_standard(model(each, training=False)) for each in batch)
    ops: Any = keras.ops
    return ops.mean(one * other)
