"""Names beyond what the laws show: odd layers, and values that layers keep besides their variables."""

from typing import Any

import keras
import numpy as np
import pytest

from regraft.graph import names

layers = keras.layers


class Hoarder(layers.Layer):
    """A layer that holds others in every way, some of them under attributes that look alike."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.inner = layers.Dense(1)
        self._inner = layers.Dense(2)
        self.table = {"b": layers.Dense(3), "a": [layers.Dense(4)]}

    def build(self, shape: Any) -> None:
        for layer in (self.inner, self._inner, self.table["b"], self.table["a"][0]):
            layer.build(shape)
        self.kernels = [self.add_weight(shape=(size,)) for size in (5, 6)]

    def call(self, x: Any) -> Any:
        return x


def test_layers_in_lists_dictionaries_and_twin_attributes_have_unique_names() -> None:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, Hoarder(name="held")(inputs))
    named = names.variables(model)
    assert len(named) == len(model.variables) == 10
    assert {
        "held/table/a/0/kernel",
        "held/table/b/bias",
        "held/inner/kernel",
        "held/variable",
        "held/variable#2",
    } <= set(named)


def test_a_variable_of_a_shared_layer_has_the_name_of_its_first_place() -> None:
    shared = layers.Dense(4, name="shared")
    inputs = keras.Input((4,))
    inner = keras.Model(inputs, shared(inputs), name="inner")
    model = keras.Model(inputs, shared(inner(inputs)), name="outer")
    assert list(names.variables(model)) == ["inner/shared/kernel", "inner/shared/bias"]


def test_trainable_names_are_those_that_an_optimizer_would_change() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="a"), layers.BatchNormalization(name="b")])
    model.get_layer("a").trainable = False
    assert names.trainable(model) == ["b/gamma", "b/beta"]


def test_copying_values_reaches_what_normalization_makes_of_them() -> None:
    def network() -> keras.Model:
        return keras.Sequential([keras.Input((3,)), layers.Normalization(name="normal")])

    source, target = network(), network()
    x = np.array([[1.0, 2.0, 3.0], [3.0, 6.0, 9.0]], "float32")
    source.get_layer("normal").adapt(x)
    names.copy_values(source, target)
    expected = keras.ops.convert_to_numpy(source(x))
    assert np.allclose(expected, [[-1] * 3, [1] * 3], atol=1e-3)
    assert np.array_equal(keras.ops.convert_to_numpy(target(x)), expected)


def test_copying_values_needs_the_same_names() -> None:
    one = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="a")])
    other = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="b")])
    with pytest.raises(KeyError, match="b/kernel"):
        names.copy_values(one, other)
