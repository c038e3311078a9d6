"""What the sources that are trained here learn from: never from a picture that a target has."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import digits
from benchmarks.pretraining import digit_pairs
from benchmarks.ranking import networks, targets
from benchmarks.ranking.targets import TARGETS, Array

BATCH, EPOCHS, RATE = 128, 8, 1e-3
# Splits of a target of digits that the source does not see a picture of.
SPLITS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """Pictures float32 (n, height, width, channels) from 0 to 255, their labels, and how many epochs."""

    x: Array
    y: Array
    epochs: int = EPOCHS


def mnist() -> Lesson:
    """Digits of 28 x 28 of which no split has one."""
    x, y = digits.pool()
    rows = _unseen(y, "mnist")
    return Lesson(255 * x[rows].reshape(-1, 28, 28, 1), y[rows])


def usps() -> Lesson:
    """Digits from envelopes that no split learns from, enlarged to 28 x 28."""
    (x, y), _ = targets.usps_digits()
    rows = _unseen(y, "usps")
    return Lesson(_resized(255 * x[rows], 28), y[rows])


def coarse_digits() -> Lesson:
    """The 8 x 8 digits that come with scikit-learn, enlarged to 28 x 28."""
    from sklearn.datasets import load_digits

    found: Any = load_digits()
    x = np.asarray(found.images, np.float32)[..., None] * (255 / 16)
    return Lesson(_resized(x, 28), np.asarray(found.target, np.int64), 16)


def characters() -> Lesson:
    """Characters of the alphabets that the target has not."""
    x, alphabet, character = digit_pairs.drawings()
    others = ~np.isin(alphabet, targets.ALPHABETS)
    return Lesson(255 * x[others], np.unique(character[others], return_inverse=True)[1], 30)


def shuffled() -> Lesson:
    """Digits with labels that are not theirs: what is learnt by heart."""
    given = mnist()
    return Lesson(given.x, np.random.default_rng(0).permutation(given.y), 20)


def noise() -> Lesson:
    """Pictures of noise in ten classes that mean nothing."""
    random = np.random.default_rng(0)
    return Lesson(random.uniform(0, 255, (4000, 28, 28, 1)).astype(np.float32), random.integers(0, 10, 4000), 20)


def shapes() -> Lesson:
    """Ten shapes and textures in colours, drawn anew: 48 x 48 x 3."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, 6000)
    return Lesson(np.stack([_drawn(int(label), random) for label in labels]), labels, 6)


def _drawn(label: int, random: np.random.Generator, side: int = 48) -> Array:
    """One picture: a shape or a texture, its place, size, direction and colours at random."""
    down, right = np.mgrid[:side, :side] - random.uniform(0.35, 0.65, (2, 1, 1)) * side
    angle, size = random.uniform(0, np.pi), random.uniform(0.15, 0.35) * side
    u, v = np.cos(angle) * right + np.sin(angle) * down, np.cos(angle) * down - np.sin(angle) * right
    far, wave = np.hypot(u, v), 2 * np.pi / random.uniform(5, 12)
    inside = (
        far < size,
        np.maximum(abs(u), abs(v)) < size,
        np.maximum(2 * abs(u) + v, -2 * v) < size,
        (far < size) & (far > 0.6 * size),
        np.minimum(abs(u), abs(v)) < size / 4,
        np.hypot(u, 2.5 * v) < size,
        np.sin(wave * u) > 0,
        np.sin(wave * u) * np.sin(wave * v) > 0,
        np.sin(wave * far) > 0,
        random.normal(size=(side, side)) > 0,
    )[label]
    colours = random.uniform(0, 255, (2, 3))
    return np.clip(np.where(inside[..., None], *colours) + random.normal(0, 12, (side, side, 3)), 0, 255).astype(
        np.float32
    )


def trained(lesson: Callable[[], Lesson], epochs: int | None = None) -> Any:
    """The small network after a lesson, at a rate that falls.

    Args:
        lesson: what it learns from.
        epochs: how often, where that is not to be the lesson's own.
    """
    import keras

    given = lesson()
    model = networks.small(given.x.shape[1:], int(given.y.max()) + 1, seed=0)
    often = given.epochs if epochs is None else epochs
    falling: Any = keras.optimizers.schedules.CosineDecay(RATE, max(1, often * -(-len(given.x) // BATCH)))
    model.compile(keras.optimizers.Adam(falling), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(given.x, given.y, batch_size=BATCH, epochs=often, verbose=0)
    return model


def _unseen(labels: Array, name: str) -> Array:
    """Rows that no split of a target has among those it learns from or is judged by."""
    seen = [targets.divided(labels, TARGETS[name].learn, split) for split in range(SPLITS)]
    if name == "usps":
        # It is judged by the other part of its data set.
        return np.setdiff1d(np.arange(len(labels)), np.concatenate([train for train, _ in seen]))
    return np.setdiff1d(np.arange(len(labels)), np.concatenate([np.concatenate(parts) for parts in seen]))


def _resized(x: Array, side: int) -> Array:
    import keras

    return np.asarray(keras.ops.convert_to_numpy(keras.ops.image.resize(x, (side, side), interpolation="bilinear")))
