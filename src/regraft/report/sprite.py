"""Many small pictures in one file: a page that holds two hundred of them need not hold two hundred files."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from regraft.report.thumbnail import picture_of

Array = np.ndarray[Any, Any]

SIDE = 64
COLUMNS = 16
_QUALITY = 74
_GREY = (127, 127, 127)


def sprite(arrays: Sequence[Array]) -> bytes:
    """One JPEG with each picture in a square of 64 pixels, 16 in a row, from left to right and downwards.

    A picture that is not square has grey beside it; a very small one is enlarged by a whole factor without smoothing.

    Args:
        arrays: one or more, each as `thumbnail` takes it.

    Raises:
        DataError: an array is no picture.
    """
    rows = -(-len(arrays) // COLUMNS)
    sheet = Image.new("RGB", (min(COLUMNS, len(arrays)) * SIDE, rows * SIDE), _GREY)
    for place, array in enumerate(arrays):
        small = _fitted(picture_of(array).convert("RGB"))
        left, top = SIDE * (place % COLUMNS), SIDE * (place // COLUMNS)
        sheet.paste(small, (left + (SIDE - small.width) // 2, top + (SIDE - small.height) // 2))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return buffer.getvalue()


def _fitted(picture: Image.Image) -> Image.Image:
    factor = SIDE // max(picture.size)
    if factor > 1:
        return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    # Powers of two first, by averages: a photograph of twelve megapixels takes as long as a small one.
    picture = picture.reduce(max(1, min(picture.size) // (4 * SIDE)))
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return picture
