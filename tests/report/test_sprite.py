"""Many pictures in one file: each is where it is said to be."""

import io

import numpy as np
import pytest
from PIL import Image

from regraft.core.errors import DataError
from regraft.report.sprite import COLUMNS, SIDE, sprite


def decoded(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as sheet:
        return np.asarray(sheet.convert("RGB"), int)


def test_each_picture_has_its_own_square() -> None:
    colours = [(index * 9 % 256, 255 - index * 7 % 256, 120) for index in range(COLUMNS + 3)]
    made = decoded(sprite([np.full((40, 40, 3), colour, np.uint8) for colour in colours]))
    assert made.shape == (2 * SIDE, COLUMNS * SIDE, 3)
    for place, colour in enumerate(colours):
        row, column = divmod(place, COLUMNS)
        middle = made[row * SIDE + SIDE // 2, column * SIDE + SIDE // 2]
        # JPEG at this quality is off by a few of 255 on even ground.
        assert middle == pytest.approx(colour, abs=6)


def test_grey_opaque_wide_and_tiny_pictures_fit() -> None:
    wide, tiny = np.zeros((100, 400, 3), np.uint8), np.full((8, 8), 255, np.uint8)
    clear = np.zeros((30, 30, 4), np.uint8)
    made = decoded(sprite([wide, tiny, clear]))
    assert made.shape == (SIDE, 3 * SIDE, 3)
    # A wide one is a quarter as high, with grey above and below; opacity is shown over white.
    assert made[SIDE // 2, SIDE // 2] == pytest.approx([0, 0, 0], abs=6)
    assert made[4, SIDE // 2] == pytest.approx([127, 127, 127], abs=6)
    assert made[SIDE // 2, SIDE + SIDE // 2] == pytest.approx([255] * 3, abs=6)
    assert made[SIDE // 2, 2 * SIDE + SIDE // 2] == pytest.approx([255] * 3, abs=6)


def test_two_hundred_photographs_take_a_part_of_a_megabyte() -> None:
    random = np.random.default_rng(0)
    photographs = [
        np.asarray(Image.fromarray(random.integers(0, 255, (12, 12, 3), dtype=np.uint8)).resize((200, 160)))
        for _ in range(192)
    ]
    assert len(sprite(photographs)) < 500_000


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(DataError, match="expected a picture"):
        sprite([np.zeros((4, 4, 7), np.uint8)])
