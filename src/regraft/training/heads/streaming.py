"""The same regression over activations that do not fit in memory: batches, flat memory, time linear in the examples.

Every evaluation of the objective is one pass over the batches. What keeps the passes few: the start is the optimum of a
sample, and the sample's principal components precondition L-BFGS, so that what is left to do is small and round. There
is no learning rate and no decay to choose, and the order of the examples does not matter.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DataError
from regraft.core.plan import HeadSpec
from regraft.training.heads.basis import Basis, principal_axes, refuse_non_finite, scale_of, standardised
from regraft.training.heads.linear import LinearHead, widened
from regraft.training.heads.problem import Problem, curvature_of, penalty_of, problem_of, solve, uninformed
from regraft.training.heads.selection import SELECTION_EXAMPLES, Trial, choose
from regraft.training.heads.softmax import Doubles, Floats, Integers, data_term, minimise

Batches = Callable[[], Iterable[tuple[Floats, Integers]]]

# The mean loss ends within about 1e-6 of the optimum: the gap is of the order of the squared gradient.
TOLERANCE, LIMIT = 3e-4, 60


@dataclass(frozen=True, slots=True)
class Survey:
    """What the first pass learns of the data.

    Attributes:
        centre: (d,) mean.
        deviation: (d,) standard deviation.
        counts: examples of each class.
        sample: activations (m, d) float32 of a random sample.
        sample_labels: (m,).
    """

    centre: Doubles
    deviation: Doubles
    counts: NDArray[np.int64]
    sample: NDArray[np.float32]
    sample_labels: Integers


def fit_streamed(batches: Batches, n_classes: int, spec: HeadSpec | None = None, seed: int = 0) -> LinearHead:
    """Multinomial logistic regression over batches that may live on disk; the objective is that of `fit_head`.

    The penalty is chosen, and the start found, on a random sample of fixed size.

    Args:
        batches: each call is a new pass over all examples, in any order: activations (b, d), labels (b,).
        n_classes: how many classes the head has.
        spec: as in `fit_head`.
        seed: of the sample and its division into folds.

    Raises:
        DataError: there is no example, a label is no class, or a value is not finite.
    """
    spec, began = spec or HeadSpec(), time.perf_counter()
    seen = survey(batches, n_classes, seed)
    basis = Basis(seen.centre, scale_of(seen.deviation))
    features = standardised(seen.sample, basis)
    basis = Basis(basis.centre, basis.scale, principal_axes(features, complete=True))
    features = features if basis.axes is None else features @ basis.axes
    present = np.flatnonzero(seen.counts)
    place = np.searchsorted(present, np.arange(n_classes))
    inverse_penalty, trials = _penalty(features, seen.sample_labels, spec, seed)
    all_rows = np.ones((len(features), 1), np.bool_)
    sample = problem_of(features, place[seen.sample_labels], all_rows, len(present), np.float64)
    start, _ = solve(sample, inverse_penalty, uninformed(sample), TOLERANCE, LIMIT)
    parameters, passes = _polish(batches, basis, sample, start, inverse_penalty, int(seen.counts.sum()), place)
    lowest = float((sample.features @ parameters[:, 0]).min())
    kernel, bias = widened(*basis.raw(parameters[:, 0]), present, n_classes, lowest)
    return LinearHead(kernel, bias, inverse_penalty, "minibatch", passes, trials, time.perf_counter() - began)


def survey(batches: Batches, n_classes: int, seed: int) -> Survey:
    """One pass: moments, counts and a random sample of `SELECTION_EXAMPLES` examples.

    Raises:
        DataError: there is no example, a label is no class, or a value is not finite.
    """
    draw, total, squares, counts = np.random.default_rng(seed), 0.0, 0.0, np.zeros(n_classes, np.int64)
    keys, labels, rows, bar = np.empty(0), np.empty(0, np.int64), list[Floats](), 1.0
    for activations, batch_labels in batches():
        _check_batch(activations, batch_labels, n_classes)
        total = total + activations.sum(axis=0, dtype=np.float64)
        squares = squares + np.square(activations, dtype=np.float64).sum(axis=0)
        counts += np.bincount(batch_labels, minlength=n_classes)
        # The examples with the smallest random keys are a uniform sample, whatever the sizes of the batches.
        drawn = draw.random(len(batch_labels))
        keys, labels = np.append(keys, drawn[drawn < bar]), np.append(labels, batch_labels[drawn < bar])
        rows.extend(np.array(activations[drawn < bar], np.float32))
        if len(keys) > SELECTION_EXAMPLES:
            kept = np.argsort(keys)[:SELECTION_EXAMPLES]
            keys, labels, rows = keys[kept], labels[kept], [rows[place].copy() for place in kept]
            bar = float(keys[-1])
    if not rows:
        raise DataError("expected at least one example to fit the head on, found none")
    n = counts.sum()
    centre = np.asarray(total / n)
    refuse_non_finite(centre)
    deviation = np.sqrt(np.maximum(squares / n - np.square(centre), 0))
    return Survey(centre, deviation, counts, np.stack(rows), labels)


def _check_batch(activations: Floats, labels: Integers, n_classes: int) -> None:
    if activations.ndim != 2 or labels.shape != activations.shape[:1]:
        raise DataError(
            f"expected batches of activations (b, d) and labels (b,), found {activations.shape} and {labels.shape}"
        )
    if len(labels) and (labels.min() < 0 or labels.max() >= n_classes):
        raise DataError(f"expected labels from 0 to {n_classes - 1}, found {labels.min()} to {labels.max()}")


def _penalty(features: Doubles, labels: Integers, spec: HeadSpec, seed: int) -> tuple[float, tuple[Trial, ...]]:
    if spec.inverse_penalty is not None:
        return spec.inverse_penalty, ()
    present, members = np.unique(labels, return_inverse=True)
    return choose(features, members, len(present), spec.folds, seed)


def _polish(
    batches: Batches,
    basis: Basis,
    sample: Problem,
    start: Doubles,
    inverse_penalty: float,
    n: int,
    place: Integers,
) -> tuple[Doubles, int]:
    """From the optimum of the sample to that of all examples; also the number of passes."""
    penalty = np.full((len(start), 1, 1), penalty_of(inverse_penalty, sample.classes) / n)
    penalty[-1] = 0

    def term(parameters: Doubles) -> tuple[float, Doubles]:
        whole = basis.unrotated(parameters[:, 0])[:, None].astype(np.float32)
        value, gradient = 0.0, np.zeros(whole.shape)
        for activations, labels in batches():
            part = data_term(_rows(activations, basis), place[labels], np.full((len(labels), 1), 1 / n), whole)
            value, gradient = value + part[0], gradient + part[1]
        return value, basis.rotated_gradient(gradient[:, 0])[:, None]

    return minimise(term, start, penalty, penalty + curvature_of(sample, start), TOLERANCE, LIMIT)


def _rows(activations: Floats, basis: Basis) -> NDArray[np.float32]:
    """Standardised features (b, d + 1) of a batch in float32, the last column ones."""
    rows = np.ones((len(activations), activations.shape[1] + 1), np.float32)
    np.subtract(activations, basis.centre, out=rows[:, :-1], casting="same_kind")
    rows[:, :-1] /= basis.scale
    return rows
