"""How alike two representations of the same examples are, whatever their axes: linear CKA."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from regraft.core.errors import DataError
from regraft.training.threads import threads_for

Array = np.ndarray[Any, Any]

LEAST = 4
"""So many examples the estimator needs at once."""


def linear_cka(one: Array, other: Array) -> float:
    """Centred kernel alignment of two representations with linear kernels, estimated without bias.

    Kornblith, Norouzi, Lee and Hinton, "Similarity of Neural Network Representations Revisited", ICML 2019, equation 4,
    with HSIC estimated as by Song, Smola, Gretton, Bedo and Borgwardt, "Feature Selection via Dependence Maximization",
    JMLR 13, 2012, equation 5, in place of the biased estimate: with few examples of many features that one calls
    anything similar (random features of 32 examples and 512 channels: 0.94 instead of about 0).

    Args:
        one: (n, ...), what one network makes of n examples; all axes but the first are features.
        other: (n, ...), what the other makes of them; it may have other features.

    Returns:
        At most 1, about 0 where nothing is shared; slightly below 0 by chance. nan where a representation is the same
        for all examples.

    Raises:
        DataError: fewer than four examples, or not as many of one as of the other.
    """
    return cka([terms(one, other)])


def terms(one: Array, other: Array) -> Array:
    """What CKA is made of: HSIC of one with the other, of one with itself, and of the other with itself.

    They are unbiased, so that those of several small batches can be averaged: Nguyen, Raghu and Kornblith, "Do Wide and
    Deep Networks Learn the Same Things?", ICLR 2021, equation 3. So a map of any size needs no more memory than that of
    a batch.

    Args:
        one: as `linear_cka` takes it.
        other: likewise.

    Returns:
        float64 (3,).

    Raises:
        DataError: see `linear_cka`.
    """
    if len(one) != len(other) or len(one) < LEAST:
        raise DataError(
            f"expected representations of the same examples, {LEAST} or more, found {len(one)} and {len(other)}"
        )
    # On a busy machine threads that wait for each other took ten times as long as one for products of this size.
    with threads_for(0):
        first, second = _kernel(one), _kernel(other)
        return np.array([_hsic(first, second), _hsic(first, first), _hsic(second, second)])


def cka(batches: Iterable[Array]) -> float:
    """CKA from the terms of batches of about one size."""
    shared, one, other = np.mean(list(batches), axis=0)
    # What is left of rounding where all examples are alike is no similarity.
    if not (one > 0 and other > 0):
        return math.nan
    return float(min(shared / math.sqrt(one) / math.sqrt(other), 1.0))


def _kernel(features: Array) -> Array:
    """Inner products of centred features, without those of examples with themselves.

    Centring changes no HSIC, and keeps float32 from losing what differs between examples; so does the scale that the
    products are computed in.
    """
    rows = features.reshape(len(features), -1).astype(np.float32, copy=False)
    rows = rows - rows.mean(axis=0)
    largest = float(np.abs(rows).max(initial=0.0))
    if not largest > 1e-6 * float(np.abs(features).max(initial=0.0)):
        return np.zeros((len(rows), len(rows)))
    rows /= largest
    kernel = (rows @ rows.T).astype(np.float64)
    np.fill_diagonal(kernel, 0.0)
    return kernel * float(largest) ** 2


def _hsic(one: Array, other: Array) -> float:
    n = len(one)
    # Both are symmetric: the trace of their product is the sum of the products of their elements.
    trace = float(np.sum(one * other))
    sums = float(one.sum() * other.sum()) / ((n - 1) * (n - 2))
    crossed = 2 * float(one.sum(axis=0) @ other.sum(axis=0)) / (n - 2)
    return (trace + sums - crossed) / (n * (n - 3))
