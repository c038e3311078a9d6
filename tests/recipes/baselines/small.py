"""Small tasks: digits of scikit-learn and small networks, ready for a run and for its baselines."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from regraft.activations.store import Store
from regraft.core.plan import FineTuneSpec, Plan
from regraft.data import Examples
from regraft.data import open as open_data
from regraft.importers import Pretrained
from regraft.importers import open as open_source
from regraft.recipes import demo
from regraft.recipes.baselines import Task
from regraft.recipes.survey import resolved, survey

Array = np.ndarray[Any, Any]


def network(seed: int, classes: int = 5, side: int = 8, width: int = 16) -> keras.Model:
    """A small convolutional network for digits, with BatchNorm, not trained."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((side, side, 1)),
            layers.Rescaling(1 / 255, name="rescaling"),
            layers.Conv2D(width, 3, padding="same", name="conv1"),
            layers.BatchNormalization(momentum=0.9, name="bn1"),
            layers.ReLU(name="relu1"),
            layers.MaxPooling2D(name="pool1"),
            layers.Conv2D(2 * width, 3, padding="same", activation="relu", name="conv2"),
            layers.Flatten(name="flatten"),
            layers.Dense(4 * width, activation="relu", name="dense"),
            layers.Dense(classes, activation="softmax", name="top"),
        ],
        name="small",
    )


def taught(model: keras.Model, images: Array, labels: Array, epochs: int, rate: float = 2e-3) -> keras.Model:
    """The model itself, trained."""
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    silent: Any = 0
    model.fit(images, labels, batch_size=64, epochs=epochs, verbose=silent)
    return model


def divided(images: Array, labels: Array, counts: tuple[int, int], seed: int) -> dict[str, Array]:
    """A data set of one array per split: so many of each class for training and validation, the others for test."""
    random = np.random.default_rng(seed)
    parts: dict[str, list[Array]] = {"train": [], "val": [], "test": []}
    for label in np.unique(labels):
        of_it = random.permutation(np.flatnonzero(labels == label))
        for part, chosen in zip(parts, np.split(of_it, np.cumsum(counts)), strict=True):
            parts[part].append(chosen)
    made: dict[str, Array] = {}
    for part, chosen in parts.items():
        if len(indices := np.concatenate(chosen)):
            made |= {f"{part}_images": images[indices], f"{part}_labels": labels[indices].astype(str)}
    return made


def opened(arrays: dict[str, Array], path: Path) -> Examples:
    """The examples in a file of these arrays."""
    np.savez(path, **arrays)  # pyright: ignore[reportArgumentType]
    return open_data(path)


def task_of(model: keras.Model, examples: Examples, cut_point: str, folder: Path, **more: Any) -> Task:
    """What baselines are asked about a plan whose head alone is fitted."""
    pretrained: Pretrained = open_source(model)
    plan = Plan("small", cut_point=cut_point, fine_tune=FineTuneSpec("no"), refit="no", **more)
    found = survey(pretrained, examples, plan, Store(folder))
    return Task.of(pretrained, found, resolved(pretrained.model, plan, found, cut_point))


def new_digits() -> tuple[Array, Array]:
    """The digits 5 to 9, uint8 (n, 8, 8, 1), labels 5 to 9."""
    images, labels = demo.digits()
    return images[labels > 4], labels[labels > 4]
