"""JPEG files by libjpeg-turbo directly: the pixels that Pillow makes of them, in two thirds of its time.

Pillow takes a picture apart into pixels of four bytes and puts it together again for NumPy. Here the library writes
into the array. It is for colour and grey files that decode without a complaint; whatever else there may be about a
file, and what is said of a damaged one, stays Pillow's.
"""

import functools
import io
import struct
from typing import Any

import numpy as np
import simplejpeg
from PIL import Image

Array = np.ndarray[Any, Any]

BEGINNING = b"\xff\xd8\xff"

_MODES = ("L", "RGB")

# Markers: frames that are baseline, extended or progressive, and what may stand before the pixels of a plain file.
_FRAMES = (0xC0, 0xC1, 0xC2)
_HUFFMAN, _SCAN, _QUANTISATION, _RESTART, _JFIF, _COMMENT = 0xC4, 0xDA, 0xDB, 0xDD, 0xE0, 0xFE
# Lengths of a frame's description, and the number of channels that it is of.
_FRAME_LENGTHS = {9: 1, 15: 3}
# Lengths of a segment without a thumbnail, and of one or two tables of bytes.
_JFIF_LENGTH, _TABLES = 16, (67, 132)


def divisor(height: int, width: int, least: int) -> int:
    """By how much a picture may be made smaller, as Pillow's `draft` does it: 1, 2, 4 or 8.

    Args:
        height: of the whole picture.
        width: likewise.
        least: what both are at least afterwards, where the picture has as much; 0: it stays whole.
    """
    scale = min(height, width) // least if least else 1
    return next(number for number in (8, 4, 2, 1) if scale >= number or number == 1)


def plain(content: bytes, most: int, least: int = 0) -> Array | None:
    """The pixels of a file that says nothing but what they are.

    Such a file needs no look at its headers by Pillow, which takes a tenth as long as decoding a picture of 227 pixels.

    Args:
        content: of the file, which begins as JPEG files do.
        most: how many pixels are allowed.
        least: see `divisor`.

    Returns:
        uint8 (height, width, 3); None: let Pillow look at it.
    """
    size = _plain_size(content)
    return _decoded(content, size, least) if size and size[0] * size[1] <= most else None


def pixels(content: bytes, opened: Image.Image, least: int = 0) -> Array | None:
    """What Pillow would make of a file, as RGB.

    Args:
        content: of the file.
        opened: the same by Pillow, not decoded yet: its headers have been looked at.
        least: see `divisor`.

    Returns:
        uint8 (height, width, 3), as the file has it, not turned; None: let Pillow do it.
    """
    if opened.format not in ("JPEG", "MPO") or opened.mode not in _MODES:
        return None
    # Of a file with several pictures Pillow decodes the first one whole.
    return _decoded(content, (opened.height, opened.width), least if opened.format == "JPEG" else 0)


def _decoded(content: bytes, size: tuple[int, int], least: int) -> Array | None:
    if not _agrees():
        return None
    by = divisor(*size, least)
    height, width = (-(-side // by) for side in size)
    try:
        found: Array = simplejpeg.decode_jpeg(content, "RGB", min_height=height, min_width=width, min_factor=by)
    # It is strict: what Pillow's decoder would pass over is an error too.
    except ValueError:
        return None
    return found if found.shape == (height, width, 3) else None


def _plain_size(content: bytes) -> tuple[int, int] | None:
    """Height and width, where only well-formed tables of the usual kinds stand before the first scan."""
    place, size = len(BEGINNING) - 1, None
    while place + 4 <= len(content) and content[place] == 0xFF:
        marker, length = content[place + 1], content[place + 2] << 8 | content[place + 3]
        body = content[place + 4 : place + 2 + length]
        if marker == _SCAN:
            return size
        if marker in _FRAMES and size is None and len(body) in _FRAME_LENGTHS:
            bits, tall, wide, parts = struct.unpack_from(">BHHB", body)
            if bits != 8 or parts != _FRAME_LENGTHS[len(body)]:
                return None
            size = tall, wide
        elif not (
            marker in (_HUFFMAN, _RESTART, _COMMENT)
            or (marker == _QUANTISATION and length in _TABLES and body[:1] < b"\x10")
            or (marker == _JFIF and length == _JFIF_LENGTH and body.startswith(b"JFIF\0"))
        ):
            return None
        place += 2 + length
    return None


@functools.cache
def _agrees() -> bool:
    """Whether Pillow's decoder rounds as this one does: an operating system's own Pillow may have another library."""
    noise = np.random.default_rng(0).integers(0, 256, (37, 45, 3), np.uint8)
    for options in ({"subsampling": 0}, {"subsampling": 1}, {"subsampling": 2, "progressive": True}):
        file = io.BytesIO()
        Image.fromarray(noise).save(file, "JPEG", quality=75, **options)
        with Image.open(file) as picture:
            if not np.array_equal(np.asarray(picture), simplejpeg.decode_jpeg(file.getvalue(), "RGB")):
                return False
    return True
