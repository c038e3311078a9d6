"""Pictures held as arrays, brought to another number of channels by the same arithmetic that Pillow uses for files."""

import numpy as np

from regraft.core.errors import RequestError
from regraft.data.examples import Array

COUNTS = (1, 3, 4)

# ITU-R 601 luma in 1/65536, as Pillow has it.
_LUMA = (19595, 38470, 7471)


def to_channels(picture: Array, channels: int, white: float) -> Array:
    """The same picture with another number of channels; opacity is composited on white.

    Args:
        picture: (height, width, 1, 3 or 4).
        channels: 1, 3 or 4.
        white: the value of full intensity and full opacity.

    Returns:
        An array of the same dtype, (height, width, channels).

    Raises:
        RequestError: another number of channels.
    """
    if channels not in COUNTS:
        raise RequestError(f"expected 1, 3 or 4 channels for pictures, found {channels}")
    if picture.shape[-1] == channels:
        return picture
    if picture.shape[-1] == 4:
        return to_channels(_on_white(picture, white), channels, white)
    if channels == 1:
        return _gray(picture)
    if picture.shape[-1] == 1:
        picture = np.repeat(picture, 3, axis=-1)
    return picture if channels == 3 else _with_opacity(picture, white)


def _on_white(picture: Array, white: float) -> Array:
    opacity = picture[:, :, 3:].astype(np.float64) / white
    mixed = picture[:, :, :3] * opacity + white * (1 - opacity)
    return (mixed if picture.dtype.kind == "f" else np.rint(mixed)).astype(picture.dtype)


def _gray(picture: Array) -> Array:
    if picture.dtype.kind == "f":
        return (picture @ (np.array(_LUMA) / 65536)).astype(picture.dtype)[:, :, np.newaxis]
    return ((picture.astype(np.int64) @ np.array(_LUMA) + 0x8000) >> 16).astype(picture.dtype)[:, :, np.newaxis]


def _with_opacity(picture: Array, white: float) -> Array:
    opacity = np.full((*picture.shape[:2], 1), white, dtype=picture.dtype)
    return np.concatenate([picture, opacity], axis=-1)
