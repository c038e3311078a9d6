"""TensorFlow Lite models as Keras models: the same numbers as the network that they were made of."""

import keras
import numpy as np
import pytest

from regraft import importers
from regraft.core.progress import collecting_warnings
from regraft.importers import graphs
from tests.importers.graphs.conftest import reloaded

RANDOM = np.random.default_rng(0)


@pytest.mark.shared
def test_the_small_resnet_is_its_keras_file(shared_folder, tmp_path):
    folder = shared_folder / "nets/mlperf_tiny_resnet8_cifar10"
    with collecting_warnings():
        original = importers.open(folder / "pretrainedResnet.h5", preprocessing="raw").model
    converted = graphs.convert(folder / "pretrainedResnet.tflite")
    assert converted.built.failed == ()
    assert converted.report.unused == converted.report.missing == ()
    x = RANDOM.uniform(0, 255, (4, 32, 32, 3)).astype("f4")
    expected = np.asarray(original(x, training=False))
    # The converter multiplied the normalisations into the kernels in float32.
    assert np.abs(np.asarray(reloaded(converted.built.model, tmp_path)(x)) - expected).max() < 1e-4
    assert expected.std() > 1e-3


@pytest.mark.slow
def test_what_tensorflow_converts_is_converted_back(tmp_path):
    tensorflow = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the converter takes models on TensorFlow")
    layers = keras.layers
    given = keras.Input((12, 12, 3), batch_size=1)
    x = layers.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2, bias_initializer="normal")(given)
    x = layers.LeakyReLU(0.2)(layers.Conv2D(6, 3, activation="relu6")(x))
    y = layers.AveragePooling2D(3, 1, "same")(x)
    x = layers.Concatenate()(
        [layers.MaxPooling2D(2, 1, "same")(x), layers.Activation("tanh")(layers.Multiply()([x, y]))]
    )
    x = layers.Dense(3, activation="sigmoid")(layers.Dense(5, activation="tanh")(layers.Flatten()(x)))
    model = keras.Model(given, x)
    converter = tensorflow.lite.TFLiteConverter.from_keras_model(model)
    (tmp_path / "m.tflite").write_bytes(converter.convert())
    converted = graphs.convert(tmp_path / "m.tflite")
    assert converted.built.failed == ()
    x = RANDOM.normal(size=(1, 12, 12, 3)).astype("f4")
    found = np.asarray(reloaded(converted.built.model, tmp_path)(x))
    np.testing.assert_allclose(found, np.asarray(model(x)), atol=1e-6)
