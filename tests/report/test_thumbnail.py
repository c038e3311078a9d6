"""Thumbnails are small pictures of what they are given."""

import io

import numpy as np
import pytest
from PIL import Image

from regraft import report
from regraft.core.errors import DataError


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def test_large_pictures_are_scaled_down_and_keep_their_shape() -> None:
    content = report.thumbnail(np.full((600, 300, 3), (200, 40, 90), np.uint8))
    picture = opened(content)
    assert (picture.format, picture.size) == ("JPEG", (64, 128))
    assert np.abs(np.asarray(picture).astype(int) - (200, 40, 90)).max() <= 4
    assert len(content) < 4000


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1)])
def test_tiny_pictures_are_enlarged_pixel_by_pixel(shape: tuple[int, ...]) -> None:
    array = np.arange(64, dtype=np.uint8).reshape(shape)
    picture = opened(report.thumbnail(array))
    assert (picture.format, picture.size) == ("PNG", (128, 128))
    assert np.array_equal(np.asarray(picture)[::16, ::16], array.reshape(8, 8))


def test_opacity_is_shown_over_white() -> None:
    array = np.zeros((200, 200, 4), np.uint8)
    array[:, :100, 3] = 255
    picture = np.asarray(opened(report.thumbnail(array)))
    assert picture[64, 20].max() < 10
    assert picture[64, 110].min() > 245


def test_very_narrow_pictures_have_at_least_a_pixel() -> None:
    assert opened(report.thumbnail(np.zeros((2000, 1, 3), np.uint8))).size == (1, 128)


@pytest.mark.parametrize("array", [np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4, 3)), np.zeros(4, np.uint8)])
def test_what_is_no_picture_is_refused(array: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"expected a picture for a thumbnail: uint8 .* found (uint8|float64) \("):
        report.thumbnail(array)
