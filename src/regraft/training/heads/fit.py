"""Fitting the head: activations in memory, or streamed where they are many."""

import time
from collections.abc import Iterator

import numpy as np

from regraft.core.errors import DataError, RequestError
from regraft.core.plan import HeadSpec
from regraft.training.heads.basis import rotated
from regraft.training.heads.linear import LinearHead, widened
from regraft.training.heads.problem import problem_of, solve, uninformed
from regraft.training.heads.selection import SELECTION_EXAMPLES, Trial, choose
from regraft.training.heads.softmax import Doubles, Floats, Integers
from regraft.training.heads.streaming import Batches, fit_streamed

# Up to here everything is in memory, in float64: 200 MB for activations of 1280 features.
MINIBATCH_ABOVE = 20_000
BATCH = 4096
TOLERANCE, LIMIT = 1e-7, 1000


def fit_head(
    activations: Floats,
    labels: Integers,
    n_classes: int,
    spec: HeadSpec | None = None,
    seed: int = 0,
    groups: Integers | None = None,
) -> LinearHead:
    """Multinomial logistic regression on activations, its penalty chosen by cross-validation.

    The convex optimum of the head, in well under a second for hundreds of examples and without a learning rate. The
    penalty is scikit-learn's `C`, on activations standardised as `basis.scale_of` says; the standardisation is folded
    into the result. One seed, one result.

    Args:
        activations: (n, d) float16 or float32, pooled; may be memory-mapped.
        labels: (n,) class indices. A class without examples gets a zero kernel and a bias under every logit seen. A
            class with one example is learnt from in every fold and validated in none.
        n_classes: how many classes the head has.
        spec: `inverse_penalty`, `folds` and `solver` are obeyed; `auto` streams above `MINIBATCH_ABOVE` examples.
        seed: of the division into folds, and of the sample that the penalty is chosen on where there are many examples.
        groups: (n,) examples with equal numbers are views of one picture; they share a fold. Where the examples are
            streamed, the few views that a sample has of one picture are not kept together.

    Raises:
        DataError: shapes do not fit, a label is no class, there is no example, or a value is not finite.
        RequestError: the spec's penalty or folds make no sense.
    """
    spec = spec or HeadSpec()
    check(activations, labels, n_classes, spec)
    if spec.solver == "minibatch" or (spec.solver == "auto" and len(labels) > MINIBATCH_ABOVE):
        return fit_streamed(sliced(activations, labels), n_classes, spec, seed)
    began = time.perf_counter()
    basis, features = rotated(activations)
    present, members = np.unique(labels, return_inverse=True)
    inverse_penalty, trials = _penalty(features, members, len(present), spec, seed, groups)
    problem = problem_of(features, members, np.ones((len(labels), 1), np.bool_), len(present), np.float64)
    parameters, evaluations = solve(problem, inverse_penalty, uninformed(problem), TOLERANCE, LIMIT)
    lowest = float((problem.features @ parameters[:, 0]).min())
    kernel, bias = widened(*basis.raw(parameters[:, 0]), present, n_classes, lowest)
    return LinearHead(kernel, bias, inverse_penalty, "lbfgs", evaluations, trials, time.perf_counter() - began)


def check(activations: Floats, labels: Integers, n_classes: int, spec: HeadSpec) -> None:
    """Refuse what cannot be fitted."""
    if activations.ndim != 2 or labels.shape != activations.shape[:1] or not len(labels):
        raise DataError(
            "expected activations (n, d) and labels (n,) of at least one example,"
            f" found {activations.shape} and {labels.shape}"
        )
    if labels.min() < 0 or labels.max() >= n_classes:
        raise DataError(f"expected labels from 0 to {n_classes - 1}, found {labels.min()} to {labels.max()}")
    if spec.folds < 2:
        raise RequestError(
            f"expected at least 2 folds of cross-validation in the plan's head.folds, found {spec.folds}"
        )
    if spec.inverse_penalty is not None and not 0 < spec.inverse_penalty < np.inf:
        raise RequestError(
            f"expected a positive number as the plan's head.inverse_penalty, found {spec.inverse_penalty}"
        )


def sliced(activations: Floats, labels: Integers) -> Batches:
    """Passes over an array, batch by batch; one that is memory-mapped is never read whole."""

    def batches() -> Iterator[tuple[Floats, Integers]]:
        for start in range(0, len(labels), BATCH):
            yield activations[start : start + BATCH], labels[start : start + BATCH]

    return batches


def _penalty(
    features: Doubles, labels: Integers, classes: int, spec: HeadSpec, seed: int, groups: Integers | None
) -> tuple[float, tuple[Trial, ...]]:
    if spec.inverse_penalty is not None:
        return spec.inverse_penalty, ()
    kept = np.arange(len(labels))
    if len(labels) > SELECTION_EXAMPLES:
        kept = np.sort(np.random.default_rng(seed).permutation(len(labels))[:SELECTION_EXAMPLES])
    present, members = np.unique(labels[kept], return_inverse=True)
    return choose(features[kept], members, len(present), spec.folds, seed, None if groups is None else groups[kept])
