"""What the tests of the command line share: pictures, a network, a finished run, and a way to say commands."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from regraft.cli import main

COLOURS = {"blue": (40, 60, 200), "green": (50, 180, 70), "red": (210, 50, 40)}
# Enough for every step of a fit, and no more.
QUICK = ("--fine-tune", "no", "--no-baselines")


@dataclass(frozen=True)
class Said:
    """What came of a command."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def refusal(self) -> str:
        """The one line of a command that was refused."""
        lines = self.err.splitlines()
        assert self.out == ""
        assert len(lines) == 1, self.err
        assert lines[0].startswith("regraft: ")
        assert "Traceback" not in self.err
        return lines[0]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """A function that runs a command in this process."""

    def said(*words: object) -> Said:
        capsys.readouterr()
        status = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Said(status, captured.out, captured.err)

    return said


def write_pictures(folder: Path, per_class: int = 14, classes: tuple[str, ...] = tuple(COLOURS)) -> Path:
    """A folder of small coloured pictures, one sub-folder per class."""
    random = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            noisy = np.array(COLOURS[name]) + random.normal(0, 40, (16, 16, 3))
            Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(folder / name / f"{number:02}.png")
    return folder


def network(channels: int = 3) -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, channels))
    x = keras.layers.Rescaling(1 / 255, name="rescaling")(inputs)
    for number, width in enumerate((4, 8), start=1):
        x = keras.layers.Conv2D(width, 3, strides=2, activation="relu", name=f"conv{number}")(x)
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(inputs, keras.layers.Dense(4, activation="softmax", name="top")(x), name="tiny")


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `pictures`, `network.keras`, and the finished run `run`."""
    folder = tmp_path_factory.mktemp("place")
    write_pictures(folder / "pictures")
    network().save(folder / "network.keras")
    words = ["fit", folder / "pictures", "--source", folder / "network.keras", "--out", folder / "run"]
    assert main([*map(str, words), *QUICK, "--cache", str(folder / "cache")]) == 0
    return folder
