"""What every score is given, looked over: activations and the labels of the same examples."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from regraft.core.errors import DataError

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]
Doubles = NDArray[np.float64]

# Eigenvalues of a Gram matrix below this part of the largest are what rounding left.
ROUNDING = 1e-12


def checked(activations: Floats, labels: Integers, n_classes: int) -> tuple[Doubles, NDArray[np.int64], int]:
    """Activations in float64 and labels without gaps, with how many classes there are really.

    A class without examples says nothing about a source: labels are numbered anew without it.

    Args:
        activations: (n, d).
        labels: (n,), class indices.
        n_classes: how many classes there could be.

    Returns:
        A new array (n, d), labels (n,) from 0 on, each of which occurs, and their number.

    Raises:
        DataError: shapes do not fit, a label is no class, there are not two examples of two classes, or a value is not
            finite.
    """
    if activations.ndim != 2 or labels.shape != activations.shape[:1] or len(labels) < 2 or not activations.shape[1]:
        raise DataError(
            "expected activations (n, d) and labels (n,) of at least two examples,"
            f" found {activations.shape} and {labels.shape}"
        )
    if labels.min() < 0 or labels.max() >= n_classes:
        raise DataError(f"expected labels from 0 to {n_classes - 1}, found {labels.min()} to {labels.max()}")
    present, numbered = np.unique(labels, return_inverse=True)
    if len(present) < 2:
        raise DataError(
            f"expected examples of at least two classes to score a source by, found class {present[0]} alone"
        )
    found = np.array(activations, np.float64)
    # A sum is finite unless a part of it is not, or activations are so large that no score could be trusted.
    if not np.isfinite(found.sum()):
        raise DataError("expected finite activations to score a source by, found infinite ones or NaN")
    return found, numbered.astype(np.int64), len(present)


def members(labels: NDArray[np.int64], classes: int) -> Doubles:
    """Which example is of which class: 1 or 0, (n, classes)."""
    return np.eye(classes)[labels]


def centred(rows: Doubles) -> Doubles:
    """The same around their mean, and nothing where they do not vary beyond rounding: changes and returns `rows`."""
    size = np.abs(rows).max(axis=0)
    rows -= rows.mean(axis=0)
    rows[:, np.abs(rows).max(axis=0) <= ROUNDING * size] = 0.0
    return rows


def principal(rows: Doubles) -> tuple[Doubles, Doubles]:
    """Rows in their principal axes and the sums of squares along these, the largest first.

    From the smaller of the two Gram matrices, which is what makes wide activations of few examples cheap. Axes along
    which there is nothing but rounding are left out.

    Args:
        rows: (n, d).

    Returns:
        (n, r) and (r,), r at most the smaller of n and d.
    """
    squares, axes = _axes(rows)
    turned = rows @ axes if rows.shape[1] <= len(rows) else axes * np.sqrt(squares)
    return turned[:, ::-1], squares[::-1]


def along(rows: Doubles, targets: Doubles) -> tuple[Doubles, Doubles]:
    """Squared singular values (r,) of rows (n, d), and the squared part (r, k) of targets (n, k) along each."""
    squares, axes = _axes(rows)
    parts = axes.T @ (rows.T @ targets) / np.sqrt(squares)[:, None] if rows.shape[1] <= len(rows) else axes.T @ targets
    return squares, np.square(parts)


def _axes(rows: Doubles) -> tuple[Doubles, Doubles]:
    """Squared singular values, and the right singular vectors where examples are more, else the left ones."""
    gram = rows.T @ rows if rows.shape[1] <= len(rows) else rows @ rows.T
    squares, axes = linalg.eigh(gram, driver="evd", check_finite=False, overwrite_a=True)
    kept = squares > ROUNDING * max(squares[-1], 0.0)
    return squares[kept], axes[:, kept]
