"""Parts of a graph between values that a user names: the same numbers, and refusals that say what is known."""

from pathlib import Path

import numpy as np
import pytest

import regraft
from regraft import formats
from regraft.cli import main
from regraft.core.errors import SourceError
from regraft.importers import graphs
from regraft.importers.pretrained import Ends
from tests.importers.graphs.conftest import laid_out

RANDOM = np.random.default_rng(0)
# Of float32, relative to the largest element.
TOLERANCE = 1e-5


def weights(*shape):
    return RANDOM.normal(size=shape).astype("float32")


def close(found, expected):
    found = np.asarray(found)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())


@pytest.fixture(scope="module")
def tensorflow():
    return pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def frozen(tensorflow, tmp_path_factory):
    """Two convolutions and a head, with a branch of text that Keras cannot say."""
    tf, v1 = tensorflow, tensorflow.compat.v1
    with tf.Graph().as_default() as graph:
        text = v1.placeholder("string", [None], name="text")
        decoded = tf.reshape(tf.io.decode_raw(text, "float32", name="decoded"), [-1, 8, 8, 3], name="pictures")
        x = v1.placeholder_with_default(decoded, [None, 8, 8, 3], name="input")
        x = tf.nn.relu(tf.nn.conv2d(x, weights(3, 3, 3, 4), 1, "SAME", name="conv1") + weights(4), name="relu1")
        x = tf.nn.relu(tf.nn.conv2d(x, weights(3, 3, 4, 6), 2, "SAME", name="conv2") + weights(6), name="relu2")
        x = tf.reduce_mean(x, [1, 2], name="pooled")
        tf.nn.softmax(tf.matmul(x, weights(6, 5), name="logits"), name="answer")
        definition = graph.as_graph_def()
    path = tmp_path_factory.mktemp("frozen") / "graph.pb"
    path.write_bytes(definition.SerializeToString())

    def run(wanted, **feed):
        with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
            tf.import_graph_def(definition, name="")
            return session.run(wanted, {f"{name}:0": value for name, value in feed.items()})

    return path, run


def test_a_frozen_graph_up_to_a_value(frozen):
    path, run = frozen
    x = weights(3, 8, 8, 3)
    opened = regraft.open(path, inputs="input", outputs=["relu2:0", "logits"], preprocessing="raw")
    maps, logits = opened.model(x)
    close(maps, run("relu2:0", input=x))
    close(logits, run("logits:0", input=x))
    assert [entry for entry in opened.report.unused if "conv" in entry] == []


def test_a_frozen_graph_from_a_value_on_whose_shape_is_found_below(frozen):
    path, run = frozen
    x = np.abs(weights(2, 8, 8, 4))
    # What is below the default of a placeholder takes text; the placeholder itself is where one can begin.
    with pytest.raises(SourceError, match=r"does not say the shape of 'relu1:0'.*'relu1:0=28x28x1'"):
        regraft.open(path, inputs=["relu1"], outputs=["pooled"])
    opened = regraft.open(path, inputs={"relu1": (8, 8, 4)}, outputs=["pooled"], preprocessing="raw")
    close(opened.model(x), run("pooled:0", relu1=x))
    # The addition right behind the cut learns: it is no preprocessing.
    opened = regraft.open(path, inputs={"conv1": (8, 8, 4)}, outputs="relu1", preprocessing="raw")
    close(opened.model(x), run("relu1:0", conv1=x))
    assert sum(int(np.prod(v.shape)) for v in opened.model.trainable_variables) == 4


def test_unknown_names_are_refused_with_the_nearest(frozen, tmp_path):
    path, _ = frozen
    with pytest.raises(SourceError, match=r"has no value 'relu3'; nearest known names: relu[12]"):
        regraft.open(path, inputs="input", outputs="relu3")
    with pytest.raises(SourceError, match=r"has no value 'inputs'; nearest known names: input"):
        regraft.open(path, inputs="inputs", outputs="relu1")
    with pytest.raises(SourceError, match="has no signature 'serve'; the file has no signatures"):
        regraft.open(path, signature="serve")
    with pytest.raises(SourceError, match=r"'relu1:0' .* does not depend on the input 'relu2:0'; leave it out"):
        regraft.open(path, inputs={"input": None, "relu2": (4, 4, 6)}, outputs="relu1")
    with pytest.raises(SourceError, match="only for graph files"):
        regraft.open("keras:MobileNet?weights=none", outputs="relu1")


def test_the_command_line(frozen, tmp_path, capsys):
    path, run = frozen
    out = tmp_path / "part.keras"
    words = ["convert", str(path), str(out), "--inputs", "conv1=8x8x4", "--outputs", "pooled"]
    assert main(words) == 0
    assert "8 x 8 x 4" in capsys.readouterr().out
    x = weights(2, 8, 8, 4)
    import keras

    close(keras.saving.load_model(out)(x), run("pooled:0", conv1=x))
    assert main(["convert", str(path), str(out), "--outputs", "pool"]) == 2
    assert "nearest known names: pooled" in capsys.readouterr().err
    assert main(["convert", str(path), str(out), "--inputs", "conv1=8xa"]) == 2
    assert "expected a shape without the batch such as 28x28x1, found '8xa'" in capsys.readouterr().err


@pytest.fixture(scope="module")
def meta(tensorflow, tmp_path_factory):
    tf, v1 = tensorflow, tensorflow.compat.v1
    folder = tmp_path_factory.mktemp("meta")
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder("float32", [None, 6], name="x")
        labels = v1.placeholder("float32", [None, 3], name="labels")
        hidden = tf.nn.relu(tf.matmul(x, v1.get_variable("w1", [6, 4], use_resource=False)), name="hidden")
        logits = tf.matmul(hidden, v1.get_variable("w2", [4, 3], use_resource=False), name="logits")
        squared = tf.square(logits - labels, name="squared")
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(folder / "model.ckpt"))
        given = {"x:0": weights(5, 6), "labels:0": weights(5, 3)}
        values = session.run({"hidden": hidden, "logits": logits, "squared": squared}, given)
    return folder / "model.ckpt.meta", given, values


def test_a_meta_graph_with_its_checkpoint(meta):
    path, given, values = meta
    opened = regraft.open(path, outputs="hidden", preprocessing="raw")
    close(opened.model(given["x:0"]), values["hidden"])
    opened = regraft.open(path, inputs="hidden", outputs="logits", preprocessing="raw")
    assert opened.model.input_shape == (None, 4)
    close(opened.model(values["hidden"]), values["logits"])
    assert [tensor.name for tensor in regraft.open(path, outputs="logits", preprocessing="raw").model.inputs] == ["x_0"]
    opened = regraft.open(path, inputs=["x", "labels"], outputs="squared", preprocessing="raw")
    close(opened.model([given["x:0"], given["labels:0"]]), values["squared"])
    with pytest.raises(SourceError, match="needs 'labels:0' too, which is not among the inputs; name it as well"):
        regraft.open(path, inputs="x", outputs="squared")


def test_a_saved_model_by_signature(tensorflow, tmp_path):
    tf = tensorflow
    module = tf.Module()
    module.kernel = tf.Variable(weights(4, 3), name="kernel")
    module.top = tf.Variable(weights(3, 2), name="top")

    @tf.function(input_signature=[tf.TensorSpec([None, 4], name="x")], autograph=False)
    def features(x):
        return {"features": tf.nn.relu(x @ module.kernel)}

    @tf.function(input_signature=[tf.TensorSpec([None, 4], name="rows")], autograph=False)
    def classify(rows):
        return {"classes": tf.nn.relu(rows @ module.kernel) @ module.top}

    tf.saved_model.save(module, str(tmp_path / "saved"), signatures={"features": features, "classify": classify})
    x = weights(3, 4)
    for name, function, width in (("features", features, 3), ("classify", classify, 2)):
        opened = regraft.open(tmp_path / "saved", signature=name, preprocessing="raw")
        (expected,) = function(tf.constant(x)).values()
        assert opened.model.output_shape == (None, width)
        close(opened.model(x), expected.numpy())
    with pytest.raises(SourceError, match="has no signature 'clasify'; nearest known names: classify"):
        regraft.open(tmp_path / "saved", signature="clasify")


def test_onnx_between_two_values(tmp_path):
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    helper = onnx.helper
    held = {"k1": weights(4, 3, 3, 3), "k2": weights(5, 4, 3, 3), "b2": weights(5)}
    nodes = [
        helper.make_node("Conv", ["x", "k1"], ["a"], "conv1", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"], "relu1"),
        helper.make_node("Conv", ["b", "k2", "b2"], ["c"], "conv2"),
        helper.make_node("Relu", ["c"], ["d"], "relu2"),
    ]
    value = helper.make_tensor_value_info
    ends = [value("x", 1, ["N", 3, 8, 8])], [value("d", 1, None), value("b", 1, None), value("c", 1, None)]
    kept = [onnx.numpy_helper.from_array(array, name) for name, array in held.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "g", *ends, initializer=kept), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    path = tmp_path / "g.onnx"
    path.write_bytes(model.SerializeToString())
    x = weights(2, 3, 8, 8)
    _, below, above = runtime.InferenceSession(path).run(["d", "b", "c"], {"x": x})
    converted = graphs.convert(path, ends=Ends.of("b", "conv2", None))
    found = converted.built.model(laid_out(converted, "b", below))
    close(found, laid_out(converted, "c", above))
    assert sorted(converted.report.unused) == ["k1"]
    with pytest.raises(SourceError, match="has no value 'conv3'; nearest known names: conv"):
        graphs.convert(path, ends=Ends.of(None, "conv3", None))
    with pytest.raises(SourceError, match="expected a signature only for a SavedModel"):
        graphs.convert(path, ends=Ends.of(None, None, "serve"))


def test_handles_on_everything_by_name(meta):
    path, _, _ = meta
    archive = formats.read(path)
    graph = formats.graph(archive)
    assert graph.operation("hidden").kind == "Relu"
    assert graph.maker("logits:0") is graph.operation("logits")
    assert [operation.name for operation in graph.readers("hidden:0")] == ["logits"]
    assert [operation.name for operation in graph.matching("w1.*Assign")] == ["w1/Assign"]
    assert graph.maker("x:0") is None
    assert archive.tensor("w1").read().shape == (6, 4)
    assert [entry.name for entry in archive.matching("w.")] == ["w1", "w2"]
    assert archive.collection("trainable_variables") == ("w1:0", "w2:0")
    with pytest.raises(SourceError, match="has no operation 'hiden'; nearest known names: hidden"):
        graph.operation("hiden")
    with pytest.raises(SourceError, match="has no value 'hiden:0'; nearest known names: hidden:0"):
        graph.maker("hiden:0")
    with pytest.raises(SourceError, match="no tensor 'w3'; nearest known names: w"):
        archive.tensor("w3")
    with pytest.raises(SourceError, match="no collection 'variable'; nearest known names: variables"):
        archive.collection("variable")


@pytest.mark.shared
def test_lenet_of_the_traffic_signs_in_parts(shared_folder: Path, tensorflow):
    tf, v1 = tensorflow, tensorflow.compat.v1
    prefix = shared_folder / "nets/tf1_ckpt_lenet_gtsrb/model/model.ckpt"
    pictures = RANDOM.uniform(0, 1, (3, 32, 32, 3)).astype("float32")
    with tf.Graph().as_default(), v1.Session() as session:
        v1.train.import_meta_graph(f"{prefix}.meta").restore(session, str(prefix))
        feed = {"Placeholder_2:0": pictures, "Placeholder:0": 1.0, "Placeholder_1:0": 1.0}
        archive = formats.read(Path(f"{prefix}.meta"))
        graph = formats.graph(archive)
        reshaped = graph.operation("MatMul").inputs[0]
        flat, logits = session.run([reshaped, "Add_2:0"], feed)
    assert len(archive.collection("trainable_variables")) == 10
    assert graph.maker("Add_2:0") is graph.operation("Add_2")
    assert archive.tensor("wc1").read().shape == (5, 5, 3, 6)
    assert len(archive.matching(r"w(c|d)\d")) == 4
    below = regraft.open(f"{prefix}.meta", outputs=reshaped, preprocessing="raw")
    above = regraft.open(f"{prefix}.meta", inputs=reshaped, outputs="Add_2", preprocessing="raw")
    close(below.model(pictures), flat)
    close(above.model(flat), logits)
    assert len(below.model.trainable_variables) + len(above.model.trainable_variables) == 10
