"""Small pictures and folders of them, made on the spot."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MakePicture = Callable[..., Path]


@pytest.fixture
def picture() -> MakePicture:
    """Writes a picture whose pixels are made from a seed: the same seed, the same bytes."""

    def make(path: Path, seed: int, size: tuple[int, int] = (6, 5)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return make


@pytest.fixture
def flowers(tmp_path: Path, picture: MakePicture) -> Path:
    """A folder of two classes with 30 pictures each."""
    folder = tmp_path / "flowers"
    for number, name in enumerate(("rose", "daisy")):
        for index in range(30):
            picture(folder / name / f"{index}.png", 100 * number + index)
    return folder
