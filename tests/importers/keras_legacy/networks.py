"""Networks of Keras 2; each is given the module tf_keras and builds one."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np


def convolutional(k: Any) -> Any:
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


def sequential(k: Any) -> Any:
    layers = k.layers
    return k.Sequential(
        [layers.Conv2D(4, 3, input_shape=(8, 8, 2), activation="elu"), layers.MaxPool2D(), layers.Flatten(),
         layers.Dropout(0.5), layers.ThresholdedReLU(0.3), layers.Dense(3), layers.Activation("tanh")]
    )  # fmt: skip


def hard(k: Any) -> Any:
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


def hard_sequential(k: Any) -> Any:
    layers = k.layers
    return k.Sequential([layers.Dense(4, input_shape=(5,)), layers.Activation("hard_sigmoid"), layers.Dense(2)])


def recurrent(k: Any) -> Any:
    layers = k.layers
    x = given = k.Input((7,), dtype="int32")
    x = layers.Embedding(11, 4, mask_zero=True, input_length=7)(x)
    x, h, c = layers.LSTM(5, return_sequences=True, return_state=True)(x)
    x = layers.LSTM(5, return_sequences=True)(x, initial_state=[h, c])
    x = layers.RNN([layers.LSTMCell(3), layers.GRUCell(4)], return_sequences=True)(x)
    x = layers.TimeDistributed(layers.Dense(3))(x)
    x = layers.Bidirectional(layers.LSTM(2), merge_mode="sum")(x)
    return k.Model(given, x)


def attention(k: Any) -> Any:
    layers = k.layers
    given = k.Input((6, 8))
    x = layers.MultiHeadAttention(2, 4)(given, given)
    x = layers.LayerNormalization()(layers.Add()([x, given]))
    x = layers.Attention(use_scale=True)([x, given])
    x = layers.AdditiveAttention()([x, given])
    return k.Model(given, layers.GlobalMaxPooling1D()(x))


def nested(k: Any) -> Any:
    layers = k.layers
    base = k.Sequential([layers.Conv2D(4, 3, input_shape=(8, 8, 3)), layers.BatchNormalization()], name="base")
    base.trainable = False
    left, right = k.Input((8, 8, 3), name="left"), k.Input((8, 8, 3), name="right")
    inner = k.Model(left, layers.GlobalAveragePooling2D()(base(left, training=False)), name="inner")
    difference = layers.Subtract()([inner(left), inner(right)])
    head = k.Sequential([layers.Dense(3), layers.Dense(1)], name="head")
    return k.Model([left, right], [head(difference), layers.Dense(2, name="other")(difference)])


def operations(k: Any) -> Any:
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


def preprocessing(k: Any) -> Any:
    layers = k.layers
    given = k.Input((8, 8, 3))
    x = layers.Rescaling(0.5, offset=-0.1)(layers.RandomFlip()(layers.Resizing(6, 7)(given)))
    x = layers.Normalization(axis=-1)(layers.CenterCrop(4, 4)(x))
    return k.Model(given, layers.GroupNormalization(3)(x))


def channels_first(k: Any) -> Any:
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
    convolutional, sequential, hard, hard_sequential, recurrent, attention, nested, operations, preprocessing,
    channels_first,
)  # fmt: skip


def squeezenet() -> keras.Model:
    """SqueezeNet 1.1 without its top: the names are those of the files, as far as today's Keras allows them."""
    layers = keras.layers
    x = given = keras.Input((227, 227, 3))
    x = layers.Conv2D(64, 3, strides=2, activation="relu", name="conv1")(x)
    for number, (squeezed, expanded) in enumerate(
        [(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)], 2
    ):
        x = layers.MaxPooling2D(3, strides=2)(x) if number in (2, 4, 6) else x
        x = layers.Conv2D(squeezed, 1, activation="relu", name=f"fire{number}_squeeze1x1")(x)
        sides = [
            layers.Conv2D(expanded, side, padding="same", activation="relu", name=f"fire{number}_expand{side}x{side}")(
                x
            )
            for side in (1, 3)
        ]
        x = layers.Concatenate()(sides)
    return keras.Model(given, x)


def filled(model: Any, seed: int = 0) -> Any:
    """The model with weights none of which is another's."""
    random = np.random.default_rng(seed)
    model.set_weights([random.uniform(0.1, 0.6, value.shape).astype(value.dtype) for value in model.get_weights()])
    return model


def examples(model: Any, count: int = 3) -> Any:
    """Inputs for a model, in the structure that it takes."""
    random = np.random.default_rng(1)

    def one(tensor: Any) -> Any:
        shape = [count, *(side or 5 for side in tensor.shape[1:])]
        if "int" in str(tensor.dtype) or "embed" in model.name:
            return random.integers(0, 7, shape)
        return random.normal(size=shape).astype("float32")

    arrays = [one(tensor) for tensor in model.inputs]
    return arrays[0] if len(arrays) == 1 else arrays
