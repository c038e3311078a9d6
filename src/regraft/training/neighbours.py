"""Nearest neighbours on the activations: the simplest use of a source, and the floor that a trained head must clear."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DataError
from regraft.training.heads.basis import refuse_non_finite
from regraft.training.heads.softmax import Floats, Integers

NEIGHBOURS = (1, 5, 20)
# Similarities held at once: 16 million float32 are 64 MB.
SIMILARITIES = 16_000_000


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Answers of the nearest neighbours.

    Attributes:
        predictions: (q,) class indices.
        neighbours: how many voted; chosen by leaving each training example out in turn.
    """

    predictions: NDArray[np.int64]
    neighbours: int


def nearest_neighbours(activations: Floats, labels: Integers, queries: Floats, n_classes: int) -> Neighbours:
    """Classes of the queries by a vote of the training examples whose activations point the same way.

    Activations are centred on the training mean and brought to length 1 (SimpleShot, Wang et al. 2019); votes are
    equal, and a tie goes to the class whose voters are more similar in sum.

    Args:
        activations: (n, d), of the training examples.
        labels: (n,).
        queries: (q, d).
        n_classes: how many classes there are.

    Raises:
        DataError: shapes do not fit, a label is no class, there is no example, or a value is not finite.
    """
    _check(activations, labels, queries, n_classes)
    centre = _centre(activations)
    known = _directions(activations, centre)
    count = _left_out(known, labels, n_classes).neighbours
    found = _votes(known, labels, _directions(queries, centre), n_classes, (count,), leave_out=False)
    return Neighbours(found[:, 0], count)


def left_out_neighbours(activations: Floats, labels: Integers, n_classes: int) -> Neighbours:
    """Classes of the examples themselves, each by a vote of the others; as many vote as answer best so.

    Args:
        activations: (n, d).
        labels: (n,).
        n_classes: how many classes there are.

    Raises:
        DataError: see `nearest_neighbours`.
    """
    _check(activations, labels, activations, n_classes)
    return _left_out(_directions(activations, _centre(activations)), labels, n_classes)


def _left_out(known: NDArray[np.float32], labels: Integers, n_classes: int) -> Neighbours:
    counts = tuple(min(count, max(1, len(known) - 1)) for count in NEIGHBOURS)
    answers = _votes(known, labels, known, n_classes, counts, leave_out=True)
    best = int(np.argmax((answers == labels[:, None]).sum(axis=0)))
    return Neighbours(answers[:, best], counts[best])


def _centre(activations: Floats) -> NDArray[np.float64]:
    centre = activations.mean(axis=0, dtype=np.float64)
    refuse_non_finite(centre)
    return centre


def _check(activations: Floats, labels: Integers, queries: Floats, n_classes: int) -> None:
    if activations.ndim != 2 or labels.shape != activations.shape[:1] or not len(labels):
        raise DataError(
            "expected activations (n, d) and labels (n,) of at least one example,"
            f" found {activations.shape} and {labels.shape}"
        )
    if queries.ndim != 2 or queries.shape[1] != activations.shape[1]:
        raise DataError(f"expected queries (q, {activations.shape[1]}) like the activations, found {queries.shape}")
    if labels.min() < 0 or labels.max() >= n_classes:
        raise DataError(f"expected labels from 0 to {n_classes - 1}, found {labels.min()} to {labels.max()}")


def _directions(activations: Floats, centre: NDArray[np.float64]) -> NDArray[np.float32]:
    rows = (activations - centre.astype(np.float32)).astype(np.float32, copy=False)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _votes(
    known: NDArray[np.float32],
    labels: Integers,
    queries: NDArray[np.float32],
    n_classes: int,
    counts: tuple[int, ...],
    leave_out: bool,
) -> NDArray[np.int64]:
    """Answers (q, counts), block by block of queries."""
    blocks = [_block_votes(cosines, labels, n_classes, counts) for cosines in _similarities(known, queries, leave_out)]
    return np.concatenate([np.empty((0, len(counts)), np.int64), *blocks])


def _similarities(
    known: NDArray[np.float32], queries: NDArray[np.float32], leave_out: bool
) -> Iterator[NDArray[np.float32]]:
    """Cosines (block, n) of blocks of queries; with `leave_out` the queries are the known and miss themselves."""
    size = max(1, SIMILARITIES // len(known))
    for start in range(0, len(queries), size):
        cosines = queries[start : start + size] @ known.T
        if leave_out:
            rows = np.arange(len(cosines))
            cosines[rows, start + rows] = -2.0
        yield cosines


def _block_votes(
    cosines: NDArray[np.float32], labels: Integers, n_classes: int, counts: tuple[int, ...]
) -> NDArray[np.int64]:
    most = max(counts)
    nearest = np.argpartition(-cosines, most - 1, axis=1)[:, :most]
    near = np.take_along_axis(cosines, nearest, axis=1)
    order = np.argsort(-near, axis=1, kind="stable")
    near, voters = np.take_along_axis(near, order, axis=1), labels[np.take_along_axis(nearest, order, axis=1)]
    answers = np.empty((len(cosines), len(counts)), np.int64)
    rows = np.arange(len(cosines))[:, None]
    for column, count in enumerate(counts):
        # One vote weighs more than any sum of up to `count` cosines shifted into [0, 1): similarity only breaks ties.
        tally = np.zeros((len(cosines), n_classes))
        np.add.at(tally, (rows, voters[:, :count]), 1 + (near[:, :count] + 1) / (2.001 * count))
        answers[:, column] = tally.argmax(axis=1)
    return answers
