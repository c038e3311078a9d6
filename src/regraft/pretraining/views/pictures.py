"""A picture turned, scaled, moved, in another contrast, with noise: what shows the same thing still.

Every picture of a batch has its own draws, and the whole batch is made in one piece of arithmetic.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Changes:
    """How far views may be from the picture; each amount is drawn evenly up to these, in both directions.

    Attributes:
        turn: degrees.
        scale: part of the size.
        shift: part of height and of width.
        slant: how far a column leans over, as part of the height.
        contrast: part by which differences from the picture's mean are multiplied.
        noise: standard deviation, as part of the batch's own.
        erase: share of the area over which another place of the picture is put; 0: nothing.
        mirror: whether half of the views are mirrored, left to right.
    """

    turn: float = 15.0
    scale: float = 0.15
    shift: float = 0.1
    slant: float = 0.1
    contrast: float = 0.2
    noise: float = 0.1
    erase: float = 0.0
    mirror: bool = False


def by(amount: float) -> Changes:
    """The default changes of places and contrast, so many times as far; never mirrored, no noise.

    >>> by(2.0).turn, by(0.0).shift
    (30.0, 0.0)
    """
    usual = Changes()
    return Changes(
        turn=usual.turn * amount,
        scale=usual.scale * amount,
        shift=usual.shift * amount,
        slant=usual.slant * amount,
        contrast=usual.contrast * amount,
        noise=0.0,
    )


def view(x: Array, changes: Changes, random: np.random.Generator) -> Array:
    """One view of each picture: float32 (n, height, width, channels) to the same."""
    rows, columns = _places(len(x), x.shape[1], x.shape[2], changes, random)
    made = warped(x, rows, columns)
    if changes.contrast:
        mean = made.mean(axis=(1, 2, 3), keepdims=True)
        factor = 1 + random.uniform(-changes.contrast, changes.contrast, mean.shape).astype(np.float32)
        made = mean + (made - mean) * factor
    if changes.erase:
        made = _erased(made, changes.erase, random)
    if changes.noise:
        made += random.standard_normal(made.shape, np.float32) * np.float32(changes.noise * x.std())
    return made


def warped(x: Array, rows: Array, columns: Array) -> Array:
    """Take each pixel from a place in its picture, between the four pixels around it.

    Args:
        x: float32 (n, height, width, channels).
        rows: float32 (n, height, width), from where; beyond the edge is what is at the edge.
        columns: likewise.
    """
    count, height, width, channels = x.shape
    rows, columns = np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)
    # Truncation is the floor of what is not negative, and many times as fast.
    top, left = (
        np.minimum(rows.astype(np.int32), max(height - 2, 0)),
        np.minimum(columns.astype(np.int32), max(width - 2, 0)),
    )
    down, right = (rows - top)[..., None], (columns - left)[..., None]
    pixels = x.reshape(-1, channels)
    first = np.arange(count, dtype=np.int32)[:, None, None] * (height * width) + top * width + left
    below, beside = width * (height > 1), int(width > 1)
    upper = pixels[first] * (1 - right) + pixels[first + beside] * right
    lower = pixels[first + below] * (1 - right) + pixels[first + below + beside] * right
    return upper * (1 - down) + lower * down


def _places(count: int, height: int, width: int, changes: Changes, random: np.random.Generator) -> tuple[Array, Array]:
    """From where each pixel is taken: rows and columns, float32 (count, height, width)."""

    def drawn(most: float) -> Array:
        return random.uniform(-most, most, count)

    angle, size, slant = np.deg2rad(drawn(changes.turn)), 1 + drawn(changes.scale), drawn(changes.slant)
    side = np.where(random.random(count) < 0.5, -1.0, 1.0) if changes.mirror else np.ones(count)
    cosine, sine = np.cos(angle) / size, np.sin(angle) / size
    centre_row, centre_column = (height - 1) / 2, (width - 1) / 2
    row = (np.arange(height) - centre_row)[:, None].astype(np.float32)
    column = (np.arange(width) - centre_column)[None, :].astype(np.float32)

    def plane(of_row: Array, of_column: Array, moved: Array) -> Array:
        each = [np.float32(1) * item.astype(np.float32)[:, None, None] for item in (of_row, of_column, moved)]
        return each[0] * row + each[1] * column + each[2]

    rows = plane(cosine, -sine, centre_row + drawn(changes.shift) * height)
    columns = plane(side * (sine + slant), side * cosine, centre_column + drawn(changes.shift) * width)
    return rows, columns


def _erased(x: Array, share: float, random: np.random.Generator) -> Array:
    """A square of each picture becomes what is at another place of it."""
    count, height, width, _ = x.shape
    high, wide = (max(1, round(side * share**0.5)) for side in (height, width))

    def corners() -> tuple[Array, Array]:
        return random.integers(0, height - high + 1, count), random.integers(0, width - wide + 1, count)

    def square(corner: tuple[Array, Array]) -> tuple[Array, Array, Array]:
        rows = corner[0][:, None, None] + np.arange(high)[:, None]
        return np.arange(count)[:, None, None], rows, corner[1][:, None, None] + np.arange(wide)

    made = x.copy()
    made[square(corners())] = x[square(corners())]
    return made
