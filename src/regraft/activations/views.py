"""True views of a picture: what augmentation would make of it, but the same every time.

View 0 is the picture itself, view 1 its mirror image; higher ones are crops, mirrored or not, whose place and size
follow from the picture's content digest and the view's number alone.
"""

from typing import Any

import numpy as np

_SMALLEST_AREA = 0.5
_ASPECT = 4 / 3


def view_of(picture: np.ndarray[Any, Any], number: int, example: str) -> np.ndarray[Any, Any]:
    """One view of a picture.

    Args:
        picture: (height, width, channels).
        number: 0 for the picture itself.
        example: the picture's content digest.

    Returns:
        A picture of the same dtype, for crops a smaller one; it may be a view into `picture`.
    """
    if number == 0:
        return picture
    if number == 1:
        return _mirrored(picture)
    random = np.random.default_rng([number, int(example[:16], 16)])
    area = random.uniform(_SMALLEST_AREA, 1.0)
    aspect = np.exp(random.uniform(-np.log(_ASPECT), np.log(_ASPECT)))
    height, width = picture.shape[:2]
    new_height = max(1, min(height, round(height * np.sqrt(area / aspect))))
    new_width = max(1, min(width, round(width * np.sqrt(area * aspect))))
    top = int(random.integers(0, height - new_height + 1))
    left = int(random.integers(0, width - new_width + 1))
    cropped = picture[top : top + new_height, left : left + new_width]
    return _mirrored(cropped) if random.integers(2) else cropped


def _mirrored(picture: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The mirror image, copied pixel by pixel: byte by byte, NumPy takes four times as long."""
    whole = np.ascontiguousarray(picture)
    pixels = whole.view(f"V{whole.itemsize * whole.shape[-1]}")
    return np.ascontiguousarray(pixels[:, ::-1]).view(whole.dtype)
