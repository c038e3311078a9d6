"""TensorFlow's own reader of event files says what was written."""

import pytest

from regraft import formats
from regraft.core.tensors import flat
from regraft.formats import tensorboard

tf = pytest.importorskip("tensorflow")


def _events(folder):
    (path,) = folder.iterdir()
    return list(tf.compat.v1.train.summary_iterator(str(path)))


def _graph(folder):
    version, event = _events(folder)
    assert version.file_version == "brain.Event:2"
    definition = tf.compat.v1.GraphDef()
    definition.ParseFromString(event.graph_def)
    return {node.name: node for node in definition.node}


@pytest.fixture
def frozen(tmp_path):
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, 6], name="x")
        with tf.name_scope("hidden"):
            left, right = tf.split(x, 2, axis=1, name="split")
            with tf.control_dependencies([tf.no_op(name="first")]):
                joined = tf.multiply(left, right, name="joined")
        tf.nn.relu(joined, name="answer")
    (tmp_path / "g.pb").write_bytes(graph.as_graph_def().SerializeToString())
    return graph.as_graph_def(), tmp_path / "g.pb"


def test_nodes_and_edges_are_those_of_the_file(frozen, tmp_path):
    definition, path = frozen
    written = tensorboard.write(formats.graph(formats.read(path)), tmp_path / "logs")
    assert written.parent == tmp_path / "logs"
    found = _graph(tmp_path / "logs")
    assert set(found) == {node.name for node in definition.node}
    for node in definition.node:
        assert found[node.name].op == node.op
        assert list(found[node.name].input) == list(node.input)
    assert found["hidden/joined"].attr["T"].type == tf.float32.as_datatype_enum
    assert found["x"].attr["_output_shapes"].list.shape[0].dim[1].size == 6


def test_written_twice_it_is_one_graph(frozen, tmp_path):
    _, path = frozen
    for _ in range(2):
        tensorboard.write(formats.graph(formats.read(path)), tmp_path / "logs")
    assert len(_graph(tmp_path / "logs")) > 5


def test_functions_become_scopes(tmp_path):
    class Module(tf.Module):
        def __init__(self):
            super().__init__()
            self.weight = tf.Variable([[2.0], [3.0]], name="weight")

        @tf.function(input_signature=[tf.TensorSpec([None, 2], name="x")])
        def serve(self, x):
            return {"y": x @ self.weight}

    module = Module()
    tf.saved_model.save(module, str(tmp_path / "m"), signatures=module.serve)
    graph = formats.graph(formats.read(tmp_path / "m"))
    tensorboard.write(graph, tmp_path / "logs")
    found = _graph(tmp_path / "logs")
    assert {operation.name for operation in flat(graph).operations} <= set(found)
    (matmul,) = [node for node in found.values() if node.op == "MatMul"]
    for reference in matmul.input:
        assert reference.partition(":")[0] in found
    assert matmul.name.count("/") == 2


def test_a_network_of_keras_can_be_drawn_too(saved, tmp_path):
    _, path = saved("nested", "keras")
    tensorboard.write(formats.graph(formats.read(path)), tmp_path / "logs")
    found = _graph(tmp_path / "logs")
    assert found["base/conv1"].op == "Conv2D"
    assert all(reference.partition(":")[0] in found for node in found.values() for reference in node.input)


@pytest.mark.shared
def test_a_real_training_graph(shared_folder, tmp_path):
    path = shared_folder / "nets/tf1_ckpt_lenet_gtsrb/model/model.ckpt.meta"
    meta = tf.compat.v1.MetaGraphDef()
    meta.ParseFromString(path.read_bytes())
    tensorboard.write(formats.graph(formats.read(path)), tmp_path)
    found = _graph(tmp_path)
    for node in meta.graph_def.node:
        assert (found[node.name].op, list(found[node.name].input)) == (node.op, list(node.input))
    assert len(found) == len(meta.graph_def.node)
