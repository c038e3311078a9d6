"""One network in several formats becomes one network."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import regraft
from regraft import formats, importers
from regraft.core.progress import collecting_warnings
from regraft.graph import names
from regraft.importers import graphs

pytestmark = pytest.mark.shared

TEACHABLE = "teachable_mobilenet_v2_0.35_keras_savedmodel"
SEMG = "semg_m5_pt_onnx_tflite_savedmodel"
RESNET = "mlperf_tiny_resnet8_cifar10/pretrainedResnet"


@pytest.fixture(scope="module")
def nets(shared_folder: Path) -> Path:
    return shared_folder / "nets"


def _array(tensor: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def _agree(ours: np.ndarray, others: np.ndarray) -> None:
    # Of float32: sums in another order.
    assert np.abs(ours - others).max() <= 1e-5 * np.abs(others).max()


def test_mobilenet_from_keras_and_from_a_saved_model(nets: Path) -> None:
    with collecting_warnings():
        whole = importers.open(nets / TEACHABLE / "Keras/keras_model.h5").model
        served = importers.open(nets / TEACHABLE / "model.savedmodel", preprocessing="tf")
    by_layer = {"/".join(name.split("/")[-2:]): variable for name, variable in names.variables(whole).items()}
    ours = names.variables(served.model)
    assert len(served.report.renamed) == len(by_layer) == 263
    for source, name in served.report.renamed:
        # Keras 3 took the kind of a kernel out of its name.
        today = source.replace("depthwise_kernel", "kernel")
        np.testing.assert_array_equal(_array(ours[name]), _array(by_layer[today]), err_msg=source)
    assert len(served.model.trainable_variables) == len(whole.trainable_variables) == 263 - 2 * 52
    pictures = np.random.default_rng(0).uniform(-1, 1, (2, 224, 224, 3)).astype("f4")
    _agree(_array(served.model(pictures)), _array(whole(pictures)))


@pytest.mark.parametrize(
    "file",
    [
        "pretrain_model/onnx_model/M5_recover.onnx",
        "saved_model",
        "saved_model/M5_recover_float32.tflite",
        "pretrain_model/tf_lite_model/model.tflite",
    ],
)
def test_gestures_from_every_format_have_the_weights_of_pytorch(nets: Path, file: str) -> None:
    held = {
        name: entry.read() for name, entry in formats.read(nets / SEMG / "pretrain_model/M5_recover.pt").tensors.items()
    }
    with collecting_warnings():
        model = graphs.convert(nets / SEMG / file).built.model
    # Outputs, inputs, height, width there; height, width, inputs, outputs here.
    expected = [values.transpose(2, 3, 1, 0) if values.ndim == 4 else values.T for values in held.values()]
    assert len(model.trainable_variables) == len(expected) == 8
    for variable, values in zip(model.trainable_variables, expected, strict=True):
        np.testing.assert_array_equal(_array(variable).reshape(values.shape), values, err_msg=variable.path)
    # Which is the network of these weights, computed in NumPy.
    signal = np.random.default_rng(0).normal(size=(3, 3840)).astype("f4")
    # One file ends below the operation that drops an axis of size one.
    answers = _array(model(signal.reshape(3, *model.input_shape[1:])))
    _agree(answers.reshape(3, -1), _by_hand(held, signal))


def _by_hand(held: dict[str, np.ndarray], signal: np.ndarray) -> np.ndarray:
    x = signal[:, None].astype("f8")
    for number, stride in ((1, 16), (2, 1), (3, 1)):
        kernel = held[f"conv{number}.weight"][..., 0]
        windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[-1], axis=2)[:, :, ::stride]
        x = np.einsum("nctk,ock->not", windows, kernel) + held[f"conv{number}.bias"][:, None]
        x = np.maximum(x, 0)
        if number < 3:
            x = x[:, :, : x.shape[2] // 2 * 2].reshape(*x.shape[:2], -1, 2).max(axis=3)
    return x.mean(axis=2) @ held["fc.weight"].T + held["fc.bias"]


def test_resnet_from_keras_and_from_tensorflow_lite(nets: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    with collecting_warnings():
        whole = importers.open(nets / f"{RESNET}.h5", preprocessing="raw").model
        done = regraft.convert(nets / f"{RESNET}.tflite", tmp_path / "m.keras", check=True)
    assert done.parity is not None
    assert done.parity.trainable_parameters == done.parity.original_parameters
    pictures = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3)).astype("f4")
    _agree(_array(keras.saving.load_model(tmp_path / "m.keras")(pictures)), _array(whole(pictures)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "learned"),
    [
        ("tf1_frozen_mobilenet_v1_0.25_224/models/mobilenet_v1_0.25_224/frozen_graph.pb", 470_329),
        ("tf1_ckpt_lenet_gtsrb/model/model.ckpt.meta", 64_811),
        (f"{TEACHABLE}/model.savedmodel", 524_428),
        (f"{SEMG}/saved_model", 2_855),
    ],
)
def test_tensorflow_runs_the_originals_and_what_learned_learns(
    nets: Path, tmp_path: Path, file: str, learned: int
) -> None:
    pytest.importorskip("tensorflow")
    with collecting_warnings():
        proof = regraft.convert(nets / file, tmp_path / "m.keras", check=True).parity
    assert proof is not None
    assert proof.holds
    assert proof.trainable_parameters == proof.original_parameters == learned


@pytest.mark.parametrize(
    ("file", "learned"),
    [
        ("caffe_lenet_mnist/lenet_iter_10000.caffemodel", 431_080),
        ("mtcnn_caffe/model/det1.caffemodel", 6_632),
        ("mtcnn_caffe/model/det2.caffemodel", 100_178),
        ("mtcnn_caffe/model/det3.caffemodel", 389_040),
    ],
)
def test_opencv_runs_the_originals_and_what_learned_learns(nets: Path, tmp_path: Path, file: str, learned: int) -> None:
    pytest.importorskip("cv2")
    with collecting_warnings():
        proof = regraft.convert(nets / file, tmp_path / "m.keras", check=True).parity
    assert proof is not None
    assert proof.holds
    assert proof.trainable_parameters == proof.original_parameters == learned
    assert len(proof.original_files) == 2
