"""Files that others made, with versions of Keras from 1 to 3.15."""

import json

import h5py
import keras
import numpy as np
import pytest

from regraft import formats
from regraft.formats.drawing import graph_html
from regraft.formats.inspection import inspect

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def nets(shared_folder):
    return shared_folder / "nets"


def test_mobilenet_trunk(nets, live):
    path = nets / "mobilenet_v1_1.0_224_trunk/mobilenet_v1_1.0_224_trunk.keras"
    archive = formats.read(path)
    expected = live(keras.saving.load_model(path, compile=False))
    assert list(archive.tensors) == list(expected)
    assert all(np.array_equal(archive.tensors[name].read(), expected[name]) for name in expected)


def test_keras_3_3(nets):
    archive = formats.read(nets / "keras3_mnist_keras_zip_2/mnist.keras")
    assert list(archive.tensors) == ["conv2d/kernel", "conv2d/bias", "dense/kernel", "dense/bias"]
    assert archive.metadata["keras_version"] == "3.3.3"
    assert (archive.optimizer.class_name, archive.optimizer.iterations) == ("Adam", 9375)
    assert [(item.slot, item.variable) for item in archive.optimizer.slots][:2] == [
        ("momentum", "conv2d/kernel"),
        ("velocity", "conv2d/kernel"),
    ]


@pytest.mark.parametrize("order", ["tf_dim_ordering_tf", "th_dim_ordering_th"])
def test_squeezenet_of_keras_1(nets, order):
    archive = formats.read(nets / f"keras_squeezenet_v1.1_notop/squeezenet_weights_{order}_kernels_notop.h5")
    assert list(archive.tensors)[:4] == [
        "conv1/kernel",
        "conv1/bias",
        "fire2/squeeze1x1/kernel",
        "fire2/squeeze1x1/bias",
    ]
    assert len(archive.tensors) == 50
    assert sum(tensor.size for tensor in archive.tensors.values()) == 722_496
    assert {name.rpartition("/")[2] for name in archive.tensors} == {"kernel", "bias"}
    assert ("kernels are in Theano's order: outputs, inputs, height, width" in archive.warnings) == ("th_" in order)


def test_nested_model_of_keras_2_2(nets):
    path = nets / "teachable_mobilenet_v2_0.35_keras_savedmodel/Keras/keras_model.h5"
    archive = formats.read(path)
    with h5py.File(path, "r") as file:
        stored = file["model_weights/sequential_5/"]
        names = [name.decode() for name in stored.attrs["weight_names"]]
        for name in names:
            layer, _, own = name.removesuffix(":0").rpartition("/")
            own = "kernel" if own == "depthwise_kernel" else own
            found = archive.tensors[f"sequential_5/model2/{layer}/{own}"].read()
            np.testing.assert_array_equal(found, stored[name][()])
    assert len(archive.tensors) == 263
    found = inspect(path)
    assert found.cut_points[-1].name == "sequential_7/dense_Dense4"
    assert found.cut_points[0].name == "sequential_5/model2/Conv1_pad"
    assert [point.shape for point in found.cut_points[-4:]] == [(7, 7, 1280), (1280,), (100,), (2,)]
    assert not found.warnings


def test_resnet_with_optimizer(nets):
    found = inspect(nets / "mlperf_tiny_resnet8_cifar10/pretrainedResnet.h5")
    assert [point.name for point in found.cut_points] == [
        *("conv2d", "batch_normalization", "activation", "add", "activation_2", "add_1"),
        *("activation_4", "add_2", "activation_6", "average_pooling2d", "flatten", "dense"),
    ]
    assert found.cut_points[-1].parameters_below == found.parameters == 78_666
    assert found.optimizer.iterations == 781_500
    assert {slot.slot for slot in found.optimizer.slots} == {"momentum", "velocity"}
    assert found.optimizer.slots[0].variable == "conv2d/kernel"


@pytest.mark.parametrize(
    "name", ["emotion_models/fer2013_mini_XCEPTION.102-0.66.hdf5", "gender_models/gender_mini_XCEPTION.21-0.95.hdf5"]
)
def test_optimizer_of_keras_2_0_which_sorted_its_variables(nets, name):
    archive = formats.read(nets / "keras_face_classification" / name)
    slots = archive.optimizer.slots
    assert len(slots) == 104
    assert all(slot.tensor.shape == archive.tensors[slot.variable].shape for slot in slots)
    assert {slot.variable for slot in slots} == {
        name for name in archive.tensors if not name.rpartition("/")[2].startswith("moving_")
    }
    # A second moment is never negative; a first moment is negative somewhere.
    velocities = [slot.tensor.read() for slot in slots if slot.slot == "velocity"]
    assert min(float(values.min()) for values in velocities) >= 0
    assert min(float(slot.tensor.read().min()) for slot in slots if slot.slot == "momentum") < 0


def test_text_network(nets):
    archive = formats.read(nets / "keras_textgenrnn/textgenrnn_weights.hdf5")
    assert list(archive.tensors) == [
        "embedding/embeddings",
        *(f"rnn_{number}/cell/{name}" for number in (1, 2) for name in ("kernel", "recurrent_kernel", "bias")),
        *("attention/attention_W", "output/kernel", "output/bias"),
    ]
    assert sum(tensor.size for tensor in archive.tensors.values()) == 462_717


def test_weights_of_keras_2_fit_the_live_network(nets, live):
    path = nets / "tf1_frozen_mobilenet_v1_0.25_224/derived/mobilenet_2_5_224_tf.h5"
    model = keras.applications.MobileNet(alpha=0.25, weights=None)
    expected = {name: value.shape for name, value in live(model).items()}
    for architecture in (None, json.loads(model.to_json())):
        found = formats.read(path, architecture).tensors
        assert {name: tensor.shape for name, tensor in found.items()} == expected


@pytest.mark.parametrize("name", ["mlperf_tiny_resnet8_cifar10/pretrainedResnet.h5"])
def test_they_can_be_drawn(nets, name):
    assert graph_html(nets / name).count('class="cut"') == 12
