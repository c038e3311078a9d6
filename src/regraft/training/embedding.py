"""Activations as points on a plane: principal components, t-SNE from them, and how many neighbours are of one class."""

from typing import Any

import numpy as np
from scipy import linalg

from regraft.core.evidence import GRID, Method, View
from regraft.training.threads import threads_for
from regraft.training.tsne import tsne

Array = np.ndarray[Any, Any]

COMPONENTS = 50
"""As many principal components are kept: t-SNE is usually given so many (van der Maaten and Hinton 2008, section 4)."""
NEIGHBOURS = 10
# Axes are fitted to so many examples at most; the others are put on them.
_FITTED = 2000
_PERPLEXITY = 30.0
_ITERATIONS = 500
# Up to so many points each is compared with each; for more, scikit-learn's tree takes less time.
_EXACT = 400
# Distances held at once: 8 million float32 are 32 MB.
_DISTANCES = 8_000_000


def view(activations: Array, labels: Array, method: Method, seed: int, like: View | None = None) -> View:
    """Activations of one place of a network on a plane.

    Args:
        activations: float32 (m, d), of four examples or more.
        labels: (m,), class indices.
        method: how the plane is found; see `placed`.
        seed: of the examples that the axes are fitted to, where there are many, and of t-SNE.
        like: another view of the same examples, which this one is to be turned like.
    """
    with threads_for(activations.size * min(len(activations), _FITTED)):
        components, explained = principal(directions(activations), seed)
    places = placed(components, method, seed, None if like is None else like.places)
    return View(components.astype(np.float16), explained, alike(components, labels).astype(np.float16), places)


def directions(activations: Array) -> Array:
    """Activations centred and brought to length 1, as the nearest neighbours of a run's baseline are found by."""
    rows = activations - activations.mean(axis=0, dtype=np.float64).astype(np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-12))


def principal(activations: Array, seed: int) -> tuple[Array, float]:
    """The first principal components, scaled together to a mean square of 1, and their part of the variance.

    Args:
        activations: float32 (m, d).
        seed: of the examples that the axes are fitted to.

    Returns:
        float32 (m, at most 50); each axis points to where its largest weight is positive.
    """
    count = len(activations)
    some = np.arange(count)
    if count > _FITTED:
        some = np.sort(np.random.default_rng(seed).choice(count, _FITTED, replace=False))
    centre = activations[some].mean(axis=0, dtype=np.float64).astype(np.float32)
    rows = activations[some] - centre
    axes, squares = _axes(rows)
    kept = min(COMPONENTS, axes.shape[1])
    total = float(squares.sum())
    found = (activations - centre) @ axes[:, :kept]
    scale = float(np.sqrt(np.square(found, dtype=np.float64).sum() / max(found.size, 1)))
    explained = float(squares[:kept].sum()) / total if total > 0 else 1.0
    return found / np.float32(scale if scale > 0 else 1.0), explained


def _axes(rows: Array) -> tuple[Array, Array]:
    """Right singular vectors (d, r) and squared singular values (r,), the largest first, by the smaller product."""
    wide = rows.shape[0] <= rows.shape[1]
    squares, vectors = linalg.eigh(rows @ rows.T if wide else rows.T @ rows, check_finite=False)
    squares, vectors = np.maximum(squares[::-1], 0), vectors[:, ::-1]
    there = squares > max(float(squares[0]), 1e-30) * 1e-7
    axes = rows.T @ vectors[:, there] / np.sqrt(squares[there]) if wide else vectors[:, there]
    if not axes.shape[1]:
        return np.eye(rows.shape[1], 1, dtype=np.float32), np.zeros(1, np.float32)
    turned = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    return axes * turned, squares[there]


def placed(components: Array, method: Method, seed: int, like: Array | None = None) -> Array:
    """Places on a plane.

    Args:
        components: (m, k), principal components, the largest first.
        method: `PCA`: the first two of them. `t-SNE` (van der Maaten and Hinton 2008): neighbours are kept together;
            how far apart groups are, and how large, means nothing.
        seed: of t-SNE.
        like: places (m, 2) of the same examples elsewhere: t-SNE begins there, and the plane is turned and mirrored so
            that examples lie where they lay as far as can be.

    Returns:
        uint16 (m, 2), from 0 to `GRID`; both axes have one scale.
    """
    plane = np.zeros((len(components), 2), np.float64)
    plane[:, : min(2, components.shape[1])] = components[:, :2]
    if method == "t-SNE" and len(components) > 3:
        plane = _by_neighbours(components, plane if like is None else like.astype(np.float64), seed)
    return _on_grid(plane if like is None else _turned(plane, like))


def _by_neighbours(components: Array, start: Array, seed: int) -> Array:
    count = len(components)
    perplexity = min(_PERPLEXITY, (count - 1) / 3)
    points = components.astype(np.float64)
    if count <= _EXACT:
        # Products this small, by the thousand, take threads longer to share out than to compute.
        with threads_for(0):
            return tsne(points, start, perplexity)
    # Here, because it takes a second to import.
    from sklearn.manifold import TSNE

    spread = float(start.std()) or 1.0
    small = ((start - start.mean(axis=0)) * (1e-4 / spread)).astype(np.float32)
    machine = TSNE(perplexity=perplexity, init=small, max_iter=_ITERATIONS, random_state=seed)
    return np.asarray(machine.fit_transform(points.astype(np.float32)), np.float64)


def _turned(plane: Array, like: Array) -> Array:
    """The plane turned and mirrored onto other places of the same points (orthogonal Procrustes, Schönemann 1966)."""
    ours, theirs = plane - plane.mean(axis=0), like - like.astype(np.float64).mean(axis=0)
    left, _, right = np.linalg.svd(ours.T @ theirs)
    return ours @ (left @ right)


def _on_grid(plane: Array) -> Array:
    low, high = plane.min(axis=0), plane.max(axis=0)
    size = float((high - low).max())
    middle = (plane - (low + high) / 2) / (size if size > 0 else 1.0) + 0.5
    return np.rint(GRID * middle).clip(0, GRID).astype(np.uint16)


def alike(components: Array, labels: Array, neighbours: int = NEIGHBOURS) -> Array:
    """Which part of each example's nearest neighbours, itself left out, is of its class, float32 (m,).

    Args:
        components: (m, k).
        labels: (m,).
        neighbours: how many are looked at; fewer where there are fewer.
    """
    count = len(components)
    near = min(neighbours, count - 1)
    if near < 1:
        return np.ones(count, np.float32)
    squares = np.square(components).sum(axis=1)
    found = np.empty(count, np.float32)
    block = max(1, _DISTANCES // count)
    for start in range(0, count, block):
        rows = np.arange(start, min(start + block, count))
        distances = squares[None] - 2 * (components[rows] @ components.T)
        distances[np.arange(len(rows)), rows] = np.inf
        nearest = np.argpartition(distances, near - 1, axis=1)[:, :near]
        found[rows] = (labels[nearest] == labels[rows][:, None]).mean(axis=1)
    return found
