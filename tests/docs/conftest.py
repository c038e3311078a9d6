"""What the examples of the documentation find in their folder: pictures, a network, a finished run; all tiny."""

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from regraft.recipes import running
from regraft.recipes.depth import halving
from regraft.recipes.pretraining import helping
from regraft.training.heads import layered

_COLOURS = {"daisy": (220, 220, 210), "rose": (190, 40, 60), "tulip": (220, 150, 40)}
_PER_CLASS = 16


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `flowers`, `network.keras` and the finished run `run`."""
    folder = tmp_path_factory.mktemp("prepared")
    _pictures(folder / "flowers")
    _network().save(folder / "network.keras")
    running.fit(
        folder / "flowers",
        folder / "network.keras",
        out=folder / "run",
        fine_tune="no",
        baselines="no",
        cache=tmp_path_factory.mktemp("prepared_cache"),
    )
    return folder


@pytest.fixture
def workplace(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as the current folder.

    What no page shows is not done: whether a pretraining helped; a search tries heads alone, and new layers learn for
    five epochs.
    """
    monkeypatch.setattr(helping, "helped", lambda *_, **__: None)
    monkeypatch.setattr(halving, "work", lambda *_: None)
    monkeypatch.setattr(layered, "_STEPS", 5)
    folder = tmp_path / "here"
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    return folder


def _pictures(folder: Path) -> None:
    random = np.random.default_rng(0)
    for name, colour in _COLOURS.items():
        (folder / name).mkdir(parents=True)
        for number in range(_PER_CLASS):
            tint = np.array(colour) + random.normal(0, 30, (1, 1, 3))
            noisy = np.clip(tint + random.normal(0, 25, (40, 48, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(folder / name / f"{number:02}.png")


def _network() -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = x = keras.Input((32, 32, 3), name="pictures")
    x = keras.layers.Rescaling(1 / 127.5, -1, name="rescaling")(x)
    for number, width in enumerate((8, 16, 32), start=1):
        x = keras.layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False, name=f"conv{number}")(x)
        x = keras.layers.BatchNormalization(name=f"conv{number}_bn")(x)
        x = keras.layers.ReLU(name=f"conv{number}_relu")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, keras.layers.Dense(10, activation="softmax", name="top")(x), name="network")
