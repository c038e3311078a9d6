"""Small pictures and networks that take a second, for whole runs."""

from pathlib import Path

import keras
import numpy as np
from PIL import Image

SIZE = 16
CLASSES = ("bars", "rings", "spots")


def picture(label: str, index: int, height: int, width: int) -> np.ndarray:
    """One uint8 picture (height, width, 3) of a class: easy to tell apart, no two alike."""
    random = np.random.default_rng([CLASSES.index(label), index])
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    phase = random.uniform(0, 6)
    grey = {
        "bars": np.sin(40 * x + phase),
        "rings": np.sin(50 * np.hypot(x - 0.5, y - 0.5) + phase),
        "spots": np.sin(30 * x + phase) * np.sin(30 * y + phase),
    }[label]
    colour = random.uniform(0.6, 1.0, 3)
    shaded = (grey[:, :, None] + 1) * 100 * colour + random.normal(0, 12, (height, width, 3))
    return np.clip(shaded, 0, 255).astype(np.uint8)


def sizes(index: int) -> tuple[int, int]:
    """Sizes and aspect ratios that differ: as large as the network's, smaller, larger, tall, wide."""
    return ((SIZE, SIZE), (40, 24), (21, 50), (12, 12), (33, 32))[index % 5]


def write_pictures(folder: Path, count: int = 16) -> Path:
    for label in CLASSES:
        (folder / label).mkdir(parents=True)
        for index in range(count):
            Image.fromarray(picture(label, index, *sizes(index))).save(folder / label / f"{index:02}.png")
    return folder


def convolutional(channels: int = 3, name: str = "tiny") -> keras.Model:
    """A network with BatchNorm, whose statistics are those of some data, and a dropout layer."""
    keras.utils.set_random_seed(1)
    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, channels)),
            layers.Conv2D(8, 3, use_bias=False, name="conv1"),
            layers.BatchNormalization(name="bn1"),
            layers.ReLU(name="relu1"),
            layers.Conv2D(12, 3, strides=2, name="conv2", activation="relu"),
            layers.Dropout(0.2, name="drop"),
            layers.Conv2D(16, 3, name="conv3", activation="relu"),
        ],
        name=name,
    )
    random = np.random.default_rng(0)
    for variable in network.get_layer("bn1").non_trainable_variables:
        variable.assign(random.uniform(0.5, 1.5, variable.shape))
    return network
