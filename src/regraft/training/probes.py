"""Quick linear probes: how much a linear classifier gets out of the pooled activations of each of many cut points."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regraft.core import metrics
from regraft.core.errors import DataError
from regraft.core.records import Metric
from regraft.training.eigen import eigh
from regraft.training.heads.basis import refuse_non_finite, scale_of
from regraft.training.heads.softmax import Floats, Integers
from regraft.training.threads import single_threaded, threads_for

# Examples that a probe looks at: at 90 % accuracy this is +-1 point, enough to rank cut points, and bounds the time.
PROBE_EXAMPLES = 4000
# Each holds a copy of its features.
_AT_ONCE = min(4, os.cpu_count() or 1)
# Penalties, as parts of the mean variance of a principal component.
PENALTIES = tuple(10.0 ** (half / 2) for half in range(-6, 7))
# Left-out residuals of all penalties that are held at once: 64 MB.
RESIDUALS = 16_000_000


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """A probe's leave-one-out result.

    Attributes:
        accuracy: share of the examples that are right when each is left out in turn.
        correct: (m,) whether each is right; comparable between probes of the same labels and seed.
        indices: (m,) which examples were looked at.
        width: features.
        penalty: the chosen one, a part of the mean variance.
        error: mean squared error of the left-out answers, for finer comparisons than right or wrong.
    """

    accuracy: Metric
    correct: NDArray[np.bool_]
    indices: NDArray[np.int64]
    width: int
    penalty: float
    error: float


def probe(activations: Floats, labels: Integers, n_classes: int, seed: int = 0) -> ProbeResult:
    """Leave-one-out accuracy of ridge regression on one-hot targets, in tens of milliseconds.

    For ranking cut points: one eigendecomposition gives the left-out answers of every example under every penalty in
    closed form (Golub, Heath and Wahba 1979; residual divided by one minus leverage). The penalty with the lowest
    left-out squared error is taken; it and the standardisation have seen the example left out, which flatters all
    probes alike and by very little. Examples count equally, as they do for the head, which the probe stands for.

    Args:
        activations: (n, d), pooled.
        labels: (n,), class indices.
        n_classes: how many classes there are.
        seed: of the stratified sample of `PROBE_EXAMPLES` where there are more examples.

    Raises:
        DataError: shapes do not fit, a label is no class, fewer than two examples, or a value is not finite.
    """
    _check(activations, labels, n_classes)
    kept = stratified(labels, PROBE_EXAMPLES, seed)
    with threads_for(len(kept) * activations.shape[1]):
        return _probed(activations, labels, n_classes, kept)


def _probed(activations: Floats, labels: Integers, n_classes: int, kept: NDArray[np.int64]) -> ProbeResult:
    targets = (labels[kept][:, None] == np.arange(n_classes)).astype(np.float32)
    residuals = _left_out(*_components(_features(activations[kept])), targets - targets.mean(axis=0))
    errors = np.square(residuals).mean(axis=(0, 2))
    best = int(np.argmin(errors))
    correct = (targets - residuals[:, best]).argmax(axis=1) == labels[kept]
    return ProbeResult(
        metrics.accuracy(correct), correct, kept, activations.shape[1], PENALTIES[best], float(errors[best])
    )


def left_out_scores(activations: Floats, labels: Integers, n_classes: int) -> NDArray[np.float32]:
    """What the others say of each example: the scores (n, classes) of the regression of `probe` that left it out.

    Of all examples, under the penalty with the lowest left-out squared error; class by class where they are many.

    Args:
        activations: (n, d), pooled.
        labels: (n,), class indices.
        n_classes: how many classes there are.

    Raises:
        DataError: shapes do not fit, a label is no class, fewer than two examples, or a value is not finite.
    """
    _check(activations, labels, n_classes)
    targets = (labels[:, None] == np.arange(n_classes)).astype(np.float32)
    centred = targets - targets.mean(axis=0)
    features = _features(activations)
    size = max(1, RESIDUALS // (len(labels) * len(PENALTIES)))
    parts = [slice(start, start + size) for start in range(0, n_classes, size)]
    errors = np.zeros(len(PENALTIES))
    with threads_for(features.size):
        left, squares = _components(features)
        for part in parts:
            errors += np.square(_left_out(left, squares, centred[:, part])).sum(axis=(0, 2), dtype=np.float64)
        best = PENALTIES[int(np.argmin(errors))]
        for part in parts:
            targets[:, part] -= _left_out(left, squares, centred[:, part], (best,))[:, 0]
    return targets


def probe_many(
    activations: Mapping[str, Floats], labels: Integers, n_classes: int, seed: int = 0
) -> dict[str, ProbeResult]:
    """A probe per cut point, all on the same examples, some at a time: most of a probe is work of one processor.

    Args:
        activations: by cut point, (n, d) each, in order of depth.
        labels: (n,).
        n_classes: how many classes there are.
        seed: see `probe`.
    """
    for array in activations.values():
        _check(array, labels, n_classes)
    kept = stratified(labels, PROBE_EXAMPLES, seed)

    def probed(array: Floats) -> ProbeResult:
        return _probed(array, labels, n_classes, kept)

    # The largest first, so that none of them is waited for alone.
    order = sorted(activations, key=lambda name: -activations[name].shape[1])
    with single_threaded(), ThreadPoolExecutor(_AT_ONCE) as pool:
        made = dict(zip(order, pool.map(probed, (activations[name] for name in order)), strict=True))
    return {name: made[name] for name in activations}


def best_cut(probes: Mapping[str, ProbeResult]) -> str:
    """The deepest of the cut points that cannot be told from the best, paired on the same examples at 95 %.

    Where the probe cannot tell, the deepest features are the safer ones: over five divisions of flowers and of hand
    signs on MobileNet, heads on the cut chosen so had 87.6 and 93.7 % on new examples; on the probe's best cut 85.7
    and 93.9 %; on the shallowest that cannot be told from it 82.9 and 92.7 %.

    Args:
        probes: by cut point, in order of depth, all of the same examples.

    Raises:
        DataError: there is none.
    """
    if not probes:
        raise DataError("expected the probe of at least one cut point to choose from, found none")
    best = max(probes.values(), key=lambda result: result.accuracy.value)
    gains = {name: metrics.paired_gain(best.correct, result.correct) for name, result in probes.items()}
    return [name for name, gain in gains.items() if gain.interval[0] <= 0][-1]


def stratified(labels: Integers, size: int, seed: int) -> NDArray[np.int64]:
    """Indices, rising, of at most about `size` examples, each class by its share but with two examples at least.

    Args:
        labels: (n,).
        size: examples wanted.
        seed: of the choice.
    """
    if len(labels) <= size:
        return np.arange(len(labels))
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    grouped = shuffled[np.argsort(labels[shuffled], kind="stable")]
    counts = np.bincount(labels)
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    wanted = np.maximum(np.rint(counts * size / len(labels)), 2)
    return np.sort(grouped[rank < np.repeat(wanted, counts)])


def _check(activations: Floats, labels: Integers, n_classes: int) -> None:
    if activations.ndim != 2 or labels.shape != activations.shape[:1] or len(labels) < 2:
        raise DataError(
            "expected activations (n, d) and labels (n,) of at least two examples,"
            f" found {activations.shape} and {labels.shape}"
        )
    if labels.min() < 0 or labels.max() >= n_classes:
        raise DataError(f"expected labels from 0 to {n_classes - 1}, found {labels.min()} to {labels.max()}")


def _features(activations: Floats) -> NDArray[np.float32]:
    """Centred and scaled as for the head, in float32: a ranking needs no more, and it is twice as fast."""
    centre = activations.mean(axis=0, dtype=np.float64)
    refuse_non_finite(centre)
    features = (activations - centre.astype(np.float32)).astype(np.float32, copy=False)
    deviation = np.sqrt(np.einsum("nd,nd->d", features, features).astype(np.float64) / len(features))
    features /= scale_of(deviation).astype(np.float32)
    return features


def _components(features: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Left singular vectors (n, r) and squared singular values (r,)."""
    rows, width = features.shape
    if rows <= width:
        squares, left = eigh(features @ features.T)
        return left, np.maximum(squares, 0)
    squares, right = eigh(features.T @ features)
    squares = np.maximum(squares, np.finfo(np.float32).tiny)
    kept = squares >= squares[-1] * 1e-6
    sizes: NDArray[np.float32] = np.sqrt(squares[kept])
    return (features @ right[:, kept]) / sizes, squares[kept]


def _left_out(
    left: NDArray[np.float32],
    squares: NDArray[np.float32],
    targets: NDArray[np.float32],
    parts: tuple[float, ...] = PENALTIES,
) -> NDArray[np.float32]:
    """Residuals (n, penalties, k) of every example under regressions, intercept included, that left it out."""
    (rows, components), classes = left.shape, targets.shape[1]
    penalties = np.maximum(np.array(parts) * squares.mean(), 1e-12)
    shrink = (squares[:, None] / (squares[:, None] + penalties)).astype(np.float32)
    weights = shrink[:, :, None] * (left.T @ targets)[:, None, :]
    residuals = targets[:, None, :] - (left @ weights.reshape(components, -1)).reshape(rows, -1, classes)
    leverage = np.square(left) @ shrink + np.float32(1 / rows)
    residuals /= np.maximum(1 - leverage, 1e-6)[:, :, None]
    return residuals
