"""A patch of a picture is replaced by what is there in another picture."""

from typing import Any

import numpy as np

from regraft.pretraining.corrupting.corrupted import TRIES, Corrupted, others

Array = np.ndarray[Any, Any]

# A patch is up to so many times as wide as high, or as high as wide.
_OBLONG = 2.0


def corrupt(x: Array, strength: float, random: np.random.Generator) -> Corrupted:
    """Put a patch of another picture of the batch over the same place.

    Args:
        x: (n, height, width, channels).
        strength: the patch's share of the area.
        random: where chance comes from.
    """
    changed, where = x.copy(), np.zeros(x.shape[:3], bool)
    if len(x) < 2:
        return Corrupted(changed, where)
    left = np.arange(len(x))
    for _ in range(TRIES):
        donors = x[others(len(x), random)[left]]
        patch = patches(len(left), x.shape[1], x.shape[2], strength, random)
        differs = patch & (donors != x[left]).any(axis=-1)
        changed[left] = np.where(patch[..., None], donors, x[left])
        where[left] = differs
        left = left[~differs.reshape(len(left), -1).any(axis=1)]
        if not len(left):
            break
    return Corrupted(changed, where)


def patches(count: int, height: int, width: int, share: float, random: np.random.Generator) -> Array:
    """Rectangles of a share of the area, anywhere in the picture: bool (count, height, width)."""
    oblong = np.exp(random.uniform(-np.log(_OBLONG), np.log(_OBLONG), count) / 2)
    high = np.clip(np.rint(height * np.sqrt(share) * oblong), 1, height)
    wide = np.clip(np.rint(share * height * width / high), 1, width)
    rows = _range(height, high, random)
    columns = _range(width, wide, random)
    return rows[:, :, None] & columns[:, None, :]


def _range(length: int, size: Array, random: np.random.Generator) -> Array:
    first = np.floor(random.random(len(size)) * (length - size + 1))[:, None]
    places = np.arange(length)[None]
    return (places >= first) & (places < first + size[:, None])
