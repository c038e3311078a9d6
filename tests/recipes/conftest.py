"""What the tests of recipes share: a folder of pictures, and networks as files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.recipes.shapes import convolutional, write_pictures


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three classes, 16 pictures each."""
    return write_pictures(tmp_path_factory.mktemp("data") / "shapes")


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function from the number of channels to the file of a network for pictures."""
    folder = tmp_path_factory.mktemp("networks")

    def saved(channels: int = 3) -> Path:
        path = folder / f"tiny{channels}.keras"
        if not path.exists():
            convolutional(channels).save(path)
        return path

    return saved
