"""Pictures that are no two alike, and ways of altering them that leave them the same picture."""

import io

import numpy as np
from PIL import Image


def scene(seed: int, side: int = 96, tint: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Image.Image:
    """Soft blobs with some grain, RGB."""
    draw = np.random.default_rng(seed)
    blobs = Image.fromarray(draw.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    soft = np.asarray(blobs.resize((side, side), Image.Resampling.BICUBIC)) * np.array(tint)
    return Image.fromarray(np.clip(soft + draw.normal(0, 10, (side, side, 3)), 0, 255).astype(np.uint8))


def altered(picture: Image.Image, how: str) -> Image.Image:
    """The picture `compressed`, `resized`, or `cut`."""
    if how == "cut":
        return picture.crop((1, 1, *picture.size))
    if how == "resized":
        return picture.resize((48, 48), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=30)
    return Image.open(buffer)
