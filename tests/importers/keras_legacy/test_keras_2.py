"""What the last Keras 2 saves, in each of its formats, computes the same here."""

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from regraft import formats, importers
from regraft.graph import flow, names

sys.path.insert(0, str(Path(__file__).parent))
from conftest import examples, filled  # noqa: E402


def _convolutional(k: Any) -> Any:
    layers = k.layers
    given = k.Input((12, 12, 3), name="picture")
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(given)
    x = layers.Conv2D(6, 3, strides=2, use_bias=False, kernel_regularizer=k.regularizers.l2(1e-3))(x)
    x = layers.BatchNormalization(axis=3)(x)
    x = y = layers.ReLU(6.0)(x)
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x)
    x = layers.SeparableConv2D(6, 3, padding="same", activation="swish")(x)
    x = layers.Add()([x, y])
    x = layers.PReLU(shared_axes=[1, 2])(x)
    x = layers.LeakyReLU(0.15)(x)
    x = layers.Concatenate()([x, layers.Conv2DTranspose(2, 3, padding="same")(y)])
    x = layers.SpatialDropout2D(0.2)(x)
    x = layers.UpSampling2D(interpolation="bilinear")(layers.AveragePooling2D(padding="same")(x))
    x = layers.GlobalAveragePooling2D()(x)
    return k.Model(given, layers.Dense(4, activation="softmax", name="top")(x))


def _sequential(k: Any) -> Any:
    layers = k.layers
    return k.Sequential(
        [layers.Conv2D(4, 3, input_shape=(8, 8, 2), activation="elu"), layers.MaxPool2D(), layers.Flatten(),
         layers.Dropout(0.5), layers.ThresholdedReLU(0.3), layers.Dense(3), layers.Activation("tanh")]
    )  # fmt: skip


def _hard(k: Any) -> Any:
    layers = k.layers
    given = k.Input((6, 4))
    x = layers.LSTM(5, recurrent_activation="hard_sigmoid", return_sequences=True)(given)
    x = layers.GRU(4, recurrent_activation="hard_sigmoid", reset_after=False, return_sequences=True)(x)
    x = layers.Bidirectional(layers.GRU(3, recurrent_activation="hard_sigmoid", return_sequences=True))(x)
    x = layers.SimpleRNN(6, activation="hard_sigmoid", return_sequences=True)(x)
    x = layers.Conv1D(4, 3, activation="hard_sigmoid")(x)
    x = layers.SeparableConv1D(4, 3, activation="hard_sigmoid")(x)
    x = layers.Activation("hard_sigmoid")(x)
    return k.Model(given, layers.Dense(2, activation="hard_sigmoid")(x))


def _hard_sequential(k: Any) -> Any:
    layers = k.layers
    return k.Sequential([layers.Dense(4, input_shape=(5,)), layers.Activation("hard_sigmoid"), layers.Dense(2)])


def _recurrent(k: Any) -> Any:
    layers = k.layers
    x = given = k.Input((7,), dtype="int32")
    x = layers.Embedding(11, 4, mask_zero=True, input_length=7)(x)
    x, h, c = layers.LSTM(5, return_sequences=True, return_state=True)(x)
    x = layers.LSTM(5, return_sequences=True)(x, initial_state=[h, c])
    x = layers.RNN([layers.LSTMCell(3), layers.GRUCell(4)], return_sequences=True)(x)
    x = layers.TimeDistributed(layers.Dense(3))(x)
    x = layers.Bidirectional(layers.LSTM(2), merge_mode="sum")(x)
    return k.Model(given, x)


def _attention(k: Any) -> Any:
    layers = k.layers
    given = k.Input((6, 8))
    x = layers.MultiHeadAttention(2, 4)(given, given)
    x = layers.LayerNormalization()(layers.Add()([x, given]))
    x = layers.Attention(use_scale=True)([x, given])
    x = layers.AdditiveAttention()([x, given])
    return k.Model(given, layers.GlobalMaxPooling1D()(x))


def _nested(k: Any) -> Any:
    layers = k.layers
    base = k.Sequential([layers.Conv2D(4, 3, input_shape=(8, 8, 3)), layers.BatchNormalization()], name="base")
    base.trainable = False
    left, right = k.Input((8, 8, 3), name="left"), k.Input((8, 8, 3), name="right")
    inner = k.Model(left, layers.GlobalAveragePooling2D()(base(left, training=False)), name="inner")
    difference = layers.Subtract()([inner(left), inner(right)])
    head = k.Sequential([layers.Dense(3), layers.Dense(1)], name="head")
    return k.Model([left, right], [head(difference), layers.Dense(2, name="other")(difference)])


def _operations(k: Any) -> Any:
    import tensorflow as tf

    layers = k.layers
    given = k.Input((8, 8, 3), name="picture")
    x = tf.cast(given, "float32") / 127.5 - 1.0
    x = tf.image.resize(x, (10, 10))
    x = y = tf.nn.relu6(layers.Conv2D(4, 3)(x) * 3 + 2)
    x = tf.concat([x, 1.0 - y, tf.square(y)], axis=-1)
    x = tf.pad(x, [[0, 0], [1, 1], [0, 2], [0, 0]])
    x = x[:, 1:, ::2, :5]
    x = tf.nn.swish(tf.reduce_mean(x, axis=[1, 2], keepdims=True))
    x = tf.reshape(tf.transpose(x, [0, 3, 1, 2]), (-1, 5))
    x = tf.math.l2_normalize(tf.math.maximum(x, 0.01), axis=1)
    x = tf.stack([x, tf.clip_by_value(x, 0.1, 0.5)], axis=1)
    left, right = tf.split(tf.expand_dims(x, 1), 2, axis=2)
    return k.Model(given, tf.squeeze(tf.linalg.matmul(left, right, transpose_b=True), axis=[1]))


def _preprocessing(k: Any) -> Any:
    layers = k.layers
    given = k.Input((8, 8, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(layers.RandomFlip()(layers.Resizing(6, 7)(given)))
    x = layers.Normalization(axis=-1)(layers.CenterCrop(4, 4)(x))
    return k.Model(given, layers.GroupNormalization(3)(x))


def _channels_first(k: Any) -> Any:
    layers = k.layers
    given = k.Input((3, 12, 10), name="picture")
    x = layers.Conv2D(4, 3, data_format="channels_first", activation="relu")(given)
    x = layers.BatchNormalization(axis=1)(x)
    x = layers.MaxPooling2D(data_format="channels_first")(x)
    x = layers.Concatenate(axis=1)([x, layers.Activation("tanh")(x)])
    y = layers.GlobalAveragePooling2D(data_format="channels_first")(x)
    y = layers.Reshape((8, 1, 1))(layers.Dense(8)(y))
    x = layers.Multiply()([x, y])
    x = layers.PReLU()(x)
    return k.Model(given, layers.Concatenate()([layers.Flatten()(x), layers.Flatten(data_format="channels_first")(x)]))


NETWORKS: tuple[Callable[[Any], Any], ...] = (
    _convolutional, _sequential, _hard, _hard_sequential, _recurrent, _attention, _nested, _operations, _preprocessing,
    _channels_first,
)  # fmt: skip


@pytest.mark.parametrize("ending", [".h5", ".keras"])
@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__.strip("_"))
def test_it_computes_what_keras_2_computes(keras_2: Any, tmp_path: Path, network: Any, ending: str) -> None:
    import tensorflow as tf

    keras_2.backend.clear_session()
    model = filled(network(keras_2))
    path = tmp_path / f"model{ending}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
    given, first = examples(model), network is _channels_first
    # Compiled by XLA, Keras 2 computes with channels first on a processor too.
    expected = tf.function(model, jit_compile=True)(given) if first else model.predict(given, verbose=0)
    opened = importers.open(path)
    found = opened.model.predict(np.moveaxis(given, 1, -1) if first else given, verbose=0)
    for one, other in zip(_flat(expected), _flat(found), strict=True):
        np.testing.assert_allclose(other, one, rtol=2e-5, atol=2e-5)
    assert not opened.report.missing
    assert not opened.report.unused
    stored = {name for name in formats.read(path).tensors if "seed" not in name}
    assert stored == {*opened.report.loaded, *(old for old, _ in opened.report.renamed)}


def _flat(value: Any) -> list[Any]:
    return [np.asarray(item) for item in (value if isinstance(value, (list, tuple)) else [value])]


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_weights_for_nvidias_library(keras_2: Any, tmp_path: Path, kind: str) -> None:
    """Keras 2 turns them into those of the ordinary layer when it loads them; so do we, from the same file."""
    gates, units, inputs = (4 if kind == "LSTM" else 3), 5, 4
    random = np.random.default_rng(0)
    shapes = {
        "kernel": (inputs, gates * units),
        "recurrent_kernel": (units, gates * units),
        "bias": (2 * gates * units,),
    }
    settings = {"name": "rnn", "trainable": True, "units": units, "return_sequences": True, "return_state": False,
                "go_backwards": False, "stateful": False, "batch_input_shape": [None, 6, inputs]}  # fmt: skip
    config = {"class_name": "Sequential", "config": [{"class_name": f"CuDNN{kind}", "config": settings}]}
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(config), "2.1.5"
        file.create_group("model_weights/rnn").attrs["weight_names"] = [f"rnn/{part}:0" for part in shapes]
        file["model_weights"].attrs.update(layer_names=["rnn"], keras_version="2.1.5", backend="tensorflow")
        for part, shape in shapes.items():
            file[f"model_weights/rnn/rnn/{part}:0"] = random.normal(size=shape).astype("float32")
    layer = getattr(keras_2.layers, kind)
    more = {"reset_after": True} if kind == "GRU" else {}
    reference = keras_2.Sequential([layer(units, return_sequences=True, input_shape=(6, inputs), name="rnn", **more)])
    reference.load_weights(path)
    given = random.normal(size=(3, 6, inputs)).astype("float32")
    opened = importers.open(path)
    np.testing.assert_allclose(opened.model.predict(given, verbose=0), reference.predict(given, verbose=0), atol=1e-5)
    assert "NVIDIA's library" in opened.report.notes[0]
