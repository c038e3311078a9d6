"""The objective of multinomial logistic regression and its minimum, for several problems over the same rows at once.

Parameters have the shape (features + 1, problems, classes); the last row is the bias, which is never penalised. Each
problem is scikit-learn's `C * sum of losses + half the squared kernel`, divided by `C` and by the problem's number of
rows, so that a tolerance means the same whatever the penalty and the number of rows.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]
Doubles = NDArray[np.float64]

# Curvature pairs that L-BFGS keeps: the parameters are few, so that a long memory costs little and saves passes.
MEMORY = 20


def loss_and_residual(logits: Floats, labels: Integers) -> tuple[Floats, Floats]:
    """Log loss of every row, and its derivative: probabilities minus the one-hot labels.

    Args:
        logits: (n, problems, classes); overwritten.
        labels: (n,), indices of the right classes.

    Returns:
        Losses (n, problems) in nats, and derivatives by the logits (n, problems, classes).
    """
    rows = np.arange(len(labels))
    logits -= logits.max(axis=-1, keepdims=True)
    right = logits[rows, :, labels].copy()
    np.exp(logits, out=logits)
    total = logits.sum(axis=-1)
    logits /= total[..., None]
    logits[rows, :, labels] -= 1
    return np.log(total) - right, logits


def data_term(features: Floats, labels: Integers, shares: Floats, parameters: Floats) -> tuple[float, Doubles]:
    """Weighted sum of the losses of all rows and problems, and its gradient.

    Args:
        features: (n, features + 1), the last column ones.
        labels: (n,).
        shares: (n, problems), the weight of a row in a problem; 0 leaves it out.
        parameters: (features + 1, problems, classes).

    Returns:
        The sum, and the gradient by the parameters in float64.
    """
    size, problems, classes = parameters.shape
    kernel = parameters.reshape(size, problems * classes).astype(features.dtype, copy=False)
    loss, residual = loss_and_residual((features @ kernel).reshape(-1, problems, classes), labels)
    residual *= shares[..., None]
    gradient = features.T @ residual.reshape(len(labels), -1)
    return float(np.sum(loss * shares, dtype=np.float64)), gradient.reshape(size, problems, classes).astype(np.float64)


def minimise(
    term: Callable[[Doubles], tuple[float, Doubles]],
    start: Doubles,
    penalty: Doubles,
    curvature: Doubles,
    tolerance: float,
    limit: int,
) -> tuple[Doubles, int]:
    """The parameters at which data term plus half of penalty times squared parameters is smallest.

    L-BFGS runs on the parameters multiplied by the root of the expected curvature. In the basis of principal components
    that makes the problem nearly round: some fifteen evaluations do what takes hundreds otherwise.

    Args:
        term: from the parameters to the data term and its gradient.
        start: (features + 1, problems, classes).
        penalty: broadcast to the parameters; 0 for the bias.
        curvature: broadcast to the parameters; an estimate of the second derivative of the whole objective, positive.
        tolerance: the largest component of the gradient, by the multiplied parameters, that counts as zero.
        limit: the most evaluations.

    Returns:
        The parameters, and how many evaluations it took.
    """
    root = np.broadcast_to(np.sqrt(curvature), start.shape)

    def objective(flat: Doubles) -> tuple[float, Doubles]:
        parameters = flat.reshape(start.shape) / root
        value, gradient = term(parameters)
        value += 0.5 * float(np.sum(penalty * np.square(parameters)))
        return value, ((gradient + penalty * parameters) / root).ravel()

    found = optimize.minimize(
        objective,
        (start * root).ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxcor": MEMORY, "gtol": tolerance, "ftol": 0.0, "maxfun": limit, "maxiter": limit},
    )
    return found.x.reshape(start.shape) / root, int(found.nfev)
