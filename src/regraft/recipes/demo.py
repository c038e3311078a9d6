"""The main job, shown: a network that knows the digits 0 to 4 is reused for the digits 5 to 9."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

from regraft.core import storage
from regraft.core.errors import RequestError
from regraft.core.progress import say, track
from regraft.core.records import RunRecord
from regraft.recipes.running import fit

Array = np.ndarray[Any, Any]

SOURCE, DATA, PICTURES, RUN, CACHE = "digits-0-to-4.keras", "digits-5-to-9.npz", "pictures", "run", "cache"
# What a folder has that a demo made, so that the next one may replace what is in it.
_MARK = ".regraft-demo"
_KNOWN = range(5)
_NEW = range(5, 10)
_TRAINING, _VALIDATION, _SHOWN = 10, 20, 2
EPOCHS = 15
_HELD_BACK = 200
# Digits stand anywhere on a sheet larger than they are, among specks: to see through that is what the source can learn
# from many pictures, and a network from scratch cannot from fifty. Without specks, one that is well tuned can: it was
# right on 89.7 % of new digits, the source reused on 86.7 %.
_SIDE = 16
_SPECKS = 0.03
# scikit-learn's digits have 17 levels of gray, 0 to 16; ordinary pictures have 256.
_LEVELS = 16
# Keras' own figure for no output, which its annotations do not know.
_SILENT: Any = 0


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo made.

    Attributes:
        source: the network's file.
        source_examples: pictures of the digits 0 to 4 that it learnt from.
        source_accuracy: its share of right answers on others of these digits.
        source_seconds: how long that took.
        examples: pictures of the digits 5 to 9 that the transfer learnt from.
        data: the file of the digits 5 to 9.
        pictures: a folder of a few of them that nothing was trained on or chosen by, to predict.
        run: the record of the transfer.
        seconds: of everything, imports left out.
    """

    source: str
    source_examples: int
    source_accuracy: float
    source_seconds: float
    examples: int
    data: str
    pictures: str
    run: RunRecord
    seconds: float


def demo(out: Path, seed: int = 0) -> Demo:
    """Train a small network on the digits 0 to 4, and reuse it for 5 to 9 with ten pictures of each. All offline.

    The digits are scikit-learn's, each at a random place of a sheet larger than it is.

    Args:
        out: the folder for it; what an earlier demo left there is replaced.
        seed: of every random choice.

    Raises:
        RequestError: the folder holds something else than a demo.
        StorageError: the disk refused.
    """
    started = time.perf_counter()
    clear(out)
    images, labels = digits()
    known = labels < len(_KNOWN)
    say("1. A small network learns the digits 0 to 4, each standing somewhere on a sheet, from plenty of pictures.")
    model, learnt, accuracy = source_network(images[known], labels[known], seed)
    storage.write_with(out / SOURCE, model.save)
    trained = time.perf_counter() - started
    say(f"It learnt from {learnt} pictures, and gets {accuracy:.1%} of {_HELD_BACK} others right.")
    say(f"2. It is reused for the digits 5 to 9, which it never saw, with {_TRAINING} pictures of each.")
    write_data(out / DATA, out / PICTURES, images[~known], labels[~known], seed)
    # One view: a digit that is mirrored is another sign. No refit: ten of each is all that it learns from.
    run = fit(
        out / DATA, out / SOURCE, out=out / RUN, cache=out / CACHE, seed=seed, baselines="yes", views=1, refit="no"
    )
    return Demo(
        source=str(out / SOURCE),
        source_examples=learnt,
        source_accuracy=accuracy,
        source_seconds=trained,
        examples=run.record.data.examples["train"],
        data=str(out / DATA),
        pictures=str(out / PICTURES),
        run=run.record,
        seconds=time.perf_counter() - started,
    )


def clear(out: Path) -> None:
    """Make the folder ready: new, or emptied of an earlier demo.

    Raises:
        RequestError: it holds something else.
    """
    with storage.storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()) and not (out / _MARK).exists():
            raise RequestError(f"'{out}' is not empty and holds no demo; name another folder with --out")
        storage.write_text(out / _MARK, "Made by `regraft demo`, which replaces what is here when it runs again.\n")
        for folder in (RUN, CACHE, PICTURES):
            shutil.rmtree(out / folder, ignore_errors=True)
        for file in (SOURCE, DATA):
            (out / file).unlink(missing_ok=True)


def digits() -> tuple[Array, Array]:
    """scikit-learn's handwritten digits as ordinary pictures: uint8 (1797, 8, 8, 1) from 0 to 255, and int64 labels."""
    # Here, because its data come with a module that takes a while to import.
    from sklearn.datasets import load_digits

    loaded: Any = load_digits()
    grays = np.round(loaded.images[..., np.newaxis] * (255 / _LEVELS)).astype(np.uint8)
    return grays, loaded.target.astype(np.int64)


def on_sheets(images: Array, random: np.random.Generator) -> Array:
    """Each picture at a place of its own on a black sheet, and specks over all: uint8 (n, 16, 16, 1)."""
    sheets = np.zeros((len(images), _SIDE, _SIDE, 1), np.uint8)
    height, width = images.shape[1:3]
    tops = random.integers(0, _SIDE - height + 1, len(images))
    lefts = random.integers(0, _SIDE - width + 1, len(images))
    for sheet, image, top, left in zip(sheets, images, tops, lefts, strict=True):
        sheet[top : top + height, left : left + width] = image
    specks = random.random(sheets.shape) < _SPECKS
    return np.where(specks, random.integers(0, 256, sheets.shape, np.uint8), sheets)


def source_network(images: Array, labels: Array, seed: int) -> tuple[keras.Model, int, float]:
    """A convolutional network for the digits given.

    Returns:
        The network, how many pictures it learnt from, and its accuracy on the others.
    """
    random = np.random.default_rng(seed)
    order = random.permutation(len(images))
    training, others = order[_HELD_BACK:], order[:_HELD_BACK]
    model = _network(len(_KNOWN), seed)
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    for _ in track(range(EPOCHS), "training the source"):
        shuffled = random.permutation(training)
        sheets = on_sheets(images[shuffled], random)
        model.fit(sheets, labels[shuffled], batch_size=32, shuffle=False, verbose=_SILENT)
    answers = np.argmax(model.predict(on_sheets(images[others], random), verbose=_SILENT), axis=1)
    correct = answers == labels[others]
    return model, len(training), float(correct.mean())


def write_data(path: Path, pictures: Path, images: Array, labels: Array, seed: int) -> None:
    """Write the new digits, divided into training, validation and test, and a few of the last as picture files."""
    random = np.random.default_rng(seed)
    images = on_sheets(images, random)
    parts: dict[str, list[Array]] = {"train": [], "val": [], "test": []}
    for digit in _NEW:
        of_it = random.permutation(np.flatnonzero(labels == digit))
        ends = [_TRAINING, _TRAINING + _VALIDATION]
        for part, indices in zip(parts, np.split(of_it, ends), strict=True):
            parts[part].append(indices)
    arrays: dict[str, Any] = {}
    for part, chosen in parts.items():
        indices = np.concatenate(chosen)
        arrays[f"{part}_images"] = images[indices]
        arrays[f"{part}_labels"] = labels[indices].astype(str)
    storage.write_with(path, lambda partial: np.savez_compressed(partial, **arrays))
    pictures.mkdir()
    for digit, of_it in zip(_NEW, parts["test"], strict=True):
        for number, index in enumerate(of_it[:_SHOWN], start=1):
            Image.fromarray(images[index, :, :, 0]).save(pictures / f"a-{digit}-{number}.png")


def _network(classes: int, seed: int) -> keras.Model:
    def start(layer: int) -> Any:
        return keras.initializers.HeNormal(seed=10 * seed + layer)

    inputs = x = keras.Input((_SIDE, _SIDE, 1), name="picture")
    x = keras.layers.Rescaling(1 / 255, name="rescaling")(x)
    for block, width in enumerate((32, 64, 64), start=1):
        x = keras.layers.Conv2D(width, 3, padding="same", kernel_initializer=start(block), name=f"conv{block}")(x)
        x = keras.layers.ReLU(name=f"conv{block}_relu")(x)
        if block == 1:
            x = keras.layers.MaxPooling2D(name="pool")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dropout(0.2, seed=seed, name="flatten_dropout")(x)
    x = keras.layers.Dense(128, activation="relu", kernel_initializer=start(4), name="strokes")(x)
    x = keras.layers.Dropout(0.4, seed=seed, name="strokes_dropout")(x)
    outputs = keras.layers.Dense(classes, activation="softmax", kernel_initializer=start(5), name="digit")(x)
    return keras.Model(inputs, outputs, name="digits")
