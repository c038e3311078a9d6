"""Meta graphs: collections, signatures, the checkpoint beside them, and where a trained graph begins and ends."""

import numpy as np
import pytest

from regraft import formats
from regraft.core.errors import CorruptFileError
from regraft.formats.inspection import inspect
from tests.formats.tensorflow_files import FLIP, everything, same

tf = pytest.importorskip("tensorflow")
v1 = tf.compat.v1


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network in the graph that it was trained in: feeds of labels and a rate, loss, gradients, saver, summaries."""
    folder = tmp_path_factory.mktemp("meta")
    with tf.Graph().as_default() as graph, v1.Session() as session:
        labels = v1.placeholder(tf.int32, [None], name="labels")
        x = v1.placeholder(tf.float32, [None, 8, 8, 1], name="picture")
        rate = v1.placeholder(tf.float32, name="rate")
        kernel = v1.get_variable("conv/kernel", [3, 3, 1, 4], use_resource=False)
        y = tf.nn.relu(tf.nn.conv2d(x, kernel, 2, "SAME", name="conv/Conv2D"), name="conv/Relu")
        y = tf.nn.dropout(tf.reshape(y, [-1, 64], name="flat"), rate=rate, name="dropout")
        logits = tf.matmul(y, v1.get_variable("dense/kernel", [64, 5], use_resource=False), name="logits")
        tf.nn.softmax(logits, name="answer")
        loss = v1.losses.sparse_softmax_cross_entropy(labels, logits)
        v1.summary.scalar("loss", loss)
        v1.train.MomentumOptimizer(0.1, 0.9).minimize(loss)
        v1.add_to_collection("kept", logits)
        v1.add_to_collection("numbers", 7)
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(folder / "model.ckpt"))
        values = {variable.op.name: session.run(variable) for variable in v1.global_variables()}
        definition = graph.as_graph_def()
    return folder, values, definition


def test_the_graph_and_the_checkpoint_beside_it(trained):
    folder, values, definition = trained
    archive = formats.read(folder / "model.ckpt.meta")
    assert archive.format == "tensorflow-meta-graph"
    assert archive.metadata["variables"] == ("conv/kernel", "dense/kernel")
    for name in archive.metadata["variables"]:
        assert same(archive.tensors[name].read(), values[name])
    constants = {node.name: node for node in definition.node if node.op == "Const"}
    assert set(constants) <= set(archive.tensors)
    for name, node in constants.items():
        assert same(archive.tensors[name].read(), tf.make_ndarray(node.attr["value"].tensor))
    assert {(slot.slot, slot.variable) for slot in archive.optimizer.slots} == {
        ("momentum", "conv/kernel"),
        ("momentum", "dense/kernel"),
    }


def test_collections_by_name(trained):
    collections = formats.read(trained[0] / "model.ckpt.meta").metadata["collections"]
    assert collections["trainable_variables"] == ("conv/kernel:0", "dense/kernel:0")
    assert collections["losses"] == ("sparse_softmax_cross_entropy_loss/value:0",)
    assert collections["kept"] == ("logits:0",)
    assert collections["numbers"] == ("7",)
    assert collections["train_op"] == ("Momentum",)
    assert collections["summaries"] == ("loss:0",)


def test_the_network_is_what_depends_on_the_pictures_alone(trained):
    folder, _, definition = trained
    graph = formats.graph(formats.read(folder / "model.ckpt.meta"))
    assert graph.inputs == ("picture:0",)
    assert graph.outputs == ("answer:0",)
    assert {operation.name for operation in graph.operations} == {node.name for node in definition.node} - {"picture"}
    names = [operation.name for operation in graph.separating()]
    assert [name for name in names if not name.startswith("dropout")] == [
        *("conv/Conv2D", "conv/Relu", "flat", "logits", "answer"),
    ]
    assert graph.shapes["conv/Relu:0"] == (4, 4, 4)
    # What makes no value makes a sign that it has run, and what waits for it says so.
    found = {operation.name: operation for operation in graph.operations}
    assert found["init"].outputs == ("^init",)
    assert set(found["init"].attributes["control_inputs"]) == {
        node[1:] for node in next(node for node in definition.node if node.name == "init").input
    }


def test_inspect_counts_the_variables(trained):
    found = inspect(trained[0] / "model.ckpt.meta")
    assert found.parameters == 36 + 320
    points = {point.name: point.parameters_below for point in found.cut_points}
    assert points["conv/Relu"] == 36
    assert points["logits"] - points["flat"] >= 320


def test_the_checkpoint_knows_the_graph_beside_it(trained):
    folder, _, _ = trained
    whole = formats.graph(formats.read(folder / "model.ckpt.meta"))
    assert formats.graph(formats.read(folder)).operations == whole.operations


def test_a_meta_graph_alone_says_that_its_weights_are_missing(trained, tmp_path):
    (tmp_path / "alone.meta").write_bytes((trained[0] / "model.ckpt.meta").read_bytes())
    archive = formats.read(tmp_path / "alone.meta")
    assert archive.warnings == ("no checkpoint beside 'alone.meta': the graph is there, its weights are not",)
    assert "conv/kernel" not in archive.tensors
    assert formats.graph(archive).outputs == ("answer:0",)


def test_variables_of_tensorflow_2_kind_find_their_tensors(tmp_path):
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 3], name="x")
        kernel = v1.get_variable("dense/kernel", [3, 2], use_resource=True)
        tf.identity(tf.matmul(x, kernel, name="product"), name="answer")
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(tmp_path / "m"))
    graph = formats.graph(formats.read(tmp_path / "m.meta"))
    (handle,) = [operation for operation in graph.operations if operation.kind == "VarHandleOp"]
    assert handle.attributes["tensor"] == "dense/kernel"


def test_truncation_and_flipped_bytes_raise_nothing_of_pythons_own(trained, tmp_path):
    content = (trained[0] / "model.ckpt.meta").read_bytes()
    path = tmp_path / "m.meta"
    for length in range(1, len(content), len(content) // 60):
        path.write_bytes(content[:length])
        found = everything(path)
        assert isinstance(found, str)
    for position in range(3, len(content), len(content) // 60):
        altered = bytearray(content)
        altered[position] ^= FLIP
        path.write_bytes(altered)
        everything(path)


@pytest.mark.shared
def test_the_real_one_equals_what_tensorflow_imports(shared_folder):
    path = shared_folder / "nets/tf1_ckpt_lenet_gtsrb/model/model.ckpt.meta"
    archive = formats.read(path)
    with tf.Graph().as_default() as graph, v1.Session() as session:
        saver = v1.train.import_meta_graph(str(path), clear_devices=True)
        saver.restore(session, str(path.with_suffix("")))
        for name in archive.metadata["variables"]:
            assert same(archive.tensors[name].read(), session.run(f"{name}:0"))
        for slot in archive.optimizer.slots:
            own = f"{slot.variable}/{'Adam' if slot.slot == 'm' else 'Adam_1'}:0"
            assert same(slot.tensor.read(), session.run(own))
        for key, items in archive.metadata["collections"].items():
            assert [item.name.removesuffix(":0") for item in graph.get_collection(key)] == [
                item.removesuffix(":0") for item in items
            ]
        found = {operation.name: operation for operation in formats.graph(archive).operations}
        for operation in graph.get_operations():
            if operation.name == "Placeholder_2":
                continue
            mine = found[operation.name]
            assert mine.kind == operation.type
            assert mine.inputs == tuple(value.name for value in operation.inputs)
            assert mine.outputs == (tuple(value.name for value in operation.outputs) or (f"^{operation.name}",))
            assert set(mine.attributes.get("control_inputs", ())) == {item.name for item in operation.control_inputs}


@pytest.mark.shared
def test_the_real_one_begins_at_the_pictures_and_ends_before_the_labels(shared_folder):
    found = inspect(shared_folder / "nets/tf1_ckpt_lenet_gtsrb/model/model.ckpt.meta")
    assert found.parameters == 64_811
    assert [point.name for point in found.cut_points][-3:] == ["dropout_3/mul", "MatMul_2", "Add_2"]
    assert found.cut_points[-1].shape == (43,)
    assert found.layers[0].shape == (32, 32, 3)
    assert len(found.metadata["collections"]["variables"]) == 32
    assert np.prod(found.cut_points[0].shape) == 28 * 28 * 6


def test_an_absent_data_file_refuses_the_whole(trained, tmp_path):
    for name in ("model.ckpt.meta", "model.ckpt.index"):
        (tmp_path / name).write_bytes((trained[0] / name).read_bytes())
    with pytest.raises(CorruptFileError, match="which is not beside it; get that file too"):
        formats.read(tmp_path / "model.ckpt.meta")
