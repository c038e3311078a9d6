"""Good or corrupted: a network learns to tell examples from copies in which something was exchanged, and where."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np

from regraft.core.pretraining import Kind, Spec
from regraft.pretraining import losses, places
from regraft.pretraining.corrupting import choosing
from regraft.pretraining.corrupting.words import How
from regraft.pretraining.heads import dense, vector
from regraft.pretraining.learner import Array, Batch, Learner, Rows, Sample
from regraft.pretraining.strength import Course, Strength

NAME = "corrupted"
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
        detect: `whole`: whether an example was corrupted; `positions`: which of its words, cells or places; or `both`.
        words: text: `replace` them by words of other texts, `swap` them, or `either`.
        strength: the share of an example that is exchanged in the beginning.
        last_strength: and in the end; less is harder to find.
        course: how the strength goes from one to the other: `linear`, `cosine`, or `constant`, it stays.
    """

    detect: Literal["whole", "positions", "both"] = "both"
    words: How = "either"
    strength: float = 0.4
    last_strength: float = 0.15
    course: Course = "linear"

    def __post_init__(self) -> None:
        """Refuse strengths out of range.

        Raises:
            RequestError: one of them, named.
        """
        Strength(self.strength, self.last_strength, self.course)

    def unused(self, kind: Kind) -> Mapping[str, str]:
        """What makes no difference, each with what it is for."""
        return choosing.unused(kind, self.course)


def learner(trunk: keras.Model, sample: Sample, settings: Settings, seed: int) -> Learner:
    """The trunk below a head that tells good from corrupted, and one that tells where."""
    corrupt = choosing.corrupter(sample, settings.words)
    strength = Strength(settings.strength, settings.last_strength, settings.course)
    model = _model(trunk, sample, settings, seed)
    shape = tuple(model.outputs[-1].shape[1:-1]) if settings.detect != "whole" else ()
    shape = shape if None not in shape else sample.shape[:1]

    def draw(rows: Rows, indices: Array, random: np.random.Generator, progress: float) -> Batch:
        good = rows.take(indices)
        made = corrupt(good, strength.at(progress), random)
        return good, made.x, made.bad.astype(np.float32), places.targets(made.where, shape)

    def loss(model: keras.Model, batch: tuple[Any, ...], training: bool) -> Any:
        return _loss(model, batch, training, settings, sample.kind == "text")

    return Learner(model=model, trunk=trunk, draw=draw, loss=loss, measures=_measures(settings, sample.kind == "text"))


def _model(trunk: keras.Model, sample: Sample, settings: Settings, seed: int) -> keras.Model:
    """Input -> the logits that were asked for, the whole example's first."""
    outputs: list[Any] = []
    if settings.detect != "positions":
        outputs.append(dense(vector(trunk.output), 1, "whole", seed))
    if settings.detect != "whole":
        outputs.append(places.logits(trunk, sample, seed))
    return keras.Model(trunk.input, outputs, name="corrupted")


def _loss(model: Any, batch: tuple[Any, ...], training: bool, settings: Settings, text: bool) -> Any:
    """The mean of what was asked for: over good and corrupted examples alike."""
    ops: Any = keras.ops
    good, made, bad, where = batch
    x = ops.concatenate([good, made])
    told = _told(model(x, training=training))
    value: Any = 0.0
    if settings.detect != "positions":
        value = value + ops.mean(losses.binary(told[0], ops.concatenate([ops.zeros_like(bad), bad])))
    if settings.detect != "whole":
        each = losses.binary(told[-1], ops.concatenate([ops.zeros_like(where), where]))
        words = ops.cast(x != 0, "float32") if text else ops.ones_like(each)
        value = value + losses.mean_where(each, words)
    return value


def _told(outputs: Any) -> list[Any]:
    return [item[..., 0] for item in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]


def _measures(settings: Settings, text: bool) -> Mapping[str, Any]:
    """The share of examples told rightly, and how well corrupted places are ranked above others (area under ROC)."""
    ops: Any = keras.ops

    def accuracy(model: Any, batch: tuple[Any, ...]) -> Any:
        good, made, bad, _ = batch
        right = (_told(model(ops.concatenate([good, made]), training=False))[0] > 0) == _after_good(bad > 0)
        return ops.mean(ops.cast(right, "float32"))

    def found(model: Any, batch: tuple[Any, ...]) -> Any:
        good, made, _, where = batch
        x, corrupted = ops.concatenate([good, made]), _after_good(where >= 0.5)
        counted = x != 0 if text else ops.ones_like(corrupted)
        return area(_told(model(x, training=False))[-1], corrupted, counted)

    told: dict[str, Any] = {"accuracy": accuracy} if settings.detect != "positions" else {}
    return told | ({"positions": found} if settings.detect != "whole" else {})


def _after_good(bad: Any) -> Any:
    """What is told of the corrupted examples, after as much for the good ones, of which nothing is true."""
    ops: Any = keras.ops
    return ops.concatenate([ops.zeros_like(bad), bad])


def area(scores: Any, true: Any, counted: Any) -> Any:
    """How often a true one is scored above another, ties counted by half: the area under the ROC curve.

    0.5 where there is but one kind. All three are tensors of one shape, the last two bool: what is not counted is
    neither.
    """
    ops: Any = keras.ops
    scores, true, counted = (ops.reshape(item, (-1,)) for item in (scores, true, counted))
    those, others = (ops.cast(ops.logical_and(counted, kind), "float32") for kind in (true, ops.logical_not(true)))
    order = ops.argsort(scores)
    ascending = ops.take(scores, order)
    # How many of the others are among the so many lowest.
    lowest = ops.concatenate([ops.zeros((1,)), ops.cumsum(ops.take(others, order))])
    below, not_above = (ops.take(lowest, ops.searchsorted(ascending, scores, side)) for side in ("left", "right"))
    pairs = ops.sum(those) * ops.sum(others)
    return ops.where(pairs > 0, ops.sum(those * (below + not_above)) / ops.maximum(2 * pairs, 1.0), 0.5)
