"""A small picture of an example, to be put inside a page."""

import io
from typing import Any

import numpy as np
from PIL import Image

from regraft.core.errors import DataError

_SIDE = 128
_QUALITY = 82


def thumbnail(array: np.ndarray[Any, Any]) -> bytes:
    """A picture small enough for a page, so that one can see what a model got wrong.

    Large pictures are scaled down and written as JPEG. Very small ones (handwritten digits, icons) are enlarged by a
    whole factor without smoothing and written as PNG: their pixels are what the network saw.

    Args:
        array: uint8, (height, width) or (height, width, channels) with 1, 3 or 4 channels; the fourth is opacity, shown
            over white.

    Returns:
        The bytes of a JPEG or PNG file whose longer side is at most 128 pixels.

    Raises:
        DataError: the array is no picture.
    """
    picture = picture_of(array)
    longest = max(picture.size)
    if longest > _SIDE // 2:
        picture.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
        return _file(picture, "JPEG", quality=_QUALITY, optimize=True)
    factor = _SIDE // longest
    enlarged = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    return _file(enlarged, "PNG", optimize=True)


def picture_of(array: np.ndarray[Any, Any]) -> Image.Image:
    """An array as a picture in grey or colours; see `thumbnail`.

    Raises:
        DataError: the array is no picture.
    """
    if array.ndim == 2:
        array = array[:, :, np.newaxis]
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[-1] not in (1, 3, 4) or 0 in array.shape:
        raise DataError(
            f"expected a picture for a thumbnail: uint8 (height, width, 1, 3 or 4 channels), "
            f"found {array.dtype} {array.shape}"
        )
    if array.shape[-1] == 1:
        return Image.fromarray(np.ascontiguousarray(array[:, :, 0]))
    picture = Image.fromarray(np.ascontiguousarray(array))
    if array.shape[-1] == 3:
        return picture
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


def _file(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
