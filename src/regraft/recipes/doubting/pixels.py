"""A second look, at pixels: what the network takes for the same and is not, and what is the same and it tells apart."""

from typing import Any

import numpy as np
from PIL import Image

from regraft.data import Examples
from regraft.training.doubts.nearest import Nearest
from regraft.training.doubts.twins import Pairs

Array = np.ndarray[Any, Any]

_SIDE = 24
# Correlation of two small gray pictures. Compressed at quality 15, halved, or cut by one pixel of 100, hands have 0.99
# and more; different ones up to 0.97.
LEAST = 0.98
# How much of what is usual between look-alikes may be left of the difference: ones of the digits have up to 0.991, but
# with many others as well.
MOST_LEFT = 0.1
_NEAR, _OTHERS = 3, 8
# Less than that, mirrored or not, have not even rotated by five degrees or cut by a tenth in common.
_AT_LEAST = 0.5
# Pairs that are looked at before all others are believed.
_CHECKED = 250
# So many candidates in a row that are none, or a hundredth of the examples, and nothing more is looked at.
_IN_VAIN, _BATCH = 24, 8


def confirmed(examples: Examples, some: Array, found: Pairs) -> Pairs:
    """The pairs that look somewhat alike in their pixels as well; of very many, those looked at first are.

    A network that knows nothing of what it is shown may answer the same to very different pictures.

    Args:
        examples: all.
        some: indices of those that were compared.
        found: pairs that are nearly the same to the network, as places in `some`.
    """
    small = _Small(examples, some)
    if not small.are_pictures:
        return found
    kept = np.ones(len(found.first), np.bool_)
    for place in range(min(len(kept), _CHECKED)):
        kept[place] = small.looks_alike(int(found.first[place]), int(found.second[place]))
    return Pairs(found.first[kept], found.second[kept], found.similarity[kept])


def the_same(examples: Examples, some: Array, near: Nearest, known: Pairs) -> Pairs:
    """Pairs of the same picture that are not among the known ones, looked for among the nearest neighbours.

    A network that knows little of what it is shown may make more of how a picture was compressed than of what is on it.
    So those that are closest for their surroundings are looked at once more, as small gray pictures.

    Args:
        examples: all.
        some: indices of those that were compared.
        near: the nearest others of these.
        known: pairs that are known to be nearly the same, as places in `some`.
    """
    candidates = _candidates(near, known)
    small = _Small(examples, some)
    found: list[tuple[int, int, float]] = []
    vain, patience = 0, max(_IN_VAIN, len(some) // 100)
    for start in range(0, len(candidates), _BATCH):
        if vain >= patience or not small.are_pictures:
            break
        for one, other in candidates[start : start + _BATCH].tolist():
            alike = small.correlation(one, np.array([other]))[0]
            same = alike >= LEAST and _stands_out(small, near, one, other, alike)
            vain = 0 if same else vain + 1
            if same:
                found.append((one, other, alike))
    pairs = np.array([pair[:2] for pair in found], np.int64).reshape(-1, 2)
    return Pairs(pairs[:, 0], pairs[:, 1], np.array([pair[2] for pair in found], np.float64))


def _candidates(near: Nearest, known: Pairs) -> Array:
    """Pairs (p, 2) of neighbours, the closest for their surroundings first."""
    radius = np.maximum(near.distances[:, -1], np.finfo(np.float64).tiny)
    other = near.indices[:, :_NEAR]
    one = np.broadcast_to(np.arange(len(other))[:, None], other.shape)
    close = near.distances[:, :_NEAR] / np.minimum(radius[one], radius[other])
    ends = np.stack([np.minimum(one, other).ravel(), np.maximum(one, other).ravel()], axis=1)
    ends, first = np.unique(ends, axis=0, return_index=True)
    told = set(zip(known.first.tolist(), known.second.tolist(), strict=True))
    new = np.array([tuple(pair) not in told for pair in ends.tolist()], np.bool_)
    return ends[new][np.argsort(close.ravel()[first][new], kind="stable")]


def _stands_out(small: "_Small", near: Nearest, one: int, other: int, alike: float) -> bool:
    """Whether two pictures are far more alike than either is to the others that are near it."""
    for end, twin in ((one, other), (other, one)):
        others = near.indices[end, : _OTHERS + 1]
        usual = 1 - np.median(small.correlation(end, others[others != twin]))
        if 1 - alike > MOST_LEFT * usual:
            return False
    return True


class _Small:
    """Small gray pictures, each made when it is first asked for."""

    def __init__(self, examples: Examples, some: Array) -> None:
        self._examples, self._some = examples, some
        self._made: dict[int, Array] = {}
        (first,) = examples.load(some[:1].tolist(), None)
        self.are_pictures = first.ndim == 3 and first.shape[-1] in (1, 3, 4)

    def correlation(self, one: int, others: Array) -> Array:
        """Of one picture with others, -1 to 1; 0 where one is all of one gray."""
        made = self._of(one)
        return np.array([float(made @ self._of(other)) for other in others.tolist()])

    def looks_alike(self, one: int, other: int) -> bool:
        """Whether one picture is at all like another, or its mirror image; empty ones are like each other."""
        first, second = self._of(one), self._of(other)
        mirrored = second.reshape(_SIDE, _SIDE)[:, ::-1].ravel()
        empty = not first.any() and not second.any()
        return empty or max(float(first @ second), float(first @ mirrored)) >= _AT_LEAST

    def _of(self, place: int) -> Array:
        if place not in self._made:
            (raw,) = self._examples.load([int(self._some[place])], None)
            self._made[place] = _fingerprint(raw)
        return self._made[place]


def _fingerprint(raw: Array) -> Array:
    gray = np.ascontiguousarray(raw[..., :3].mean(axis=-1, dtype=np.float32))
    small = np.asarray(Image.fromarray(gray).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR), np.float64).ravel()
    small -= small.mean()
    length = float(np.linalg.norm(small))
    return small / length if length > 1e-3 * _SIDE else np.zeros_like(small)
