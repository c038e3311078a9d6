"""Max margin: a network gives every example a score, one that is better than another a higher one, by a margin."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np

from regraft.core.checks import require
from regraft.core.errors import DataError
from regraft.core.pretraining import Kind, Spec
from regraft.pretraining import losses
from regraft.pretraining.corrupting import choosing
from regraft.pretraining.corrupting.words import How
from regraft.pretraining.heads import dense, vector
from regraft.pretraining.learner import Array, Batch, Learner, Rows, Sample
from regraft.pretraining.pair_sampling import Samplers
from regraft.pretraining.strength import Course, Strength

NAME = "ranking"
KINDS: tuple[Kind, ...] = ("pictures", "numbers", "text", "table")
LABELS = False
GROUPS = False
GREEDY = False
ARCHITECTURES: Mapping[Kind, str] = {}
SPEC = Spec()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set.

    Attributes:
        by: what is above what: `corrupted`: each example above a copy in which something was exchanged; `labels`: an
            example of a later class above one of an earlier class; `pairs`: as pairs of examples say, which is taken
            where they are given.
        margin: by how much.
        words: text: `replace` them by words of other texts, `swap` them, or `either`.
        strength: the share of an example that is exchanged in the beginning.
        last_strength: and in the end; less is harder to find.
        course: how the strength goes from one to the other: `linear`, `cosine`, or `constant`, it stays.
    """

    by: Literal["corrupted", "labels", "pairs"] = "corrupted"
    margin: float = 1.0
    words: How = "either"
    strength: float = 0.4
    last_strength: float = 0.15
    course: Course = "linear"

    def __post_init__(self) -> None:
        """Refuse what no loss can have.

        Raises:
            RequestError: a figure is out of range.
        """
        Strength(self.strength, self.last_strength, self.course)
        require(self, ("margin", "above 0", 0 < self.margin < float("inf")))

    @property
    def needs_labels(self) -> bool:
        """Whether labels say what is above what."""
        return self.by == "labels"

    @property
    def needs_pairs(self) -> bool:
        """Whether pairs of examples say what is above what."""
        return self.by == "pairs"

    def unused(self, kind: Kind) -> Mapping[str, str]:
        """What makes no difference, each with what it is for."""
        if self.by != "corrupted":
            return dict.fromkeys(("words", "strength", "last_strength", "course"), "by=corrupted")
        return choosing.unused(kind, self.course)


def learner(trunk: keras.Model, sample: Sample, settings: Settings, seed: int) -> Learner:
    """The trunk below a score."""
    # A number that is added to every score makes no difference.
    score = dense(vector(trunk.output), 1, "score", seed, bias=False)
    model: Any = keras.Model(trunk.input, score, name="ranking")

    def loss(model: keras.Model, batch: tuple[Any, ...], training: bool) -> Any:
        ops: Any = keras.ops
        better, worse, counted = batch
        scores: Any = model(ops.concatenate([better, worse]), training=training)
        above, below = ops.split(scores[:, 0], 2)
        return losses.mean_where(ops.maximum(settings.margin - (above - below), 0.0), counted)

    turns = _pairs if settings.by == "pairs" else len
    draw = _drawing(sample, settings)
    return Learner(model=model, trunk=trunk, draw=draw, loss=loss, measures={"ordered": _ordered}, turns=turns)


def _drawing(sample: Sample, settings: Settings) -> Any:
    if settings.by == "pairs":
        return _by_pairs
    if settings.by == "labels":
        return _by_labels(sample)
    return _by_corruption(choosing.corrupter(sample, settings.words), settings)


def _by_corruption(corrupt: choosing.Corrupt, settings: Settings) -> Any:
    strength = Strength(settings.strength, settings.last_strength, settings.course)

    def draw(rows: Rows, indices: Array, random: np.random.Generator, progress: float) -> Batch:
        good = rows.take(indices)
        made = corrupt(good, strength.at(progress), random)
        return good, made.x, made.bad.astype(np.float32)

    return draw


def _by_labels(sample: Sample) -> Any:
    if sample.labels is None:
        raise DataError("expected labels for 'by = labels', found none; name a column of labels, or say by=corrupted")
    samplers = Samplers("labels", alike=False)

    def draw(rows: Rows, indices: Array, random: np.random.Generator, progress: float) -> Batch:
        sampler, labels = samplers.of(rows)
        pairs = sampler.pairs(indices, random, same=0.0)
        first_is_better = labels[pairs.first] > labels[pairs.second]
        better = np.where(first_is_better, pairs.first, pairs.second)
        worse = np.where(first_is_better, pairs.second, pairs.first)
        return rows.take(better), rows.take(worse), np.ones(len(better), np.float32)

    return draw


def _by_pairs(rows: Rows, indices: Array, random: np.random.Generator, progress: float) -> Batch:
    """The pairs whose turn it is: nothing is left to chance but their order."""
    above, below = _stated(rows)[indices].T
    return rows.take(above), rows.take(below), np.ones(len(indices), np.float32)


def _pairs(rows: Rows) -> int:
    return len(_stated(rows))


def _stated(rows: Rows) -> Array:
    if rows.pairs is None:
        raise DataError("expected pairs of examples for 'by = pairs', found none; give them, or say by=corrupted")
    return rows.pairs


def _ordered(model: Any, batch: tuple[Any, ...]) -> Any:
    """The share of pairs whose better one has the higher score; 0.5 where there is none."""
    ops: Any = keras.ops
    better, worse, counted = batch
    above, below = (model(item, training=False)[:, 0] for item in (better, worse))
    right = losses.mean_where(ops.cast(above > below, "float32"), counted)
    return ops.where(ops.sum(counted) > 0, right, 0.5)
