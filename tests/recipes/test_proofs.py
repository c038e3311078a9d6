"""Proofs of conversion against every runtime: they hold, count what learns, and name the layer that was broken."""

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import regraft
from regraft.core.errors import ProofError, RequestError
from regraft.importers import graphs
from regraft.recipes import converting

RANDOM = np.random.default_rng(0)
# Two convolutions of 3 x 3, a dense layer above; the weights of each.
SHAPES = ((3, 3, 3, 4), (4,), (3, 3, 4, 4), (4,), (4, 2), (2,))
LEARNED = sum(int(np.prod(shape)) for shape in SHAPES)


def _weights() -> list[np.ndarray]:
    random = np.random.default_rng(1)
    return [random.normal(size=shape).astype("float32") / 2 for shape in SHAPES]


def _network(tf: Any, x: Any, values: Any) -> Any:
    for number in (0, 2):
        x = tf.nn.conv2d(x, values[number], 1, "SAME", name=f"conv{number}")
        x = tf.nn.relu(tf.nn.bias_add(x, values[number + 1]))
    return tf.nn.softmax(tf.reduce_mean(x, [1, 2]) @ values[4] + values[5], name="answer")


def _frozen(folder: Path) -> Path:
    tf = pytest.importorskip("tensorflow")
    with tf.Graph().as_default() as graph:
        _network(tf, tf.compat.v1.placeholder("float32", (None, 8, 8, 3), name="x"), _weights())
        (folder / "m.pb").write_bytes(graph.as_graph_def().SerializeToString())
    return folder / "m.pb"


def _trained(folder: Path) -> Path:
    """A meta graph with its checkpoint, in the middle of training with Adam."""
    tf = pytest.importorskip("tensorflow")
    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        x, labels = v1.placeholder("float32", (None, 8, 8, 3)), v1.placeholder("float32", (None, 2))
        values = [v1.get_variable(f"w{number}", initializer=item) for number, item in enumerate(_weights())]
        answer = _network(tf, x, values)
        train = v1.train.AdamOptimizer().minimize(tf.reduce_mean(tf.square(answer - labels)))
        session.run(v1.global_variables_initializer())
        session.run(train, {x: np.ones((2, 8, 8, 3)), labels: np.eye(2)})
        v1.train.Saver().save(session, str(folder / "m"))
    return folder / "m.meta"


def _served(folder: Path) -> Path:
    tf = pytest.importorskip("tensorflow")
    module = tf.Module()
    module.values = [tf.Variable(item, name=f"w{number}") for number, item in enumerate(_weights())]
    inner = tf.function(lambda x: _network(tf, x, module.values), autograph=False)
    serve = tf.function(lambda x: {"y": inner(x)}, autograph=False)
    concrete = serve.get_concrete_function(tf.TensorSpec([None, 8, 8, 3], name="x"))
    tf.saved_model.save(module, folder / "saved", signatures=concrete)
    return folder / "saved"


def _lite(folder: Path) -> Path:
    tf = pytest.importorskip("tensorflow")
    network = tf.function(lambda x: _network(tf, x, [tf.constant(item) for item in _weights()]), autograph=False)
    concrete = network.get_concrete_function(tf.TensorSpec([1, 8, 8, 3], name="x"))
    (folder / "m.tflite").write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert())
    return folder / "m.tflite"


def _caffe(folder: Path) -> Path:
    pytest.importorskip("cv2")
    from tests.importers.graphs.test_caffe import written

    settings = "convolution_param { num_output: 4 kernel_size: 3 pad: 1 }"
    text = (
        'input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8 '
        f'layer {{ name: "conv0" type: "Convolution" bottom: "data" top: "conv0" {settings} }} '
        'layer { name: "relu0" type: "ReLU" bottom: "conv0" top: "conv0" } '
        f'layer {{ name: "conv2" type: "Convolution" bottom: "conv0" top: "conv2" {settings} }} '
        'layer { name: "relu2" type: "ReLU" bottom: "conv2" top: "conv2" } '
        'layer { name: "mean" type: "Pooling" bottom: "conv2" top: "mean" pooling_param { pool: AVE '
        "global_pooling: true } } "
        'layer { name: "fc" type: "InnerProduct" bottom: "mean" top: "fc" inner_product_param { num_output: 2 } } '
        'layer { name: "answer" type: "Softmax" bottom: "fc" top: "answer" }'
    )
    a, b, c, d, e, f = _weights()
    layers = [
        ("conv0", "Convolution", (a.transpose(3, 2, 0, 1), b)),
        ("conv2", "Convolution", (c.transpose(3, 2, 0, 1), d)),
        ("fc", "InnerProduct", (e.T, f)),
    ]
    return written(folder, text, layers)


GRAPHS = {
    "tensorflow-graph": _frozen,
    "tensorflow-meta-graph": _trained,
    "tensorflow-saved-model": _served,
    "tflite": _lite,
    "caffe": _caffe,
}


def _second_convolution(model: keras.Model) -> Any:
    return [layer for layer in model.layers if len(getattr(layer, "kernel", np.zeros(1)).shape) == 4][1]


@pytest.mark.parametrize("name", GRAPHS)
def test_it_holds_and_what_learned_learns(tmp_path: Path, name: str) -> None:
    done = regraft.convert(GRAPHS[name](tmp_path), tmp_path / "m.keras", check=True)
    assert (done.format, done.whole) == (name, True)
    proof = done.parity
    assert proof is not None
    assert proof.holds
    assert proof.without_gradient == ()
    assert proof.trainable_parameters == proof.original_parameters == LEARNED
    assert proof.first_divergence == ""
    # Of the two convolutions, what they are joined with, the mean, the dense layer and the softmax.
    assert len(proof.layers) >= 5
    assert max(item.error for item in proof.layers) <= 1e-5
    # The numbers are those of the network, not of any: they differ from zero, and between examples.
    model = keras.saving.load_model(tmp_path / "m.keras")
    answer = np.asarray(keras.ops.convert_to_numpy(model(RANDOM.normal(size=(3, 8, 8, 3)).astype("f4"))))
    assert answer.std(axis=0).min() > 1e-3


@pytest.mark.parametrize("name", GRAPHS)
def test_a_kernel_that_is_turned_around_is_named(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = GRAPHS[name](tmp_path)
    right, broken = graphs.convert, list[str]()

    def wrong(*given: Any) -> Any:
        converted = right(*given)
        layer = _second_convolution(converted.built.model)
        layer.kernel.assign(keras.ops.flip(layer.kernel, axis=0))
        broken.append(layer.name)
        return converted

    monkeypatch.setattr(graphs, "convert", wrong)
    with pytest.raises(ProofError) as caught:
        regraft.convert(source, tmp_path / "m.keras", check=True)
    # A function that is fused into the operator is a layer of its own, and its value is the first that can be compared.
    fused = "_relu" if name == "tflite" else ""
    assert f"the first layer that differs is '{broken[0]}{fused}'" in str(caught.value)
    assert not (tmp_path / "m.keras").exists()


def _of_keras() -> keras.Model:
    layers = keras.layers
    inner = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3, name="conv0")], name="inner")
    given = keras.Input((8, 8, 3), name="given")
    x = layers.Conv2D(4, 3, name="conv2", activation="relu")(inner(given))
    return keras.Model(given, layers.Dense(2, name="top")(layers.GlobalAveragePooling2D(name="mean")(x)), name="net")


def test_what_keras_3_saved_is_read_again_and_compared(tmp_path: Path) -> None:
    _of_keras().save(tmp_path / "m.keras")
    done = regraft.convert(tmp_path / "m.keras", tmp_path / "again.keras", check=True)
    assert done.parity is not None
    assert done.parity.runtime == f"keras {keras.__version__}"
    assert (done.parity.holds, done.parity.error) == (True, 0)
    assert [item.layer for item in done.parity.layers] == ["inner/conv0", "conv2", "mean", "top"]
    assert done.parity.trainable_parameters == done.parity.original_parameters == done.parameters


def test_a_layer_of_keras_that_was_read_wrong_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _of_keras().save(tmp_path / "m.keras")
    load, loaded = keras.saving.load_model, list[Any]()

    def wrong(path: Any, **options: Any) -> Any:
        model = load(path, **options)
        loaded.append(path)
        # The first is the source.
        if len(loaded) > 1:
            layer = model.get_layer("conv2")
            layer.kernel.assign(keras.ops.flip(layer.kernel, axis=0))
        return model

    monkeypatch.setattr(keras.saving, "load_model", wrong)
    with pytest.raises(ProofError, match=r"the first layer that differs is 'conv2' \('conv2' in the file\)"):
        regraft.convert(tmp_path / "m.keras", tmp_path / "again.keras", check=True)
    assert not (tmp_path / "again.keras").exists()


@pytest.fixture(scope="session")
def of_keras_2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        old = pytest.importorskip("tf_keras", reason="needs Keras 2: pip install --no-deps tf_keras")
        layers = old.layers
        model = old.Sequential(
            [
                layers.Conv2D(4, 3, input_shape=(8, 8, 3), name="conv0"),
                layers.BatchNormalization(name="norm"),
                layers.DepthwiseConv2D(3, activation="relu", name="conv2"),
                layers.Flatten(name="flat"),
                layers.Dense(2, activation="softmax", name="top"),
            ]
        )
        path = tmp_path_factory.mktemp("old") / "m.h5"
        model.save(path)
    return path


def test_a_file_of_keras_2_is_compared_with_what_keras_2_makes_of_it(of_keras_2: Path, tmp_path: Path) -> None:
    done = regraft.convert(of_keras_2, tmp_path / "m.keras", check=True)
    assert done.parity is not None
    assert done.parity.runtime.startswith("tf_keras 2.")
    assert [item.layer for item in done.parity.layers] == ["conv0", "norm", "conv2", "flat", "top"]
    assert max(item.error for item in done.parity.layers) <= 1e-5
    assert done.parity.trainable_parameters == done.parity.original_parameters == done.parameters - 8


def test_a_layer_of_keras_2_that_was_read_wrong_is_named(
    of_keras_2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = converting.opening.open

    def wrong(source: Any, **options: Any) -> Any:
        opened = right(source, **options)
        layer = opened.model.get_layer("conv2")
        layer.kernel.assign(keras.ops.flip(layer.kernel, axis=0))
        return opened

    monkeypatch.setattr(converting.opening, "open", wrong)
    with pytest.raises(ProofError, match=r"tf_keras 2[\d.]+ for '.*the first layer that differs is 'conv2'"):
        regraft.convert(of_keras_2, tmp_path / "m.keras", check=True)


def test_a_network_of_an_address_is_compared_as_it_was_built(tmp_path: Path) -> None:
    done = regraft.convert("keras:MobileNet?alpha=0.25&weights=none", tmp_path / "m.keras", check=True, input_size=32)
    assert done.parity is not None
    assert done.parity.holds
    assert done.parity.original_files == {}


def test_what_has_no_original_says_so_in_one_line(tmp_path: Path, shared_folder: Path) -> None:
    model = _of_keras()
    model.save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(RequestError, match="found weights for the architecture 'a:b', which have no original to run"):
        regraft.convert(tmp_path / "m.weights.h5", tmp_path / "m.keras", check=True, architecture="a:b")
    scripted = shared_folder / "nets/torchscript_mnist_potato2chip/model_scripted.pt"
    with pytest.raises(RequestError, match=r"is a TorchScript program.*torch.onnx.export") as caught:
        regraft.convert(scripted, tmp_path / "m.keras", check=True)
    assert "\n" not in str(caught.value)
