"""SavedModels and session bundles: signatures, variables, functions opened, constants where they are used."""

import subprocess
import sys

import h5py
import numpy as np
import pytest

from regraft import formats
from regraft.core.errors import CorruptFileError, SourceError
from regraft.core.tensors import flat
from regraft.formats.inspection import inspect
from tests.formats.tensorflow_files import FLIP, everything, part, same

tf = pytest.importorskip("tensorflow")
v1 = tf.compat.v1


class Module(tf.Module):
    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(np.arange(6, dtype=np.float32).reshape(2, 3), name="dense/kernel")
        self.steps = tf.Variable(5, name="steps", trainable=False)

    @tf.function
    def inner(self, x):
        return tf.nn.relu(x @ self.kernel, name="rectified") + tf.constant([1.0, 2.0, 3.0], name="shift")

    @tf.function(input_signature=[tf.TensorSpec([None, 2], name="x")])
    def serve(self, x):
        return {"y": self.inner(x) * 2.0, "again": self.inner(x)}


@pytest.fixture(scope="module")
def saved_module(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "m"
    module = Module()
    tf.saved_model.save(module, str(folder), signatures=module.serve)
    return folder


def test_variables_and_signatures(saved_module):
    archive = formats.read(saved_module)
    assert archive.format == "tensorflow-saved-model"
    assert archive.metadata["variables"] == ("dense/kernel", "steps")
    assert same(archive.tensors["dense/kernel"].read(), np.arange(6, dtype=np.float32).reshape(2, 3))
    assert archive.metadata["objects"] == {"dense/kernel": "kernel", "steps": "steps"}
    signature = archive.metadata["signatures"]["serving_default"]
    assert signature["inputs"] == {"x": {"value": "serving_default_x:0", "dtype": "float32", "shape": (None, 2)}}
    assert set(signature["outputs"]) == {"y", "again"}
    assert formats.read(saved_module / "saved_model.pb").tensors.keys() == archive.tensors.keys()


def test_functions_are_opened_where_they_are_called(saved_module):
    archive = formats.read(saved_module)
    graph = formats.graph(archive)
    assert graph.inputs == ("serving_default_x:0",)
    opened = flat(graph)
    made = set(opened.inputs)
    for operation in opened.operations:
        assert set(operation.inputs) <= made
        made.update(operation.outputs)
    assert set(opened.outputs) <= made
    # The inner function is called twice.
    relus = [operation for operation in opened.operations if operation.kind == "Relu"]
    assert len(relus) == 2
    shifts = [item for item in opened.operations if item.name.endswith("/shift")]
    assert {item.attributes["tensor"] for item in shifts} <= set(archive.tensors)
    for item in shifts:
        assert archive.tensors[item.attributes["tensor"]].read().tolist() == [1.0, 2.0, 3.0]
    handles = {item.attributes["tensor"] for item in opened.operations if item.kind == "VarHandleOp"}
    assert "dense/kernel" in handles


def test_a_keras_network_exported_and_saved(tmp_path):
    import keras

    parts = [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(3, 3, name="conv"),
        keras.layers.BatchNormalization(name="norm"),
    ]
    parts += [keras.layers.Flatten(), keras.layers.Dense(2, name="top")]
    model = keras.Sequential(parts, name="net")
    model.export(str(tmp_path / "exported"), verbose=False)
    archive = formats.read(tmp_path / "exported")
    expected = {variable.path: variable.numpy() for variable in model.variables}
    assert set(archive.metadata["variables"]) == set(expected)
    assert all(same(archive.tensors[name].read(), value) for name, value in expected.items())
    found = inspect(tmp_path / "exported")
    assert found.parameters == model.count_params()
    assert any(point.name.endswith("/Conv2D") or "convolution" in point.name for point in found.cut_points)


@pytest.mark.slow
def test_a_saved_model_with_the_state_of_an_optimizer(tmp_path):
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="d")], name="net")
    model.compile("adam", "mse")
    model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    tf.saved_model.save(model, str(tmp_path / "m"))
    archive = formats.read(tmp_path / "m")
    assert set(archive.metadata["variables"]) == {"net/d/kernel", "net/d/bias"}
    assert {(slot.slot, slot.variable) for slot in archive.optimizer.slots} == {
        (slot, name) for slot in ("momentum", "velocity") for name in ("net/d/kernel", "net/d/bias")
    }


def test_version_1_with_a_signature(tmp_path):
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 3], name="x")
        kernel = v1.get_variable("dense/kernel", [3, 2], use_resource=False)
        y = tf.nn.softmax(tf.matmul(x, kernel, name="product"), name="answer")
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(tmp_path / "m"), {"pictures": x}, {"classes": y})
        value = session.run(kernel)
    archive = formats.read(tmp_path / "m")
    assert same(archive.tensors["dense/kernel"].read(), value)
    graph = formats.graph(archive)
    assert (graph.inputs, graph.outputs) == (("x:0",), ("answer:0",))
    assert [operation.name for operation in graph.separating()] == ["product", "answer"]


def _function(name, body, result):
    signature = part(1, name) + part(2, part(1, "x") + part(3, 1)) + part(3, part(1, "y") + part(3, 1))
    return part(1, part(1, signature) + body + part(4, part(1, "y") + part(2, result)))


def _call(name, called, reads):
    function = part(1, "f") + part(2, part(10, part(1, called)))
    return part(1, name) + part(2, "PartitionedCall") + part(3, reads) + part(5, function)


def _saved(folder, nodes, library):
    graph = b"".join(part(1, node) for node in nodes) + part(2, library)
    meta = part(1, part(4, "serve")) + part(2, graph)
    (folder / "saved_model.pb").write_bytes(part(1, 1) + part(2, meta))
    return folder


_FEED = part(1, "x") + part(2, "Placeholder")


def test_a_function_that_calls_itself_is_left_closed(tmp_path):
    library = _function("f", part(3, _call("again", "f", "x")), "again:output:0")
    graph = formats.graph(formats.read(_saved(tmp_path, [_FEED, _call("start", "f", "x")], library)))
    (start,) = graph.operations
    (again,) = start.graph.operations
    assert again.graph is None
    assert len(flat(graph).operations) == 1


def test_calls_that_double_with_every_level_are_refused_before_they_fill_the_memory(tmp_path):
    library = b""
    for level in range(60):
        called = f"f{level + 1}"
        body = part(3, _call("a", called, "x")) + part(3, _call("b", called, "a:output:0"))
        library += _function(f"f{level}", body, "b:output:0")
    library += _function("f60", part(3, part(1, "n") + part(2, "Neg") + part(3, "x")), "n:output:0")
    graph = formats.graph(formats.read(_saved(tmp_path, [_FEED, _call("start", "f0", "x")], library)))
    assert len(flat(graph).operations) <= 200_000


def test_many_large_calls_are_refused(tmp_path):
    body = b"".join(
        part(3, part(1, f"n{at}") + part(2, "Neg") + part(3, "x" if not at else f"n{at - 1}:y:0")) for at in range(500)
    )
    calls = [_call(f"c{at}", "f", "x") for at in range(1000)]
    with pytest.raises(SourceError, match="opens up to 500000 operations, expected 200000 at most"):
        formats.graph(formats.read(_saved(tmp_path, [_FEED, *calls], _function("f", body, "n499:y:0"))))


def test_a_text_file_without_a_graph_is_refused(tmp_path):
    (tmp_path / "saved_model.pbtxt").write_text("saved_model_schema_version: 1\n")
    with pytest.raises(CorruptFileError, match="holds no graph, it must have been cut off"):
        formats.read(tmp_path)


def test_truncation_at_the_ends_of_parts_and_elsewhere(saved_module, tmp_path):
    content = (saved_module / "saved_model.pb").read_bytes()
    for length in range(2, len(content), len(content) // 150):
        (tmp_path / "saved_model.pb").write_bytes(content[:length])
        with pytest.raises(CorruptFileError, match=r"saved_model.pb"):
            formats.read(tmp_path)


def test_flipped_bytes_raise_nothing_of_pythons_own(saved_module, tmp_path):
    content = (saved_module / "saved_model.pb").read_bytes()
    answers = set()
    for position in range(0, len(content), len(content) // 120):
        altered = bytearray(content)
        altered[position] ^= FLIP
        (tmp_path / "saved_model.pb").write_bytes(altered)
        answers.add(type(everything(tmp_path)))
    assert answers == {str, dict}


@pytest.mark.shared
def test_mobilenet_equals_its_twin_in_hdf5(shared_folder):
    folder = shared_folder / "nets/teachable_mobilenet_v2_0.35_keras_savedmodel"
    archive = formats.read(folder / "model.savedmodel")
    variables = {name: archive.tensors[name] for name in archive.metadata["variables"]}
    twins = {}
    with h5py.File(folder / "Keras/keras_model.h5", "r") as file:
        for group in file["model_weights"].values():
            for name in group.attrs["weight_names"]:
                twins[name.decode().removesuffix(":0")] = group[name][()]
    assert len(variables) == len(twins) == 263
    equal = [name for name, tensor in variables.items() if same(tensor.read(), twins[name])]
    assert len(equal) == 263
    assert len({tensor.read().tobytes() for tensor in variables.values()}) > 200
    found = inspect(folder / "model.savedmodel")
    assert found.parameters == sum(value.size for value in twins.values())
    points = [point.name for point in found.cut_points]
    assert points[-1] == "sequential_7/dense_Dense4/Softmax"
    assert any(name.endswith("out_relu/Relu6") for name in points)


@pytest.mark.shared
@pytest.mark.parametrize(
    "place",
    [
        "tf_serving_half_plus_two/servables/tensorflow/testdata/saved_model_half_plus_two_cpu/00000123",
        "tf_serving_half_plus_two/servables/tensorflow/testdata/saved_model_half_plus_two_tf2_cpu/00000123",
        "tf_serving_half_plus_two/session_bundle/testdata/half_plus_two/00000123",
    ],
)
def test_half_plus_two_in_three_ages(shared_folder, place):
    archive = formats.read(shared_folder / "nets" / place)
    assert archive.format == "tensorflow-saved-model"
    assert archive.tensors["a"].read().item() == 0.5
    assert archive.tensors["b"].read().item() == 2.0
    kinds = [operation.kind for operation in flat(formats.graph(archive)).operations]
    assert "Mul" in kinds
    assert {"Add", "AddV2"} & set(kinds)


@pytest.mark.shared
def test_weights_that_are_constants(shared_folder):
    folder = shared_folder / "nets/semg_m5_pt_onnx_tflite_savedmodel"
    archive = formats.read(folder / "saved_model")
    definition = tf.compat.v1.GraphDef()
    from tensorflow.core.protobuf import saved_model_pb2

    parsed = saved_model_pb2.SavedModel()
    parsed.ParseFromString((folder / "saved_model/saved_model.pb").read_bytes())
    definition = parsed.meta_graphs[0].graph_def
    nodes = {node.name: node for node in definition.node}
    nodes |= {
        f"{item.signature.name}/{node.name}": node for item in definition.library.function for node in item.node_def
    }
    constants = {name: node for name, node in nodes.items() if node.op == "Const"}
    assert set(archive.tensors) == set(constants)
    for name, node in constants.items():
        assert same(archive.tensors[name].read(), tf.make_ndarray(node.attr["value"].tensor)), name
    kinds = [operation.kind for operation in flat(formats.graph(archive)).operations]
    assert kinds.count("Conv2D") >= 3


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize(
    "place",
    [
        "teachable_mobilenet_v2_0.35_keras_savedmodel/model.savedmodel",
        "tf1_ckpt_lenet_gtsrb/model/model.ckpt.meta",
        "tf1_ckpt_lenet_gtsrb/model/model.ckpt",
        "tf1_frozen_mobilenet_v1_0.25_224/models/mobilenet_v1_0.25_224/frozen_graph.pb",
        "tf2_ckpt_mnist_mlp/training_1",
    ],
)
def test_inspect_loads_no_framework(shared_folder, place):
    # How long it takes, `python -m benchmarks start` says of every file there is.
    program = (
        "import sys\n"
        "from regraft.formats.inspection import inspect\n"
        "inspect(sys.argv[1])\n"
        "print([m for m in ('keras', 'tensorflow', 'torch', 'jax', 'google') if m in sys.modules])"
    )
    command = [sys.executable, "-c", program, str(shared_folder / "nets" / place)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
