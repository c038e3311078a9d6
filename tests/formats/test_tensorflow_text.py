"""TensorFlow's graphs as text: the same tensors and operations as in binary form, and damage is refused by place."""

import numpy as np
import pytest

import regraft
from regraft import formats
from regraft.core.errors import CorruptFileError
from tests.formats.tensorflow_files import everything, same

tf = pytest.importorskip("tensorflow")
text_format = pytest.importorskip("google.protobuf.text_format")
v1 = tf.compat.v1

RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def definition():
    kernel = RANDOM.normal(size=(3, 3, 2, 4)).astype("float32")
    with tf.Graph().as_default() as graph:
        x = v1.placeholder("float32", [None, 6, 6, 2], name="x")
        y = tf.nn.relu(tf.nn.conv2d(x, kernel, [1, 2, 2, 1], "SAME"), name="relu")
        y = tf.reshape(y, [-1, 36]) @ tf.constant(RANDOM.normal(size=(36, 3)).astype("float32"), name="dense")
        tf.constant([b"\xff\x00'\"\\", b"text"], name="texts")
        tf.constant(0.5, name="half")
        tf.identity(y, name="y")
    return graph.as_graph_def()


def both(folder, definition, name="graph"):
    (folder / f"{name}.pb").write_bytes(definition.SerializeToString())
    (folder / f"{name}.pbtxt").write_text(text_format.MessageToString(definition))
    return folder / f"{name}.pb", folder / f"{name}.pbtxt"


def test_a_graph_as_text_is_the_same_graph(definition, tmp_path):
    binary, text = both(tmp_path, definition)
    theirs, ours = formats.read(binary), formats.read(text)
    assert ours.format == "tensorflow-graph"
    assert list(ours.tensors) == list(theirs.tensors)
    for name, entry in theirs.tensors.items():
        assert same(ours.tensors[name].read(), entry.read()), name
    assert formats.graph(ours).operations == formats.graph(theirs).operations
    x = RANDOM.normal(size=(2, 6, 6, 2)).astype("float32")
    models = [regraft.open(path, preprocessing="raw").model for path in (binary, text)]
    np.testing.assert_array_equal(np.asarray(models[0](x)), np.asarray(models[1](x)))


def test_a_meta_graph_as_text_with_its_checkpoint(tmp_path):
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder("float32", [None, 4], name="x")
        tf.matmul(x, v1.get_variable("kernel", [4, 3], use_resource=False), name="y")
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(tmp_path / "m.ckpt"))
        meta = v1.train.export_meta_graph()
    (tmp_path / "m.ckpt.pbtxt").write_text(text_format.MessageToString(meta))
    archive = formats.read(tmp_path / "m.ckpt.pbtxt")
    assert archive.format == "tensorflow-meta-graph"
    assert archive.collection("trainable_variables") == formats.read(tmp_path / "m.ckpt.meta").collection(
        "trainable_variables"
    )


def test_a_saved_model_as_text(tmp_path):
    module = tf.Module()
    module.kernel = tf.Variable(RANDOM.normal(size=(4, 3)).astype("float32"), name="kernel")
    serve = tf.function(lambda x: {"y": tf.nn.relu(x @ module.kernel)}, autograph=False)
    signature = serve.get_concrete_function(tf.TensorSpec([None, 4], name="x"))
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=signature)
    x = RANDOM.normal(size=(2, 4)).astype("float32")
    expected = np.asarray(regraft.open(tmp_path / "saved", preprocessing="raw").model(x))
    file = tmp_path / "saved" / "saved_model.pb"
    from tensorflow.core.protobuf import saved_model_pb2

    parsed = saved_model_pb2.SavedModel()
    parsed.ParseFromString(file.read_bytes())
    (tmp_path / "saved" / "saved_model.pbtxt").write_text(text_format.MessageToString(parsed))
    file.unlink()
    for source in (tmp_path / "saved", tmp_path / "saved" / "saved_model.pbtxt"):
        found = np.asarray(regraft.open(source, preprocessing="raw").model(x))
        np.testing.assert_array_equal(found, expected)


def test_damage_is_refused_in_one_line(definition, tmp_path):
    _, text = both(tmp_path, definition)
    whole = text.read_text()
    for end in range(20, len(whole), len(whole) // 40):
        text.write_text(whole[:end])
        # A text that ends between two nodes is a smaller graph; everything else is refused.
        assert everything(text) is not None
    text.write_text(whole.replace("type: DT_FLOAT", "type: DT_NOTHING", 1))
    with pytest.raises(CorruptFileError, match="is no GraphDef as text: expected a type, found 'DT_NOTHING'"):
        formats.read(text)
    text.write_text(whole.replace('op: "Placeholder"', "op: 7", 1))
    with pytest.raises(CorruptFileError, match="expected a text, found 7"):
        formats.read(text)
    text.write_text("node {\n" + "attr { key: " * 3)
    with pytest.raises(CorruptFileError, match="is no GraphDef as text"):
        formats.read(text)
