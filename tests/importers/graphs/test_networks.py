"""Networks as PyTorch exports them, and real files: the same numbers, trainable, on every backend."""

import contextlib
import functools
import io
import json
import os
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest

from regraft import importers
from regraft.core.errors import CorruptFileError, RegraftError, SourceError
from regraft.core.progress import collecting_warnings
from regraft.graph import names
from regraft.importers import graphs
from tests.importers.graphs.conftest import Proof, reloaded

onnx = pytest.importorskip("onnx")
torch = pytest.importorskip("torch")
nn = torch.nn


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.conv1 = nn.Conv2d(8, 16, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 16, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.down = nn.Sequential(nn.Conv2d(8, 16, 1, 2, bias=False), nn.BatchNorm2d(16))
        self.fc = nn.Linear(16, 5)

    def forward(self, x):
        x = self.pool(self.stem(x))
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        x = torch.relu(y + self.down(x))
        return self.fc(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))


class Inverted(nn.Module):
    """An inverted residual with squeeze and excitation, as in MobileNetV2 and V3."""

    def __init__(self):
        super().__init__()
        self.expand = nn.Sequential(nn.Conv2d(3, 12, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU6())
        self.depthwise = nn.Sequential(
            nn.Conv2d(12, 12, 3, 1, 1, groups=12, bias=False), nn.BatchNorm2d(12), nn.Hardswish()
        )
        self.squeeze = nn.Sequential(nn.Linear(12, 4), nn.ReLU(), nn.Linear(4, 12), nn.Hardsigmoid())
        self.project = nn.Sequential(nn.Conv2d(12, 3, 1, bias=False), nn.BatchNorm2d(3))

    def forward(self, x):
        y = self.depthwise(self.expand(x))
        scale = self.squeeze(y.mean((2, 3)))
        return x + self.project(y * scale.view(scale.size(0), -1, 1, 1))


class Dense(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.grow = nn.Conv2d(4, 4, 3, padding=1)
        self.slope = nn.PReLU(8)
        self.pool = nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False)

    def forward(self, x):
        x = self.first(x)
        x = torch.cat([x, self.grow(torch.relu(self.norm(x)))], 1)
        a, b = self.pool(self.slope(x)).chunk(2, 1)
        return nn.functional.interpolate(torch.cat([b, a], 1), scale_factor=2, mode="bilinear", align_corners=False)


class Flattened(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.3))
        self.head = nn.Sequential(
            nn.Linear(6 * 15 * 15, 7), nn.BatchNorm1d(7), nn.GELU(), nn.Linear(7, 3), nn.LogSoftmax(1)
        )

    def forward(self, x):
        return self.head(self.features(x).view(x.size(0), -1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 6)
        self.lstm = nn.LSTM(6, 5, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(10, 4, batch_first=True)
        self.out = nn.Linear(4, 2)

    def forward(self, x):
        return self.out(self.gru(self.lstm(self.words(x))[0])[0][:, -1])


class Attention(nn.Module):
    """One block of a transformer on the patches of a picture."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 8, 8)
        self.place = nn.Parameter(torch.randn(1, 16, 8))
        self.norm1, self.norm2 = nn.LayerNorm(8), nn.LayerNorm(8)
        self.qkv, self.proj = nn.Linear(8, 24), nn.Linear(8, 8)
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2) + self.place
        n, t, c = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(n, t, 3, 2, c // 2).permute(2, 0, 3, 1, 4).unbind(0)
        a = torch.softmax(q @ k.transpose(-2, -1) * (c // 2) ** -0.5, -1)
        x = x + self.proj((a @ v).transpose(1, 2).reshape(n, t, c))
        return (x + self.mlp(self.norm2(x))).mean(1)


NETWORKS = {kind.__name__: kind for kind in (Residual, Inverted, Dense, Flattened, Recurrent, Attention)}


@functools.cache
def exported(kind, opset=17, batch_is_open=True):
    """An ONNX file of a PyTorch network whose statistics are not those of a new one; nothing fused into kernels."""
    torch.manual_seed(0)
    network = kind()
    example = torch.randint(0, 20, (2, 9)) if kind is Recurrent else torch.randn(2, 3, 32, 32)
    if kind is not Recurrent:
        network.train()
        for _ in range(3):
            network(torch.randn(4, 3, 32, 32) * 2 + 0.5)
    for parameter in network.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    network.eval()
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example,),
            file,
            dynamo=False,
            opset_version=opset,
            input_names=["x"],
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
            dynamic_axes={"x": {0: "batch"}} if batch_is_open else None,
        )
    return network, file.getvalue()


def _trainable(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_numbers_and_parameters_are_those_of_the_original(name, proof):
    network, content = exported(NETWORKS[name])
    converted = proof.holds(content, batch=3)
    learned = sum(parameter.numel() for parameter in network.parameters())
    if name == "Recurrent":
        # Keras adds the two biases of each gate of an LSTM up.
        learned -= 2 * 4 * 5
    assert _trainable(converted.built.model) == learned
    assert not converted.report.unused
    assert not any(type(layer).__module__.startswith("regraft") for layer in converted.built.model.layers)


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 15, 18, 20])
@pytest.mark.parametrize("name", ["Residual", "Flattened"])
def test_every_opset(name, opset, proof):
    kind = NETWORKS[name]
    if opset == 7:
        # PyTorch writes 7 and 8 no more; onnx converts down what is in both.
        content = onnx.version_converter.convert_version(onnx.load_from_string(exported(Residual, 9)[1]), 8)
        content = content.SerializeToString()
    else:
        content = exported(kind, opset)[1]
    proof.holds(content, batch=2)


def test_a_network_for_one_example_takes_batches(proof):
    _, content = exported(Flattened, batch_is_open=False)
    converted = proof.holds(content, batch=2)
    assert converted.built.model.output_shape == (None, 3)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_gradients_reach_every_trainable_variable(name, proof):
    tensorflow = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("gradients are taken with TensorFlow's tape")
    model = proof.convert(exported(NETWORKS[name])[1]).built.model
    (taken,) = model.inputs
    random = np.random.default_rng(0)
    x = (
        random.normal(size=(4, *taken.shape[1:])).astype(np.float32)
        if name != "Recurrent"
        else random.integers(0, 20, (4, 9))
    )
    with tensorflow.GradientTape() as tape:
        loss = tensorflow.reduce_sum(tensorflow.square(model(x, training=True) - 0.3))
    variables = model.trainable_variables
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    assert [variable.path for variable, gradient in zip(variables, gradients, strict=True) if gradient is None] == []


def test_batch_normalisation_stays_what_it_was(proof):
    network, content = exported(Residual)
    model = proof.convert(content).built.model
    found = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(found) == 4
    mean = next(layer for layer in found if layer.moving_mean.shape == (8,)).moving_mean
    np.testing.assert_array_equal(mean, network.stem[1].running_mean.numpy())
    # The picture comes in once and is never turned: no transposition anywhere.
    assert not [layer.name for layer in model.layers if type(layer).__name__ == "Permute"]


def test_opened_by_the_front_door(proof, tmp_path):
    (tmp_path / "residual.bin").write_bytes(exported(Residual)[1])
    with collecting_warnings() as said:
        opened = importers.open(tmp_path / "residual.bin")
    assert (opened.inputs.shape, opened.inputs.origin, opened.inputs.name) == ((32, 32, 3), "assumed", "unit")
    assert "is neither stated nor known" in said[0]
    assert dict(opened.report.renamed)["fc.weight"] == "fc_Gemm/kernel"
    assert set(dict(opened.report.renamed).values()) == set(names.variables(opened.model))


# One process for each backend: the start of a framework takes longer than all of the networks. So does drawing weights
# on JAX, which compiles that for every shape; what is drawn is replaced by the file's.
BACKEND = """
import json, sys, traceback
from pathlib import Path
import keras, numpy as np
initializers = keras.initializers
for drawn in (initializers.VarianceScaling, initializers.Orthogonal, initializers.RandomUniform):
    drawn.__call__ = lambda self, shape, dtype=None: np.zeros(shape, dtype)
for folder in map(Path, sys.argv[1:]):
    try:
        model = keras.saving.load_model(folder / "model.keras", compile=False)
        found = model.predict_on_batch(np.load(folder / "x.npy")).tolist()
    except Exception:
        found = traceback.format_exc()
    print(json.dumps([keras.backend.backend(), folder.name, found]))
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """For each network a folder with the saved model and examples for it, and what it computes here."""
    folder, expected = tmp_path_factory.mktemp("saved"), {}
    random = np.random.default_rng(0)
    for name, kind in NETWORKS.items():
        (folder / name).mkdir()
        model = Proof(folder / name).convert(exported(kind)[1]).built.model
        reloaded(model, folder / name)
        shape = (2, *model.inputs[0].shape[1:])
        x = random.integers(0, 20, (2, 9)) if name == "Recurrent" else random.normal(size=shape).astype("float32")
        np.save(folder / name / "x.npy", x)
        expected[name] = np.asarray(keras.ops.convert_to_numpy(model(x)))
    return folder, expected


@pytest.fixture(scope="module", params=["jax", "torch"])
def elsewhere(request, saved):
    """For each network what its saved model computes in a process on another backend, or how that failed."""
    backend, (folder, expected) = request.param, saved
    pytest.importorskip(backend)
    command = [sys.executable, "-c", BACKEND, *(str(folder / name) for name in expected)]
    environment = {**os.environ, "KERAS_BACKEND": backend}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert {used for used, _, _ in answers} == {backend}
    return {name: found for _, name, found in answers}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(NETWORKS))
def test_the_saved_model_computes_the_same_on_another_backend(name, saved, elsewhere):
    expected, found = saved[1][name], elsewhere[name]
    assert not isinstance(found, str), found
    # Sums in another order; the largest element sets the scale.
    assert np.abs(np.array(found) - expected).max() <= 1e-5 * np.abs(expected).max()


def _with_unknown_top(content):
    model = onnx.load_from_string(content)
    (output,) = model.graph.output
    node = onnx.helper.make_node("Bespoke", [output.name], ["answer"], "top/bespoke", domain="com.example")
    model.graph.node.append(node)
    model.graph.output[0].name = "answer"
    return model


def test_what_is_below_an_unknown_operation_can_be_reused(proof):
    with collecting_warnings() as said:
        converted = proof.convert(_with_unknown_top(exported(Residual)[1]))
    assert converted.built.model.output_shape == (None, 5)
    assert converted.built.model.layers[-1].name == "fc_Gemm"
    (warning,) = said
    assert "is opened in part, up to" in warning
    assert "com.example.Bespoke 'top/bespoke': no counterpart is known" in warning
    assert converted.report.notes == ("com.example.Bespoke 'top/bespoke': no counterpart is known",)


def test_an_unknown_operation_in_the_middle_leaves_the_part_below(proof):
    model = onnx.load_from_string(exported(Residual)[1])
    relu = [node for node in model.graph.node if node.op_type == "Relu"][1]
    relu.op_type = "Bespoke"
    converted = proof.convert(model)
    # Two ways lead on from the first pooling, so that it is the last place where the network can be cut.
    assert converted.built.model.layers[-1].name == "pool_MaxPool"
    assert "fc.weight" in converted.report.unused
    assert "stem.0.weight" in dict(converted.report.renamed)


def test_a_network_of_which_nothing_can_be_said_is_refused(proof):
    node = onnx.helper.make_node("Bespoke", ["x"], ["y"], "only")
    given = onnx.helper.make_tensor_value_info("x", 1, ["N", 4])
    graph = onnx.helper.make_graph([node], "net", [given], [onnx.helper.make_tensor_value_info("y", 1, None)])
    with pytest.raises(SourceError, match=r"has no part that Keras' layers can say.*Bespoke 'only'"):
        proof.convert(onnx.helper.make_model(graph))


def test_an_open_size_is_asked_for(proof):
    _, content = exported(Flattened)
    model = onnx.load_from_string(content)
    for axis in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        axis.dim_param = "side"
    with collecting_warnings() as said:
        partial = proof.convert(model)
    assert partial.built.model.input_shape == (None, None, None, 3)
    assert "say --input-size" in said[0]
    assert proof.holds(content, input_size=32).built.model.output_shape == (None, 3)
    assert proof.convert(model, input_size=32).built.model.output_shape == (None, 3)


def test_an_opset_of_the_beginnings_is_refused(proof):
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    given = onnx.helper.make_tensor_value_info("x", 1, ["N", 4])
    graph = onnx.helper.make_graph([node], "net", [given], [onnx.helper.make_tensor_value_info("y", 1, None)])
    with pytest.raises(SourceError, match="is written in opset 5 of ONNX, expected 7 or later"):
        proof.convert(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 5)]))


def test_a_constant_that_asks_for_all_memory_is_not_made(proof):
    shape = onnx.numpy_helper.from_array(np.array([1 << 40], np.int64), "s")
    nodes = [onnx.helper.make_node("ConstantOfShape", ["s"], ["c"]), onnx.helper.make_node("Add", ["x", "c"], ["y"])]
    given = onnx.helper.make_tensor_value_info("x", 1, ["N", 4])
    wanted = [onnx.helper.make_tensor_value_info("y", 1, None)]
    graph = onnx.helper.make_graph(nodes, "net", [given], wanted, initializer=[shape])
    with pytest.raises(SourceError, match="a constant of shape"):
        proof.convert(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]))


def test_a_file_without_its_end_is_refused(tmp_path):
    (tmp_path / "cut.onnx").write_bytes(exported(Flattened)[1][:5000])
    with pytest.raises(CorruptFileError):
        importers.open(tmp_path / "cut.onnx")


REAL = {
    "onnx_mnist/mnist.onnx": ((28, 28, 1), 5994),
    "semg_m5_pt_onnx_tflite_savedmodel/pretrain_model/onnx_model/M5_recover.onnx": ((3840,), 2855),
}


@pytest.mark.shared
@pytest.mark.parametrize("name", list(REAL))
def test_real_files(name, shared_folder, proof):
    shape, parameters = REAL[name]
    converted = proof.holds((shared_folder / "nets" / name).read_bytes())
    assert converted.built.model.input_shape[1:] == shape
    assert _trainable(converted.built.model) == parameters
    assert not converted.report.unused


@pytest.mark.shared
def test_the_digits_are_recognised(shared_folder):
    import gzip

    model = graphs.convert(shared_folder / "nets/onnx_mnist/mnist.onnx").built.model
    folder = shared_folder / "data/mnist_t10k_idx"
    pictures, labels = (next(folder.glob(f"*{kind}*")) for kind in ("images", "labels"))
    x = np.frombuffer(gzip.decompress(pictures.read_bytes()), np.uint8, offset=16).reshape(-1, 28, 28, 1)[:300]
    y = np.frombuffer(gzip.decompress(labels.read_bytes()), np.uint8, offset=8)[:300]
    answers = np.asarray(keras.ops.convert_to_numpy(model(x.astype(np.float32)))).argmax(1)
    # The file's own description of itself: 99 % of 300.
    assert (answers == y).mean() >= 0.985


KERAS = {"MobileNetV2": {"alpha": 0.35}, "MobileNetV3Small": {"alpha": 0.75}}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(KERAS))
def test_networks_of_keras_there_and_back(name, proof):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("tf2onnx converts on TensorFlow only")
    tensorflow, converter = pytest.importorskip("tensorflow"), pytest.importorskip("tf2onnx")
    original = getattr(keras.applications, name)(weights=None, input_shape=(64, 64, 3), classes=5, **KERAS[name])
    random = np.random.default_rng(0)
    for variable in original.variables:
        if variable.name in ("moving_variance", "gamma"):
            variable.assign(random.uniform(0.8, 1.2, variable.shape))
    signature = [tensorflow.TensorSpec((None, 64, 64, 3))]
    function = tensorflow.function(lambda x: original(x, training=False), input_signature=signature)
    content, _ = converter.convert.from_function(function, signature, opset=15)
    model = proof.holds(content).built.model
    # No transposition is left of the way through the other order of axes.
    assert not [layer.name for layer in model.layers if type(layer).__name__ == "Permute"]
    x = random.normal(size=(2, 64, 64, 3)).astype(np.float32)
    np.testing.assert_allclose(model(x), original(x, training=False), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Flattened", "Recurrent", "Dense"])
def test_altered_files_give_a_model_or_one_of_our_errors(name, tmp_path):
    content = exported(NETWORKS[name])[1]
    random = np.random.default_rng(0)
    path = tmp_path / "altered.onnx"
    # What is changed is the graph, not the numbers: those are most of the file.
    places = [place for place in range(len(content)) if content[place : place + 1].isalnum() or content[place] < 64]
    for _ in range(150):
        altered = bytearray(content)
        for place in random.choice(places, random.integers(1, 12)):
            altered[place] = random.integers(256)
        path.write_bytes(altered)
        with contextlib.suppress(RegraftError):
            graphs.convert(path)
