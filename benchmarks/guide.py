"""The reference: the recipe of Keras' own transfer-learning guide, on the same pictures with the same weights.

Pictures are flipped and rotated at random, the base is frozen and called in inference mode, its maps are averaged,
dropped out and classified by one dense layer, with Adam at its default rate; then the base learns too, with Adam at
1e-5. The pictures are decoded once and kept in memory, and no time goes into looking at validation examples between
epochs: the recipe at its fastest, so that nothing is won by a slow reference.
"""

import importlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import pictures, sides
from benchmarks.frame import Result, Settings
from benchmarks.pictures import SIZE
from benchmarks.sides import Clock, Request, Side

_BATCH = 32


def run(settings: Settings) -> Iterator[Result]:
    """Measure every split of every data set; the result so far after each."""
    measured: list[Side] = []
    for data in settings.data:
        for split in range(settings.splits):
            measured.append(sides.fresh("benchmarks.guide", Request(data, split, settings.per_class, settings.epochs)))
            yield sides.result("guide", str(__doc__), measured, settings)


def measure(request: Request) -> Side:
    """Follow the recipe on one split, in this process; judging the result is outside the time that counts."""
    import keras

    # Imported before the clock starts.
    importlib.import_module("tensorflow")
    given = pictures.pictures(request.data, request.per_class)
    train, test = pictures.split(given.labels, request.split)
    labels = np.asarray(given.labels)
    frozen, unfrozen = request.epochs or pictures.TASKS[request.data].epochs
    keras.utils.set_random_seed(request.split)
    clock, cpu = Clock(), time.process_time()
    with clock.stage("decode"):
        known = decode([given.paths[index] for index in train])
    with clock.stage("open"):
        base = trunk(pictures.trunk())
    with clock.stage("head"):
        model = with_head(base, len(given.classes))
        batches = augmented(known, labels[train], request.split)
        learn(model, batches, keras.optimizers.Adam(), frozen)
    with clock.stage("fine_tune"):
        base.trainable = True
        learn(model, batches, keras.optimizers.Adam(1e-5), unfrozen)
    seconds, cpu = sum(clock.stages.values()), time.process_time() - cpu
    with clock.stage("evaluate"):
        answers = model.predict(decode([given.paths[index] for index in test]), verbose=0).argmax(axis=1)
    return Side("guide", request, float(np.mean(answers == labels[test])), seconds, clock.stages, cpu)


def decode(paths: list[Path]) -> np.ndarray[Any, Any]:
    """Pictures as RGB bytes of shape (n, SIZE, SIZE, 3); bilinear, antialiased."""
    decoded = []
    for path in paths:
        with Image.open(path) as picture:
            decoded.append(np.asarray(picture.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)))
    return np.stack(decoded)


def trunk(path: Path) -> Any:
    """The pretrained network with the same weights for pictures of SIZE pixels, frozen."""
    import keras

    stored: Any = keras.models.load_model(path, compile=False)
    base = keras.models.clone_model(stored, input_tensors=keras.Input((SIZE, SIZE, 3)))
    base.set_weights(stored.get_weights())
    base.trainable = False
    return base


def with_head(base: Any, classes: int) -> Any:
    """The recipe's model: pictures with values 0 to 255 in, logits out."""
    import keras

    inputs = keras.Input((SIZE, SIZE, 3))
    maps = base(keras.layers.Rescaling(1 / 127.5, offset=-1.0)(inputs), training=False)
    pooled = keras.layers.Dropout(0.2)(keras.layers.GlobalAveragePooling2D()(maps))
    return keras.Model(inputs, keras.layers.Dense(classes)(pooled))


def augmented(known: np.ndarray[Any, Any], labels: np.ndarray[Any, Any], seed: int) -> Any:
    """Batches that are shuffled, flipped and rotated anew in every epoch, made while the network computes."""
    import keras
    import tensorflow as tf

    flip = keras.layers.RandomFlip("horizontal", seed=seed)
    rotate = keras.layers.RandomRotation(0.1, seed=seed)
    examples = tf.data.Dataset.from_tensor_slices((known, labels)).cache().shuffle(len(known), seed=seed).batch(_BATCH)
    return examples.map(
        lambda batch, label: (rotate(flip(tf.cast(batch, tf.float32), training=True), training=True), label)
    ).prefetch(tf.data.AUTOTUNE)


def learn(model: Any, batches: Any, optimizer: Any, epochs: int) -> None:
    """One stage of the recipe."""
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    model.fit(batches, epochs=epochs, shuffle=False, verbose=0)  # the batches shuffle themselves


if __name__ == "__main__":
    sides.main(measure)
