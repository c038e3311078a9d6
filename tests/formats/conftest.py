"""Networks of all kinds of layers with other values in every variable, and the files that Keras makes of them."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

layers = keras.layers


def convolutional() -> keras.Model:
    inputs = keras.Input((16, 16, 3), name="picture")
    x = layers.Rescaling(1 / 255, name="scaled")(inputs)
    x = layers.ZeroPadding2D(((0, 1), (0, 1)), name="padded")(x)
    x = layers.Conv2D(4, 3, strides=2, name="conv_b")(x)
    x = layers.BatchNormalization(name="norm_b")(x)
    x = layers.PReLU(shared_axes=[1, 2], name="rectified")(x)
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv_a")(x)
    x = layers.BatchNormalization(scale=False, name="norm_a")(x)
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="depthwise")(x)
    x = layers.BatchNormalization(center=False, name="norm_c")(x)
    x = layers.BatchNormalization(center=False, scale=False, name="norm_d")(x)
    x = layers.SeparableConv2D(6, 3, name="separable")(x)
    x = layers.Dropout(0.1, name="dropped")(x)
    x = layers.Conv2DTranspose(5, 3, strides=2, name="transposed")(x)
    x = layers.GroupNormalization(5, name="grouped")(x)
    x = layers.MaxPooling2D(name="pooled")(x)
    x = layers.GlobalAveragePooling2D(name="averaged")(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax", name="top")(x), name="convolutional")


def sequential() -> keras.Model:
    parts = [
        keras.Input((8, 8, 1)),
        layers.Conv2D(3, 3, name="first"),
        layers.Flatten(name="flat"),
        layers.Normalization(name="normal"),
        layers.Dense(4, name="second"),
        layers.LayerNormalization(name="layered"),
        layers.LayerNormalization(center=False, name="uncentred"),
        layers.Dense(2, use_bias=False, name="third"),
    ]
    return keras.Sequential(parts, name="chain")


def recurrent() -> keras.Model:
    inputs = keras.Input((7,), dtype="int32", name="characters")
    x = layers.Embedding(11, 6, name="embedded")(inputs)
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="both")(x)
    x = layers.GRU(4, return_sequences=True, name="gated")(x)
    x = layers.SimpleRNN(4, return_sequences=True, use_bias=False, name="simple")(x)
    x = layers.MultiHeadAttention(2, 4, dropout=0.1, name="attended")(x, x)
    x = layers.TimeDistributed(layers.Dense(5), name="distributed")(x)
    x = layers.RNN(layers.StackedRNNCells([layers.LSTMCell(3), layers.GRUCell(2)]), name="stacked")(x)
    return keras.Model(inputs, layers.Dense(2, name="top")(x), name="recurrent")


def _base(name: str) -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="conv1")(inputs)
    x = layers.BatchNormalization(name="norm1")(x)
    x = y = layers.ReLU(name="relu1")(x)
    x = layers.Conv2D(4, 3, padding="same", name="conv2")(x)
    x = layers.Add(name="added")([x, y])
    return keras.Model(inputs, layers.ReLU(name="relu2")(x), name=name)


def nested() -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    x = _base("base")(inputs)
    head = keras.Sequential([layers.GlobalMaxPooling2D(name="pool"), layers.Dense(4, name="hidden")], name="head")
    return keras.Model(inputs, layers.Dense(2, name="hidden")(head(x)), name="nested")


def frozen_base() -> keras.Model:
    base = _base("base")
    base.trainable = False
    parts = [keras.Input((8, 8, 3)), base, layers.Flatten(name="flat"), layers.Dense(2, name="top")]
    return keras.Sequential(parts, name="frozen_base")


def towers() -> keras.Model:
    left, right = keras.Input((8, 8, 3), name="left"), keras.Input((8, 8, 3), name="right")
    base, shared = _base("base"), layers.Dense(3, name="shared")
    flat = layers.Flatten(name="flat")
    a, b = (shared(flat(base(side))) for side in (left, right))
    difference = layers.Subtract(name="difference")([a, b]) * 2.0
    again = shared(layers.Dense(256, name="wide")(difference))
    return keras.Model([left, right], layers.Dense(1, name="same")(again + 1.0), name="towers")


NETWORKS: dict[str, Callable[[], keras.Model]] = {
    function.__name__: function for function in (convolutional, sequential, recurrent, nested, frozen_base, towers)
}


SUFFIXES = {"keras": ".keras", "keras-weights": ".weights.h5", "keras-h5": ".h5"}


@functools.cache
def made(name: str) -> keras.Model:
    """A network whose variables are all different; tests do not change it."""
    model = NETWORKS[name]()
    generator = np.random.default_rng(0)
    for variable in model.variables:
        if "seed" not in variable.path:
            variable.assign(generator.uniform(0.1, 1.0, variable.shape))
    return model


def save(model: keras.Model, path: Path) -> Path:
    """Save a model as the ending of the path says."""
    if path.name.endswith(".weights.h5"):
        model.save_weights(path)
    else:
        model.save(path)
    return path


@pytest.fixture(params=list(NETWORKS))
def network(request: pytest.FixtureRequest) -> keras.Model:
    return made(request.param)


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], tuple[keras.Model, Path]]:
    """Gives a network and the file that Keras made of it, each once."""
    folder = tmp_path_factory.mktemp("saved")

    @functools.cache
    def give(name: str, format_name: str) -> tuple[keras.Model, Path]:
        model = made(name)
        return model, save(model, folder / f"{name}{SUFFIXES[format_name]}")

    return give


@pytest.fixture(scope="session")
def live() -> Callable[[keras.Model], dict[str, Any]]:
    """Gives the values of a model by canonical name, without the state of seeds, which files do not hold."""
    from regraft.graph import names

    def values(model: keras.Model) -> dict[str, Any]:
        variables = names.variables(model).items()
        return {
            name: np.asarray(keras.ops.convert_to_numpy(v)) for name, v in variables if "seed_generator" not in name
        }

    return values


@pytest.fixture
def compiled(tmp_path: Path) -> Callable[..., keras.Model]:
    """Gives a small trained model, so that its optimizer has a state."""

    def give(optimizer: Any, frozen: bool = False) -> keras.Model:
        inputs = keras.Input((4,))
        x = layers.Dense(3, name="low", trainable=not frozen)(inputs)
        x = layers.BatchNormalization(name="norm")(x)
        model = keras.Model(inputs, layers.Dense(2, name="high")(x))
        model.compile(optimizer, "mse")
        generator = np.random.default_rng(0)
        model.fit(generator.normal(size=(8, 4)), generator.normal(size=(8, 2)), batch_size=4, verbose=0)
        return model

    return give
