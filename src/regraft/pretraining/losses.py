"""Losses of comparing and of telling apart, in `keras.ops` alone: means over the batch, the same on every backend."""

from dataclasses import dataclass
from typing import Any

import keras

Tensor = Any

# Below a squared distance of this a root has no gradient that can be used.
_NEAR = 1e-12
_FAR = 1e9


def binary(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of each logit with a target from 0 to 1, without overflow: the shape that is given."""
    ops: Any = keras.ops
    return ops.maximum(logits, 0.0) - logits * targets + ops.log1p(ops.exp(-ops.abs(logits)))


def squared(one: Tensor, other: Tensor) -> Tensor:
    """Squared Euclidean distance of vectors, pair by pair: (m, d) twice -> (m,)."""
    ops: Any = keras.ops
    return ops.sum(ops.square(one - other), axis=-1)


def contrastive(distance: Tensor, same: Tensor, margin: float) -> Tensor:
    """Pairs of one group are drawn together, others pushed apart up to a margin: (m,).

    Hadsell, Chopra and LeCun 2006, without their factors of a half.

    Args:
        distance: squared, (m,).
        same: 1 or 0, (m,).
        margin: the distance, not squared, from which pairs of two groups are left alone.
    """
    ops: Any = keras.ops
    apart = ops.maximum(margin - ops.sqrt(ops.maximum(distance, _NEAR)), 0.0)
    return same * distance + (1 - same) * ops.square(apart)


def triplet(near: Tensor, far: Tensor, margin: float) -> Tensor:
    """Another of the group is to be nearer than one of another group, by a margin: squared distances (m,) -> (m,).

    Schroff, Kalenichenko and Philbin 2015.
    """
    ops: Any = keras.ops
    return ops.maximum(near - far + margin, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Hardest:
    """For each example of a batch the other that is hardest to get right.

    Attributes:
        alike: int32 (b,), the farthest of its group.
        has_alike: 1.0 where the batch holds another of its group, else 0.0, (b,).
        unlike: int32 (b,), the nearest of another group.
        has_unlike: likewise.
    """

    alike: Tensor
    has_alike: Tensor
    unlike: Tensor
    has_unlike: Tensor


def hardest(vectors: Tensor, groups: Tensor, rows: Tensor) -> Hardest:
    """Find the hardest pairs within a batch; memory goes with the square of the batch, not of the examples.

    Args:
        vectors: (b, d).
        groups: int32 (b,).
        rows: int32 (b,), which example each is: one that was drawn twice is no pair.
    """
    ops: Any = keras.ops
    vectors = ops.stop_gradient(vectors)
    norms = ops.sum(ops.square(vectors), axis=1)
    distances = norms[:, None] + norms[None, :] - 2 * ops.matmul(vectors, ops.transpose(vectors))
    same = groups[:, None] == groups[None, :]
    alike = ops.logical_and(same, rows[:, None] != rows[None, :])

    def known(mask: Tensor) -> Tensor:
        return ops.cast(ops.any(mask, axis=1), "float32")

    return Hardest(
        ops.argmax(ops.where(alike, distances, -_FAR), axis=1),
        known(alike),
        ops.argmin(ops.where(same, _FAR, distances), axis=1),
        known(ops.logical_not(same)),
    )


def mean_where(values: Tensor, weights: Tensor) -> Tensor:
    """The mean of the values whose weight is 1; 0 where there is none."""
    ops: Any = keras.ops
    return ops.sum(values * weights) / ops.maximum(ops.sum(weights), 1.0)
