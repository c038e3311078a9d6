import os
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest

from regraft.surgery.strided_points import points_taken_first

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the fault is TensorFlow's")

_LAYERS: dict[str, tuple[tuple[int, ...], Any]] = {
    "two sides": ((7, 8, 5), lambda: keras.layers.Conv2D(4, 1, strides=2, padding="same", activation="relu")),
    "a stride for each side": ((9, 8, 5), lambda: keras.layers.Conv2D(4, 1, strides=(3, 2), use_bias=False)),
    "a sequence": ((11, 5), lambda: keras.layers.Conv1D(4, 1, strides=3, padding="causal")),
}
_OTHERS: dict[str, tuple[tuple[int, ...], Any]] = {
    "no stride": ((7, 8, 5), lambda: keras.layers.Conv2D(4, 1)),
    "larger": ((7, 8, 5), lambda: keras.layers.Conv2D(4, 3, strides=2)),
    "many channels": ((7, 8, 16), lambda: keras.layers.Conv2D(4, 1, strides=2)),
    "groups": ((7, 8, 4), lambda: keras.layers.Conv2D(4, 1, strides=2, groups=2)),
}

# In a process of its own, which the fault may end; by Regraft's loop.
_TRAINING = """
import keras, numpy as np
from regraft.core.phase import Phase, Rate
from regraft.training.feeds import Feed
from regraft.training.loop import train
x = np.random.default_rng(0).random((40, 60, 60, 8), np.float32)
y = np.arange(40) % 3
inputs = keras.Input((60, 60, 8))
made = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(16, 1, strides=2, name="points")(inputs))
model = keras.Model(inputs, keras.layers.Dense(3, name="head")(made))
feed = Feed(lambda chosen, view: x[chosen], y)
phase = Phase(rates=(Rate(".*", 1e-3),), epochs=15, batch_size=20, keep="last")
train(model, phase, feed, Feed(feed.fetch, y[:0]), seed=0)
print("trained")
"""


@pytest.mark.parametrize("name", _LAYERS)
def test_it_is_the_same_function_with_the_same_gradients(name: str) -> None:
    import tensorflow as tf

    shape, make = _LAYERS[name]
    layer = make()
    x = tf.constant(np.random.default_rng(0).normal(size=(3, *shape)).astype("float32"))
    model = keras.Sequential([layer])
    model(x)

    def found() -> list[Any]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            made = model(x, training=True)
            loss = tf.reduce_sum(made**2)
        return [made, *tape.gradient(loss, [x, *model.trainable_variables])]

    plain = found()
    with points_taken_first(model):
        assert "convolution_op" in vars(layer)
        changed = found()
    assert "convolution_op" not in vars(layer)
    for one, other in zip(plain, changed, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", _OTHERS)
def test_other_layers_are_left_alone(name: str) -> None:
    shape, make = _OTHERS[name]
    layer = make()
    layer.build((None, *shape))
    with points_taken_first(keras.Sequential([keras.Sequential([layer])])):
        assert "convolution_op" not in vars(layer)


def test_training_lives() -> None:
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "1", "MALLOC_CHECK_": "3"}
    done = subprocess.run([sys.executable, "-c", _TRAINING], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "trained"), done.stderr[-2000:]
