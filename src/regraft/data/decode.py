"""Picture files -> uint8 arrays of the number of channels that is wanted, whatever the file's own kind of pixels."""

import contextlib
import contextvars
import io
import threading
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from regraft.core.errors import RequestError
from regraft.data import jpeg
from regraft.data.examples import Array, UnreadableExample

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
READABLE = "JPEG, PNG, GIF, BMP, WebP, TIFF or PPM"

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_EXIF_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_WIDE_FORMATS = ("PPM", "PNG")
_least: contextvars.ContextVar[int] = contextvars.ContextVar("regraft_least_side", default=0)


def read_picture(source: str | Path | bytes, channels: int | None = None, name: str | None = None) -> Array:
    """Decode one picture, upright as its camera meant it.

    Opacity is composited on white, unless 4 channels are wanted. Of an animation, the first frame is taken. Pixels of
    16 bits are scaled so that 65535 becomes 255. Integers of 32 bits and floating point have no stated white: a largest
    value up to 1 (floating point only), 255 or 65535 tells the scale, and above that the largest value is white.

    Args:
        source: a path, or the bytes of a file.
        channels: 1, 3 or 4; None: 3.
        name: what messages call the picture; None: the path.

    Returns:
        uint8 (height, width, channels).

    Raises:
        UnreadableExample: it is truncated, no picture, or too large.
        RequestError: another number of channels.
    """
    channels = 3 if channels is None else channels
    if channels not in _MODES:
        raise RequestError(f"expected 1, 3 or 4 channels for pictures, found {channels}")
    name = name or ("picture" if isinstance(source, bytes) else str(source))
    try:
        content = source if isinstance(source, bytes) else _content(source)
        direct = content if channels == 3 else None
        if direct and (pixels := jpeg.plain(direct, _limit(), _least.get())) is not None:
            return pixels
        with _quiet(), Image.open(source if content is None else io.BytesIO(content), formats=FORMATS) as file:
            _refuse_bomb(file, name)
            if direct and _orientation(file) not in _UPRIGHT:
                pixels = jpeg.pixels(direct, file, _least.get())
                if pixels is not None:
                    return pixels
            _draft(file)
            file.load()
            return _pixels(_upright(file), channels)
    except (UnreadableExample, MemoryError):
        raise
    # A damaged file makes decoders raise whatever they stumble over: OSError, struct.error, IndexError, SyntaxError...
    except Exception as error:
        raise UnreadableExample(name, _reason(error)) from error


def _content(path: str | Path) -> bytes | None:
    """All of a JPEG file; None for another, which Pillow reads as far as it needs."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a path may be a text
        beginning = file.read(len(jpeg.BEGINNING))
        return beginning + file.readall() if beginning == jpeg.BEGINNING else None


@contextlib.contextmanager
def at_least(side: int) -> Generator[None]:
    """JPEG files that this thread reads inside the block may be decoded at 1/2, 1/4 or 1/8 of their size.

    The decoder leaves out what would be averaged away: a photograph of 12 megapixels takes a quarter of the time.

    Args:
        side: what height and width are at least, where the file has as much; 0: every pixel is decoded.
    """
    token = _least.set(side)
    try:
        yield
    finally:
        _least.reset(token)


def _draft(picture: Image.Image) -> None:
    side = _least.get()
    if side and picture.format == "JPEG":
        picture.draft(None, (side, side))  # pyright: ignore[reportArgumentType] - None keeps the mode


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "is missing: no such file"
    if isinstance(error, Image.UnidentifiedImageError):
        return f"is not a picture that can be read; expected {READABLE}"
    if isinstance(error, Image.DecompressionBombError):
        return f"has more than the {_limit():,} pixels that are allowed{_ALLOW_MORE}"
    text = (str(error).splitlines() or [""])[0] or type(error).__name__
    return f"cannot be decoded, it is damaged or truncated: {text}"


_ALLOW_MORE = "; scale it down, or raise PIL.Image.MAX_IMAGE_PIXELS if you trust it"


def _limit() -> int:
    return Image.MAX_IMAGE_PIXELS or 2**62


def _refuse_bomb(picture: Image.Image, name: str) -> None:
    width, height = picture.size
    if width * height > _limit():
        raise UnreadableExample(
            name, f"has {width} x {height} pixels, more than the {_limit():,} that are allowed{_ALLOW_MORE}"
        )


def _upright(picture: Image.Image) -> Image.Image:
    orientation = _orientation(picture)
    return picture.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else picture


def _orientation(picture: Image.Image) -> Any:
    try:
        return picture.getexif().get(_EXIF_ORIENTATION)
    # Damaged EXIF data says nothing about the pixels.
    except Exception:
        return None


def _pixels(picture: Image.Image, channels: int) -> Array:
    if picture.mode.startswith(("I", "F")):
        picture = _eight_bits(picture)
    if picture.has_transparency_data and channels != 4:
        opaque = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque)
    mode = _MODES[channels]
    if picture.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA"):
        picture = picture.convert("RGB")
    pixels = np.array(picture if picture.mode == mode else picture.convert(mode))
    return pixels[:, :, np.newaxis] if channels == 1 else pixels


def _eight_bits(picture: Image.Image) -> Image.Image:
    values = np.asarray(picture).astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("a pixel is not a number or infinite")
    scaled = np.rint(values * (255 / _white(picture, float(values.max(initial=0.0)))))
    gray = Image.fromarray(np.clip(scaled, 0, 255).astype(np.uint8))
    transparent = picture.info.get("transparency")
    if isinstance(transparent, int):
        gray.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return gray


def _white(picture: Image.Image, largest: float) -> float:
    if picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format in _WIDE_FORMATS):
        return 65535.0
    steps = (1.0, 255.0, 65535.0) if picture.mode == "F" else (255.0, 65535.0)
    return next((step for step in steps if largest <= step), largest)


_lock = threading.Lock()
_decoding = 0
_entry: Any = None


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    # warnings.catch_warnings puts back a whole list of filters and so undoes what other threads did meanwhile; here the
    # first of several decoding threads adds one entry about Pillow, and the last one removes that entry.
    global _decoding, _entry
    with _lock:
        _decoding += 1
        if _decoding == 1:
            warnings.filterwarnings("ignore", module=r"PIL\b")
            _entry = warnings.filters[0]
    try:
        yield
    finally:
        with _lock:
            _decoding -= 1
            if not _decoding:
                with contextlib.suppress(ValueError):
                    warnings.filters.remove(_entry)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
