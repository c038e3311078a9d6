"""Networks that others saved with Keras 1 to 2.4."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from PIL import Image

from regraft import formats, importers
from regraft.core.errors import SourceError
from regraft.graph import names
from tests.importers.keras_legacy.networks import squeezenet

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def nets(shared_folder: Path) -> Path:
    return shared_folder / "nets"


TEACHABLE = "teachable_mobilenet_v2_0.35_keras_savedmodel/Keras/keras_model.h5"
RESNET = "mlperf_tiny_resnet8_cifar10/pretrainedResnet.h5"
EMOTION = "keras_face_classification/emotion_models/fer2013_mini_XCEPTION.102-0.66.hdf5"
GENDER = "keras_face_classification/gender_models/gender_mini_XCEPTION.21-0.95.hdf5"


@pytest.fixture(scope="module")
def opened(nets: Path) -> Callable[[str], importers.Pretrained]:
    """Opens a file when it is first asked for; nothing here changes a network."""
    # The others say nothing of the pictures that they take.
    return functools.cache(
        lambda name: importers.open(nets / name, preprocessing=None if name == TEACHABLE else "unit")
    )


def _numbers(tensor: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def _configured(model: keras.Model) -> dict[str, Any]:
    """The configuration, but for whether one input is given as itself or as a list of one."""
    return {key: value for key, value in model.get_config().items() if key not in ("input_layers", "output_layers")}


@pytest.mark.parametrize(("name", "tensors"), [(RESNET, 48), (EMOTION, 80), (GENDER, 80)])
def test_where_keras_opens_a_file_ours_is_the_same_network(
    nets: Path, opened: Callable[[str], importers.Pretrained], name: str, tensors: int
) -> None:
    ours, theirs = opened(name), keras.saving.load_model(nets / name, compile=False)
    assert _configured(ours.model) == _configured(theirs)
    assert len(ours.report.loaded) == tensors
    for name, variable in names.variables(theirs).items():
        np.testing.assert_array_equal(_numbers(names.variables(ours.model)[name]), _numbers(variable))
    pictures = np.random.default_rng(0).uniform(size=(2, *ours.inputs.shape)).astype("float32")
    np.testing.assert_array_equal(_numbers(ours.model(pictures)), _numbers(theirs([pictures])))


def test_a_nested_sequential_that_keras_refuses(nets: Path, opened: Callable[[str], importers.Pretrained]) -> None:
    path = nets / TEACHABLE
    with pytest.raises(TypeError):
        keras.saving.load_model(path, compile=False)
    ours = opened(TEACHABLE)
    assert (ours.inputs.name, ours.inputs.shape) == ("tf", (224, 224, 3))
    assert len(ours.report.loaded) == 263
    assert not ours.report.renamed
    archive = formats.read(path)
    for name, variable in names.variables(ours.model).items():
        np.testing.assert_array_equal(_numbers(variable), archive.tensors[name].read())


def test_it_tells_open_from_closed(nets: Path, opened: Callable[[str], importers.Pretrained]) -> None:
    ours = opened(TEACHABLE)
    labels = [line.split()[-1].lower() for line in (nets / TEACHABLE).with_name("labels.txt").read_text().splitlines()]
    for label in ("open", "closed"):
        with Image.open((nets / TEACHABLE).with_name(f"{label}.jpg")) as picture:
            square = picture.convert("RGB").resize((224, 224))
        given = importers.applied(ours.inputs, np.asarray(square, np.float32)[None])
        scores = _numbers(ours.model(given))[0]
        assert labels[int(scores.argmax())] == label


def test_theanos_kernels_and_tensorflows_give_one_network(nets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importers.opening.keras_file.architecture, "build", lambda *_: squeezenet())
    opened = [
        importers.open(
            nets / f"keras_squeezenet_v1.1_notop/squeezenet_weights_{order}_kernels_notop.h5",
            architecture="mine:squeezenet",
            preprocessing="caffe",
        )
        for order in ("tf_dim_ordering_tf", "th_dim_ordering_th")
    ]
    assert opened[0].model.count_params() == 722_496
    ours, others = (names.variables(item.model) for item in opened)
    for name, variable in ours.items():
        np.testing.assert_array_equal(_numbers(variable), _numbers(others[name]))
    assert ("fire2/squeeze1x1/kernel", "fire2_squeeze1x1/kernel") in opened[0].report.renamed
    assert "kernels of Theano are turned around" in " ".join(opened[1].report.notes)
    pictures = np.random.default_rng(0).uniform(-100, 100, (1, 227, 227, 3)).astype("float32")
    np.testing.assert_array_equal(_numbers(opened[0].model(pictures)), _numbers(opened[1].model(pictures)))


class _Attention(keras.layers.Layer):
    """Each step weighted by the softmax of its product with one vector; the vector has its name in the file."""

    def build(self, shape: Any) -> None:
        self.W = self.add_weight(shape=(shape[-1], 1), name="attention_W")

    def call(self, x: Any) -> Any:
        return keras.ops.sum(x * keras.ops.softmax(keras.ops.matmul(x, self.W), axis=1), axis=1)


def textgenrnn() -> keras.Model:
    layers = keras.layers
    given = keras.Input((40,), name="input")
    embedded = layers.Embedding(465, 100, name="embedding")(given)
    first = layers.LSTM(128, return_sequences=True, name="rnn_1")(embedded)
    second = layers.LSTM(128, return_sequences=True, name="rnn_2")(first)
    joined = layers.Concatenate(name="rnn_concat")([embedded, first, second])
    return keras.Model(
        given, layers.Dense(465, activation="softmax", name="output")(_Attention(name="attention")(joined))
    )


def _step(weights: Any, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One step of cuDNN's LSTM: each gate's matrix is stored transposed, row by row; there are two biases."""
    kernel, recurrent, bias = (np.asarray(weights[f"{part}:0"]) for part in ("kernel", "recurrent_kernel", "bias"))
    units = len(h)
    gates = []
    for gate in range(4):
        part = slice(gate * units, (gate + 1) * units)
        # What cuDNN keeps is (units, inputs); the file has its numbers in the shape (inputs, units).
        into = kernel[:, part].reshape(units, len(x), order="C")
        gates.append(into @ x + recurrent[:, part].reshape(units, units) @ h + bias[part] + bias[4 * units :][part])
    i, f, o = (1 / (1 + np.exp(-gates[index])) for index in (0, 1, 3))
    c = f * c + i * np.tanh(gates[2])
    return o * np.tanh(c), c


def test_weights_for_nvidias_library_and_a_custom_layer(nets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importers.opening.keras_file.architecture, "build", lambda *_: textgenrnn())
    path = nets / "keras_textgenrnn/textgenrnn_weights.hdf5"
    with pytest.raises(SourceError, match="holds weights but no architecture"):
        importers.open(path)
    opened = importers.open(path, architecture="mine:textgenrnn")
    assert sum(entry.size for entry in formats.read(path).tensors.values()) == 462_717
    assert len(opened.report.loaded) == 10
    assert "NVIDIA's library" in " ".join(opened.report.notes)
    text = np.random.default_rng(0).integers(1, 465, 40)
    with h5py.File(path, "r") as file:
        embedded = np.asarray(file["embedding/embedding/embeddings:0"])[text]
        sequences = [embedded]
        for name in ("rnn_1", "rnn_2"):
            h = c = np.zeros(128)
            steps = []
            for x in sequences[-1]:
                h, c = _step(file[f"{name}/{name}"], x, h, c)
                steps.append(h)
            sequences.append(np.stack(steps))
    found = keras.Model(opened.model.input, opened.model.get_layer("rnn_concat").output)(text[None])[0]
    np.testing.assert_allclose(_numbers(found), np.concatenate(sequences, axis=-1), atol=1e-4)


@pytest.mark.parametrize("name", [TEACHABLE, RESNET, EMOTION, GENDER])
def test_every_one_of_them_is_saved_and_loaded_by_keras_alone(
    opened: Callable[[str], importers.Pretrained], name: str, tmp_path: Path
) -> None:
    ours = opened(name)
    ours.model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras", compile=False)
    pictures = np.random.default_rng(0).uniform(size=(1, *ours.inputs.shape)).astype("float32")
    np.testing.assert_array_equal(_numbers(again(pictures)), _numbers(ours.model(pictures)))
