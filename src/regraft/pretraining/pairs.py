"""Same or different: one network looks at two examples, and what it makes of them says whether they belong together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np

from regraft.core.checks import require
from regraft.core.errors import DataError
from regraft.core.pretraining import Kind, Spec
from regraft.pretraining import losses
from regraft.pretraining.heads import dense, unit, vector
from regraft.pretraining.learner import Array, Batch, Learner, Rows, Sample
from regraft.pretraining.pair_sampling import HOW, Samplers
from regraft.pretraining.views import pictures

NAME = "pairs"
KINDS: tuple[Kind, ...] = ("pictures", "numbers", "text", "table")
LABELS = True
GROUPS = True
GREEDY = False
ARCHITECTURES: Mapping[Kind, str] = {}
SPEC = Spec()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set.

    Attributes:
        loss: `same`: a small network above both tells whether they are of one group; `contrastive`: those of one group
            are drawn together, others pushed apart up to the margin; `triplet`: another of the group is to be nearer
            than one of another group, by the margin.
        margin: of `contrastive` (a distance) and `triplet` (of squared distances) on the unit sphere, below 2.
        same: the share of pairs of one group.
        hard: how much of the loss is of the hardest pairs of each batch in the end; it rises from 0 with progress.
        hidden: units of the small network of `same`.
        width: of the vectors that `contrastive` and `triplet` compare, above the trunk.
        views: pictures: each is seen anew every time, turned by up to this many times 15 degrees, scaled, moved and
            slanted as much; 0: as it is.
    """

    loss: Literal["same", "contrastive", "triplet"] = "triplet"
    margin: float = 0.5
    same: float = 0.5
    hard: float = 0.5
    hidden: int = 32
    width: int = 64
    views: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what no loss can have.

        Raises:
            RequestError: one of them, named, with what is allowed.
        """
        require(
            self,
            ("margin", "above 0 and below 2", 0 < self.margin < 2),
            ("same", "above 0 and below 1", 0 < self.same < 1),
            ("hard", "from 0 to 1", 0 <= self.hard <= 1),
            ("hidden", "as 1 or more", self.hidden >= 1),
            ("width", "as 2 or more", self.width >= 2),
            ("views", "from 0 to 5", 0 <= self.views <= 5),
        )

    @property
    def in_views(self) -> bool:
        """Whether pictures are seen in views."""
        return self.views > 0

    def unused(self, kind: Kind) -> Mapping[str, str]:
        """What makes no difference, each with what it is for."""
        found = {} if kind == "pictures" else {"views": "pictures"}
        if self.loss == "same":
            return found | dict.fromkeys(("margin", "width"), "loss=contrastive or loss=triplet")
        found |= {"hidden": "loss=same"}
        return found if self.loss == "contrastive" else found | {"same": "loss=same or loss=contrastive"}


def learner(trunk: keras.Model, sample: Sample, settings: Settings, seed: int) -> Learner:
    """The trunk in two places, and what compares its answers."""
    if sample.groups is None and sample.labels is None:
        raise DataError(f"expected labels or groups for pairs, found neither{HOW}")
    model = _two_towers(trunk, settings, seed) if settings.loss == "same" else _one_tower(trunk, settings, seed)
    samplers = Samplers("groups")
    changes = pictures.by(settings.views)

    def view(x: Array, random: np.random.Generator) -> Array:
        return pictures.view(x, changes, random) if sample.kind == "pictures" and settings.views else x

    def draw(rows: Rows, indices: Array, random: np.random.Generator, progress: float) -> Batch:
        sampler, groups = samplers.of(rows)
        if settings.loss == "triplet":
            drawn = sampler.triplets(indices, random)
        else:
            pairs = sampler.pairs(indices, random, settings.same)
            drawn = pairs.first, pairs.second
        seen = [view(rows.take(each), random) for each in drawn]
        hard = np.asarray(settings.hard * progress, np.float32)
        return (*(part for x, each in zip(seen, drawn, strict=True) for part in (x, groups[each], each)), hard)

    return Learner(
        model=model,
        trunk=trunk,
        draw=draw,
        loss=lambda model, batch, training: _loss(model, batch, training, settings),
        measures={"accuracy": lambda model, batch: _accuracy(model, batch, settings)},
    )


def _one_tower(trunk: keras.Model, settings: Settings, seed: int) -> keras.Model:
    """Input -> unit vector."""
    made = dense(vector(trunk.output), settings.width, "projection", seed)
    return keras.Model(trunk.input, unit(made), name="pairs")


def _two_towers(trunk: keras.Model, settings: Settings, seed: int) -> keras.Model:
    """Two inputs -> (logit that they are of one group, the vector of each); one network makes both vectors."""
    tower: Any = keras.Model(trunk.input, vector(trunk.output), name="tower")
    width = int(tower.output.shape[-1])
    one: Any = keras.Input((width,))
    other: Any = keras.Input((width,))
    # What does not depend on which of the two comes first.
    apart: Any = keras.layers.Concatenate(name="apart")([keras.ops.abs(one - other), one * other])
    apart = dense(dense(apart, settings.hidden, "compare", seed, "elu"), 1, "same", seed)
    comparison: Any = keras.Model([one, other], keras.ops.squeeze(apart, -1), name="comparison")
    given: Any = trunk.input
    inputs = [keras.Input(given.shape[1:], dtype=given.dtype, name=name) for name in ("first", "second")]
    return keras.Model(inputs, comparison([tower(each) for each in inputs]), name="pairs")


def _loss(model: keras.Model, batch: tuple[Any, ...], training: bool, settings: Settings) -> Any:
    """Of the pairs as they were drawn, and of the hardest among all that the batch holds."""
    ops: Any = keras.ops
    *drawn, hard = batch
    parts = len(drawn) // 3
    vectors = _tower(model)(ops.concatenate(drawn[::3]), training=training)
    groups, rows = ops.concatenate(drawn[1::3]), ops.concatenate(drawn[2::3])
    each = ops.split(vectors, parts)
    if settings.loss == "triplet":
        plain = losses.triplet(losses.squared(each[0], each[1]), losses.squared(each[0], each[2]), settings.margin)
    else:
        same = ops.cast(drawn[1] == drawn[4], "float32")
        plain = _of_pairs(model, each[0], each[1], same, settings, training)
    value = ops.mean(plain)
    # Epochs are compared by pairs as they come: how hard the hardest are changes with what the network has learnt.
    if not (settings.hard and training):
        return value
    hard = ops.mean(hard)
    return (1 - hard) * value + hard * _hardest(model, vectors, groups, rows, settings, training)


def _hardest(model: keras.Model, vectors: Any, groups: Any, rows: Any, settings: Settings, training: bool) -> Any:
    ops: Any = keras.ops
    found = losses.hardest(vectors, groups, rows)
    alike, unlike = ops.take(vectors, found.alike, axis=0), ops.take(vectors, found.unlike, axis=0)
    if settings.loss == "triplet":
        each = losses.triplet(losses.squared(vectors, alike), losses.squared(vectors, unlike), settings.margin)
        return losses.mean_where(each, found.has_alike * found.has_unlike)
    near = _of_pairs(model, vectors, alike, found.has_alike * 0 + 1, settings, training)
    far = _of_pairs(model, vectors, unlike, found.has_unlike * 0, settings, training)
    return settings.same * losses.mean_where(near, found.has_alike) + (1 - settings.same) * losses.mean_where(
        far, found.has_unlike
    )


def _of_pairs(model: Any, one: Any, other: Any, same: Any, settings: Settings, training: bool) -> Any:
    if settings.loss == "contrastive":
        return losses.contrastive(losses.squared(one, other), same, settings.margin)
    return losses.binary(model.get_layer("comparison")([one, other], training=training), same)


def _tower(model: Any) -> Any:
    return model.get_layer("tower") if len(model.inputs) == 2 else model


def _accuracy(model: Any, batch: tuple[Any, ...], settings: Settings) -> Any:
    """The share of pairs, or triplets, that are told rightly."""
    ops: Any = keras.ops
    vectors = [_tower(model)(item, training=False) for item in batch[:-1:3]]
    near = losses.squared(vectors[0], vectors[1])
    if settings.loss == "triplet":
        right = near < losses.squared(vectors[0], vectors[2])
    else:
        told = (
            near < (settings.margin / 2) ** 2
            if settings.loss == "contrastive"
            else model.get_layer("comparison")(vectors, training=False) > 0
        )
        right = told == (batch[1] == batch[4])
    return ops.mean(ops.cast(right, "float32"))
