"""The table of sample networks that the laws run over; one that is added here inherits them all.

Every network is built small and anew, with the same random values in every variable, statistics included. Nothing in a
network knows which law looks at it.
"""

import functools
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest
from keras.src.applications.efficientnet import EfficientNet
from keras.src.applications.mobilenet_v2 import _inverted_res_block

layers = keras.layers


@dataclass(frozen=True)
class Network:
    """A row of the table.

    Attributes:
        build: makes it, with whatever weights Keras gives it.
        slow: takes seconds rather than tenths of a second.
        whole_numbers: its input is below this number and whole; 0: any values.
    """

    build: Callable[[], keras.Model]
    slow: bool = False
    whole_numbers: int = 0


@keras.saving.register_keras_serializable(package="laws")
class Gated(layers.Layer):
    """A layer with sub-layers, one of them random, in an attribute and in a list."""

    def __init__(self, width: int, rate: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.width, self.rate = width, rate
        self.gate = layers.Dense(width, activation="sigmoid")
        self.steps = [layers.Dense(width), layers.LayerNormalization()]
        self.dropped = layers.Dropout(rate)

    def build(self, shape: Any) -> None:
        self.gate.build(shape)
        self.steps[0].build(shape)
        self.steps[1].build((*shape[:-1], self.width))

    def call(self, x: Any, training: bool | None = None) -> Any:
        made = x
        for step in self.steps:
            made = step(made)
        return self.dropped(self.gate(x) * made, training=training)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width, "rate": self.rate}


@keras.saving.register_keras_serializable(package="laws")
class Scaled(layers.Layer):
    """A layer with variables that have no names of their own."""

    def build(self, shape: Any) -> None:
        self.factor = self.add_weight(shape=(shape[-1],), initializer="ones")
        self.shift = self.add_weight(shape=(shape[-1],), initializer="zeros")

    def call(self, x: Any) -> Any:
        return x * self.factor + self.shift


def perceptron() -> keras.Model:
    parts = [
        keras.Input((5,)),
        layers.Dense(8, activation="relu", name="first"),
        layers.BatchNormalization(name="norm"),
        layers.Dropout(0.3, name="dropped"),
        layers.Dense(6, activation="tanh", name="second"),
        layers.Dense(3, name="third"),
    ]
    return keras.Sequential(parts, name="perceptron")


def chain() -> keras.Model:
    inputs = keras.Input((12, 12, 3), name="picture")
    x = layers.Rescaling(1 / 127.5, -1.0, name="scaled")(inputs)
    for block, width in enumerate((4, 6)):
        x = layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"conv{block}")(x)
        x = layers.BatchNormalization(name=f"norm{block}")(x)
        x = layers.ReLU(name=f"relu{block}")(x)
        x = layers.MaxPooling2D(name=f"pool{block}")(x)
    x = layers.GlobalAveragePooling2D(name="averaged")(x)
    return keras.Model(inputs, layers.Dense(4, name="top")(x), name="chain")


def residual() -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="stem")(inputs)
    for block in range(2):
        y = layers.BatchNormalization(name=f"block{block}_norm")(x)
        y = layers.Conv2D(4, 3, padding="same", activation="relu", name=f"block{block}_conv")(y)
        y = layers.SpatialDropout2D(0.2, name=f"block{block}_dropped")(y)
        x = layers.Add(name=f"block{block}_sum")([x, y])
    return keras.Model(inputs, layers.GlobalMaxPooling2D(name="highest")(x), name="residual")


def branches() -> keras.Model:
    inputs = keras.Input((8, 8, 2))
    x = layers.Conv2D(4, 3, name="stem")(inputs)
    parts = [layers.Conv2D(3, size, padding="same", name=f"width{size}")(x) for size in (1, 3, 5)]
    x = layers.Concatenate(name="together")([*parts, layers.AveragePooling2D(1, name="as_is")(x)])
    x = layers.PReLU(shared_axes=[1, 2], name="rectified")(x)
    return keras.Model(inputs, layers.Flatten(name="flat")(x), name="branches")


def separable() -> keras.Model:
    inputs = keras.Input((9, 9, 3))
    x = layers.ZeroPadding2D(((0, 1), (0, 1)), name="padded")(inputs)
    x = layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2, use_bias=False, name="depthwise")(x)
    x = layers.BatchNormalization(scale=False, name="norm")(x)
    x = layers.ReLU(6.0, name="relu6")(x)
    x = layers.SeparableConv2D(5, 3, padding="same", name="separable")(x)
    x = layers.GroupNormalization(5, name="grouped")(x)
    return keras.Model(inputs, layers.UpSampling2D(2, name="larger")(x), name="separable")


def _base(name: str) -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="conv1")(inputs)
    x = layers.BatchNormalization(name="norm1")(x)
    x = layers.Dropout(0.2, name="dropped")(x)
    y = layers.Conv2D(4, 1, name="conv2")(layers.ReLU(name="relu1")(x))
    return keras.Model(inputs, layers.Add(name="sum")([x, y]), name=name)


def nested() -> keras.Model:
    """A model in a model in a model, called as the official guide does it."""
    middle_inputs = keras.Input((8, 8, 3))
    x = layers.GaussianNoise(0.1, name="noise")(middle_inputs)
    x = _base("base")(x, training=False)
    middle = keras.Model(middle_inputs, layers.ReLU(name="relu2")(x), name="middle")
    inputs = keras.Input((8, 8, 3))
    x = layers.Dropout(0.1, name="dropped")(middle(inputs, training=False))
    x = layers.GlobalAveragePooling2D(name="averaged")(x)
    return keras.Model(inputs, layers.Dense(3, name="top")(x), name="outer")


def nested_sequential() -> keras.Model:
    features = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, name="conv"),
            layers.BatchNormalization(name="norm"),
            _small("inner", (6, 6, 4)),
        ],
        name="features",
    )
    return keras.Sequential(
        [keras.Input((8, 8, 3)), features, layers.Flatten(name="flat"), layers.Dense(3, name="top")], name="stack"
    )


def _small(name: str, shape: tuple[int, ...]) -> keras.Model:
    return keras.Sequential([keras.Input(shape), layers.Conv2D(3, 3, name="conv"), layers.ELU(name="elu")], name=name)


def towers() -> keras.Model:
    """Two towers that share one nested model."""
    tower = _base("tower")
    inputs = keras.Input((8, 8, 3))
    left = tower(layers.Conv2D(3, 1, name="left")(inputs))
    right = tower(layers.Conv2D(3, 1, name="right")(inputs))
    x = layers.Subtract(name="difference")([left, right])
    return keras.Model(inputs, layers.GlobalAveragePooling2D(name="averaged")(x), name="towers")


def twice() -> keras.Model:
    """A shared layer, and a shared nested model, each called twice in a row."""
    inputs = keras.Input((6, 6, 3))
    shared = layers.Conv2D(3, 3, padding="same", activation="relu", name="shared")
    norm = layers.BatchNormalization(name="norm")
    again = keras.Sequential([keras.Input((6, 6, 3)), layers.Conv2D(3, 1, name="inner"), norm], name="again")
    x = again(shared(shared(inputs)))
    x = layers.ReLU(name="between")(x)
    return keras.Model(inputs, layers.Flatten(name="flat")(again(x)), name="twice")


def attention() -> keras.Model:
    inputs = keras.Input((6, 8))
    x = layers.LayerNormalization(name="norm1")(inputs)
    x = layers.MultiHeadAttention(2, 4, dropout=0.2, name="attended")(x, x)
    x = layers.Add(name="sum1")([inputs, x])
    y = layers.Dense(8, activation="gelu", name="wide")(layers.LayerNormalization(name="norm2")(x))
    x = layers.Add(name="sum2")([x, layers.GaussianDropout(0.1, name="dropped")(y)])
    return keras.Model(inputs, layers.GlobalAveragePooling1D(name="averaged")(x), name="attention")


def operations() -> keras.Model:
    """Operations of `keras.ops`, slices and constants in the graph."""
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="conv")(keras.ops.flip(inputs, axis=-1))
    x = keras.ops.relu(x)[:, ::2] * 2.0
    x = keras.ops.add(x, np.linspace(-1, 1, 4, dtype="float32"))
    y = keras.ops.concatenate([x, keras.ops.sqrt(keras.ops.abs(x) + 1.0)], axis=-1)
    return keras.Model(inputs, layers.Dense(3, name="top")(keras.ops.max(y, axis=(1, 2))), name="operations")


def custom() -> keras.Model:
    inputs = keras.Input((5,))
    x = layers.Normalization(name="normal")(inputs)
    x = Gated(6, 0.2, name="gated")(x)
    x = Scaled(name="scaled")(x)
    return keras.Model(inputs, layers.Dense(2, name="top")(Gated(4, name="ungated")(x)), name="custom")


def recurrent() -> keras.Model:
    inputs = keras.Input((5, 3))
    both = layers.Bidirectional(layers.LSTM(3, return_sequences=True, dropout=0.2, recurrent_dropout=0.1), name="both")
    x = layers.TimeDistributed(layers.Dense(4), name="distributed")(both(inputs))
    x = layers.GRU(4, name="gated")(x)
    return keras.Model(inputs, layers.Dense(2, name="top")(x), name="recurrent")


def text() -> keras.Model:
    """Whole numbers in; a mask goes with them up to the LSTM."""
    inputs = keras.Input((6,), dtype="int32", name="characters")
    x = layers.Embedding(11, 4, mask_zero=True, name="embedded")(inputs)
    x = layers.SpatialDropout1D(0.1, name="dropped")(x)
    x = layers.LSTM(5, name="read")(x)
    return keras.Model(inputs, layers.Dense(2, name="top")(x), name="text")


def several() -> keras.Model:
    """Two inputs, two outputs, by name."""
    left, right = keras.Input((4,), name="left"), keras.Input((3,), name="right")
    x = layers.Concatenate(name="together")([layers.Dense(3, name="widened")(left), right])
    x = layers.Dense(5, activation="relu", name="hidden")(x)
    outputs = {"a": layers.Dense(2, name="first")(x), "b": layers.Dense(3, name="second")(x)}
    return keras.Model({"left": left, "right": right}, outputs, name="several")


def mobilenet() -> keras.Model:
    """The lower blocks of Keras' own MobileNetV2; on JAX every shape of a layer is compiled."""
    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="Conv1")(inputs)
    x = layers.ReLU(6.0, name="Conv1_relu")(layers.BatchNormalization(momentum=0.999, name="bn_Conv1")(x))
    for block, (filters, stride) in enumerate(((16, 1), (24, 2), (24, 1), (32, 2), (32, 1), (64, 2))):
        x = _inverted_res_block(x, 6 if block else 1, stride, 0.35, filters, block)
    return keras.Model(inputs, x, name="mobilenet")


def efficientnet() -> keras.Model:
    """Keras' own EfficientNet, drop-connect and Normalization included, with fewer and narrower layers."""
    return EfficientNet(
        0.2, 0.5, 32, input_shape=(32, 32, 3), include_top=False, weights=None, weights_name="", name="efficientnet"
    )


NETWORKS: dict[str, Network] = {
    "perceptron": Network(perceptron),
    "chain": Network(chain),
    "residual": Network(residual),
    "branches": Network(branches),
    "separable": Network(separable),
    "nested": Network(nested),
    "nested_sequential": Network(nested_sequential),
    "towers": Network(towers),
    "twice": Network(twice),
    "attention": Network(attention),
    "operations": Network(operations),
    "custom": Network(custom),
    "recurrent": Network(recurrent),
    "text": Network(text, whole_numbers=11),
    "several": Network(several),
    "mobilenet": Network(mobilenet, slow=True),
    "efficientnet": Network(efficientnet, slow=True),
}


def parameters(*, slow: bool = True, but: tuple[str, ...] = ()) -> list[Any]:
    """The names in the table as parameters of a test, the slow ones marked."""
    return [
        pytest.param(name, marks=[pytest.mark.slow] if row.slow else [])
        for name, row in NETWORKS.items()
        if name not in but and (slow or not row.slow)
    ]


def built(name: str, seed: int = 0) -> keras.Model:
    """A network of the table, new, with random values that are the same in every process and on every backend."""
    model = NETWORKS[name].build()
    for place, layer in enumerate(_all_layers(model)):
        for index, variable in enumerate(layer._trainable_variables + layer._non_trainable_variables):
            random = np.random.default_rng([seed, place, index])
            variable.assign(_value(variable, random))
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
    return model


def examples(name: str, count: int = 3, seed: int = 1) -> Any:
    """Inputs for a network of the table, in the structure that it takes."""
    row = NETWORKS[name]
    random = np.random.default_rng([seed, zlib.crc32(name.encode())])

    def values(tensor: Any) -> np.ndarray[Any, Any]:
        shape = (count, *tensor.shape[1:])
        if row.whole_numbers:
            return random.integers(0, row.whole_numbers, shape).astype(tensor.dtype)
        return random.normal(size=shape).astype(tensor.dtype)

    return keras.tree.map_structure(values, _inputs(name))


@functools.cache
def _inputs(name: str) -> Any:
    """The shapes and dtypes of what a network takes, in its structure; without the network, which is not kept."""
    model = NETWORKS[name].build()
    taken = getattr(model, "_functional", model)._inputs_struct
    return keras.tree.map_structure(lambda tensor: keras.KerasTensor(tensor.shape, tensor.dtype), taken)


def _all_layers(model: keras.Model) -> list[Any]:
    """Every layer that Keras knows of, in its own order; written without the code under test."""
    found: dict[int, Any] = {}

    def walk(layer: Any) -> None:
        if id(layer) not in found:
            found[id(layer)] = layer
            for inner in layer._layers:
                walk(inner)

    walk(model)
    return list(found.values())


def _value(variable: Any, random: np.random.Generator) -> np.ndarray[Any, Any]:
    shape = tuple(variable.shape)
    if "variance" in variable.name or variable.name == "gamma":
        return random.uniform(0.5, 1.5, shape)
    if variable.dtype != "float32":
        return np.zeros(shape, variable.dtype)
    fan = max(int(np.prod(shape[:-1])), 1)
    return random.normal(scale=fan**-0.5 if len(shape) > 1 else 0.3, size=shape)
