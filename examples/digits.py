"""What the examples work with: digits that ship with scikit-learn, and a small network that has learnt 0 to 4."""

import functools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from sklearn.datasets import load_digits

Array = np.ndarray[Any, Any]


def task(first: int) -> tuple[Array, Array]:
    """Pictures (n, 8, 8, 1) of five digits from `first` on, and their labels 0 to 4."""
    pictures, labels = load_digits(return_X_y=True)
    chosen = (labels >= first) & (labels < first + 5)
    return (pictures[chosen] / 16.0).reshape(-1, 8, 8, 1).astype("float32"), labels[chosen] - first


def batches(steps: int, first: int = 5, size: int = 32, seed: int = 0) -> Iterator[tuple[Array, Array]]:
    """So many random batches of a task."""
    x, y = task(first)
    random = np.random.default_rng(seed)
    for _ in range(steps):
        chosen = random.choice(len(x), size, replace=False)
        yield x[chosen], y[chosen]


def network() -> keras.Model:
    """Three blocks of convolution, BatchNorm and dropout, and a layer that answers."""
    keras.utils.set_random_seed(0)
    inputs = x = keras.Input((8, 8, 1))
    for block, width in enumerate((16, 32, 32), 1):
        x = keras.layers.Conv2D(width, 3, strides=min(block, 2), padding="same", name=f"conv{block}")(x)
        x = keras.layers.BatchNormalization(momentum=0.9, name=f"norm{block}")(x)
        x = keras.layers.ReLU(name=f"relu{block}")(x)
        x = keras.layers.Dropout(0.1, name=f"drop{block}")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, keras.layers.Dense(5, name="answer")(x), name="digits")


def pretrained() -> keras.Model:
    """The same, trained for a moment on the digits 0 to 4, compiled with the Adam that did it; a new one every time."""
    learnt, model = _learnt(), network()
    model.set_weights(learnt.get_weights())
    model.compile(keras.optimizers.Adam(0.01), learnt.loss)
    model.optimizer.build(model.trainable_variables)
    for mine, its in zip(model.optimizer.variables, learnt.optimizer.variables, strict=True):
        mine.assign(its)
    return model


@functools.cache
def _learnt() -> keras.Model:
    model = network()
    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, y = task(0)
    # Whole batches only, so that no backend compiles a second step for the rest.
    model.fit(x[:768], y[:768], batch_size=64, epochs=3, verbose=0)
    return model
