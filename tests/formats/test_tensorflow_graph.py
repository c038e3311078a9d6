"""Frozen graphs: nodes, settings and constants as TensorFlow's own reader gives them."""

import tracemalloc

import ml_dtypes  # noqa: F401 - gives NumPy the types that TensorFlow has besides its own
import numpy as np
import pytest

from regraft import formats
from regraft.core.errors import CorruptFileError, SourceError
from regraft.formats.inspection import inspect
from tests.formats.tensorflow_files import FLIP, equal, everything, part, same, varint

tf = pytest.importorskip("tensorflow")
v1 = tf.compat.v1

_TYPES = [
    *("float32", "float64", "int32", "uint8", "int16", "int8", "complex64", "complex128", "int64", "bool"),
    *("bfloat16", "float16", "uint16", "uint32", "uint64", "float8_e5m2", "float8_e4m3fn"),
]
_QUANTISED = {"qint8": "int8", "quint8": "uint8", "qint32": "int32", "qint16": "int16", "quint16": "uint16"}


def _tensor_of(node):
    value = tf.make_ndarray(node.attr["value"].tensor)
    # TensorFlow has types of its own for integers that stand for reals.
    return value.view(value.dtype[0]) if value.dtype.names else value


def _written(graph, path):
    definition = graph.as_graph_def()
    path.write_bytes(definition.SerializeToString())
    return definition


@pytest.fixture
def network(tmp_path):
    """A frozen network, as `freeze_graph` leaves it."""
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [None, 8, 8, 3], name="picture")
        kernel = tf.constant(np.arange(108, dtype=np.float32).reshape(3, 3, 3, 4), name="conv/weights")
        y = tf.nn.conv2d(x, tf.identity(kernel, name="conv/weights/read"), [1, 2, 2, 1], "SAME", name="conv/Conv2D")
        y = tf.nn.bias_add(y, tf.constant([1.0, 2.0, 3.0, 4.0], name="conv/biases"), name="conv/BiasAdd")
        left, right = tf.split(tf.nn.relu6(y, name="conv/Relu6"), 2, axis=3, name="halves")
        tf.reshape(tf.add(left, right, name="sum"), [-1, 32], name="answer")
    return _written(graph, tmp_path / "g.pb"), tmp_path / "g.pb"


def test_operations_settings_and_order(network):
    definition, path = network
    archive = formats.read(path)
    assert archive.format == "tensorflow-graph"
    graph = formats.graph(archive)
    assert (graph.inputs, graph.outputs) == (("picture:0",), ("answer:0",))
    found = {operation.name: operation for operation in graph.operations}
    assert set(found) == {node.name for node in definition.node} - {"picture"}
    conv = found["conv/Conv2D"]
    assert (conv.kind, conv.inputs, conv.outputs) == (
        "Conv2D",
        ("picture:0", "conv/weights/read:0"),
        ("conv/Conv2D:0",),
    )
    assert conv.attributes["strides"] == (1, 2, 2, 1)
    assert (conv.attributes["padding"], conv.attributes["data_format"], conv.attributes["T"]) == (
        "SAME",
        "NHWC",
        "float32",
    )
    assert found["halves"].outputs == ("halves:0", "halves:1")
    assert found["conv/weights"].attributes["tensor"] == "conv/weights"
    made = set(graph.inputs)
    for operation in graph.operations:
        assert set(operation.inputs) <= made
        made.update(operation.outputs)


def test_cut_points_and_what_is_below_them(network):
    _, path = network
    points = {point.name: point for point in inspect(path).cut_points}
    assert list(points) == ["conv/Conv2D", "conv/BiasAdd", "conv/Relu6", "sum", "answer"]
    assert points["conv/Conv2D"].parameters_below == 108
    assert points["conv/BiasAdd"].parameters_below == 112


@pytest.mark.parametrize("content", [True, False], ids=["bytes", "listed"])
def test_constants_of_every_type(tmp_path, content):
    definition = v1.GraphDef()
    expected = {}
    for name in _TYPES:
        dtype = tf.as_dtype(name).as_numpy_dtype
        numbers = np.arange(-12, 12).reshape(4, 6)
        value = numbers > 0 if name == "bool" else numbers.astype(np.int8).astype(dtype)
        node = definition.node.add(name=name, op="Const")
        tensor = tf.make_tensor_proto(value)
        node.attr["value"].tensor.CopyFrom(tensor if content else _listed(value, name, tensor))
        expected[name] = value
    text = np.array([b"", b"abc", "ü".encode(), b"\xff"], object).reshape(2, 2)
    definition.node.add(name="text", op="Const").attr["value"].tensor.CopyFrom(tf.make_tensor_proto(text))
    (tmp_path / "c.pb").write_bytes(definition.SerializeToString())
    found = formats.read(tmp_path / "c.pb").tensors
    assert set(found) == {*expected, "text"}
    for name, value in expected.items():
        assert same(found[name].read(), value), name
        assert found[name].dtype == name
        assert same(found[name].read(), _tensor_of(next(node for node in definition.node if node.name == name)))
    assert found["text"].dtype == "string"
    assert same(found["text"].read(), text)


def _listed(value, name, tensor):
    """The same constant with its values one by one, in the field that its type has."""
    proto = type(tensor)(dtype=tensor.dtype, tensor_shape=tensor.tensor_shape)
    row = value.reshape(-1)
    if name in ("float16", "bfloat16"):
        proto.half_val.extend(row.view(np.uint16).tolist())
    elif name.startswith("float8"):
        proto.float8_val = row.tobytes()
    elif name.startswith("complex"):
        parts = row.view(np.float32 if name == "complex64" else np.float64).tolist()
        (proto.scomplex_val if name == "complex64" else proto.dcomplex_val).extend(parts)
    else:
        own = {"float32": "float", "float64": "double", "int64": "int64", "bool": "bool"}
        own |= {"uint32": "uint32", "uint64": "uint64"}
        getattr(proto, f"{own.get(name, 'int')}_val").extend(row.tolist())
    return proto


def test_one_value_stands_for_all_that_are_left_out(tmp_path):
    with tf.Graph().as_default() as graph:
        tf.constant(2.5, shape=[3, 4], name="filled")
        tf.constant(0, shape=[0, 4], dtype=tf.int64, name="empty")
    definition = _written(graph, tmp_path / "g.pb")
    archive = formats.read(tmp_path / "g.pb")
    assert set(archive.tensors) == {node.name for node in definition.node}
    for node in definition.node:
        assert same(archive.tensors[node.name].read(), _tensor_of(node))


@pytest.mark.parametrize("name", _QUANTISED)
def test_quantised_constants_are_read_as_their_integers(tmp_path, name):
    tensor = tf.make_tensor_proto(np.array([1, 2, 100], _QUANTISED[name]))
    tensor.dtype = tf.as_dtype(name).as_datatype_enum
    definition = v1.GraphDef()
    definition.node.add(name="q", op="Const").attr["value"].tensor.CopyFrom(tensor)
    definition.node.add(name="wide", op="QuantizedConv2D", input=["q", "q"])
    (tmp_path / "q.pb").write_bytes(definition.SerializeToString())
    archive = formats.read(tmp_path / "q.pb")
    assert archive.tensors["q"].dtype == name
    assert same(archive.tensors["q"].read(), np.array([1, 2, 100], _QUANTISED[name]))
    assert archive.warnings == ("computed in 8 bits: QuantizedConv2D",)


def test_a_loop_is_closed_from_behind(tmp_path):
    v1.disable_control_flow_v2()
    try:
        with tf.Graph().as_default() as graph:
            x = v1.placeholder(tf.float32, [None, 3], name="x")
            _, y = v1.while_loop(lambda i, _: i < 5, lambda i, y: (i + 1, y * 2.0), [0, x], name="loop")
            tf.identity(y, name="answer")
        definition = _written(graph, tmp_path / "g.pb")
    finally:
        v1.enable_control_flow_v2()
    assert "NextIteration" in {node.op for node in definition.node}
    found = formats.graph(formats.read(tmp_path / "g.pb"))
    kinds = [operation.kind for operation in found.operations]
    assert kinds.index("Merge") < kinds.index("NextIteration")
    made = set(found.inputs)
    for operation in found.operations:
        if operation.kind != "Merge":
            assert set(operation.inputs) <= made
        made.update(operation.outputs)


def _graph_file(folder, *nodes):
    path = folder / "g.pb"
    path.write_bytes(b"".join(part(1, part(1, name) + part(2, kind) + reads) for name, kind, reads in nodes))
    return path


def test_a_cycle_is_named(tmp_path):
    path = _graph_file(tmp_path, ("x", "Placeholder", b""), ("a", "Add", part(3, "b")), ("b", "Neg", part(3, "a")))
    with pytest.raises(SourceError, match="node 'a' waits for its own result"):
        formats.graph(formats.read(path))


def test_an_absent_node_is_named(tmp_path):
    path = _graph_file(tmp_path, ("x", "Placeholder", b""), ("a", "Add", part(3, "x") + part(3, "lost:2")))
    with pytest.raises(SourceError, match="node 'a' reads the value 'lost:2', which no node makes"):
        formats.graph(formats.read(path))


def test_two_nodes_of_one_name_are_refused(tmp_path):
    path = _graph_file(tmp_path, ("a", "NoOp", b""), ("a", "NoOp", b""))
    with pytest.raises(CorruptFileError, match="two nodes have one name"):
        formats.read(path)


def test_a_deep_graph_needs_no_deep_stack(tmp_path):
    nodes = [("n0", "Placeholder", b""), *((f"n{at}", "Neg", part(3, f"n{at - 1}")) for at in range(1, 5_000))]
    graph = formats.graph(formats.read(_graph_file(tmp_path, *nodes)))
    assert graph.outputs == ("n4999:0",)


def _constant_file(folder, tensor):
    value = part(1, "value") + part(2, part(8, tensor))
    return _graph_file(folder, ("c", "Const", part(5, value)), ("n", "Neg", part(3, "c")))


def _shape(*sizes):
    return part(2, b"".join(part(2, part(1, size)) for size in sizes))


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (part(1, 1) + _shape(1 << 20, 1 << 20) + part(5, b"\0\0\x80\x3f"), "claims 4398046511104 bytes, 4 are stored"),
        (part(1, 1) + _shape(1 << 62, 1 << 62) + part(4, b"\0\0\0\0"), "bytes, 4 are stored"),
        (part(1, 1) + _shape(2) + part(4, b"\0\0\0\0"), "claims 8 bytes, 4 are stored"),
        (part(1, 7) + _shape(1 << 40) + part(8, b"x"), "are stored"),
        (part(1, 1) + _shape(-1), "unknown shape"),
        (part(1, 1) + part(2, part(3, 1)), "unknown shape"),
    ],
)
def test_a_constant_that_claims_more_than_is_there_is_refused_on_opening(tmp_path, tensor, reason):
    with pytest.raises(CorruptFileError, match=reason):
        formats.read(_constant_file(tmp_path, tensor))


def test_a_large_graph_is_listed_in_little_memory(tmp_path):
    size = 1 << 28
    # The content of the constant is a hole in the file; every message around it counts it in.
    head = part(1, 1) + _shape(size // 4) + b"\x22" + varint(size)
    around = (
        (b"\x42", b""),
        (b"\x12", part(1, "value")),
        (b"\x2a", part(1, "c") + part(2, "Const")),
        (b"\x0a", b""),
    )
    for tag, before in around:
        head = before + tag + varint(len(head) + size) + head
    with (tmp_path / "g.pb").open("wb") as file:
        file.write(head)
        file.truncate(len(head) + size)
    tracemalloc.start()
    archive = formats.read(tmp_path / "g.pb")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert archive.tensors["c"].size == size // 4
    assert peak < 1_000_000


def test_messages_nested_without_end_do_no_harm(tmp_path):
    # An attribute holds a function, which holds attributes, ...
    value = b""
    for _ in range(5000):
        value = part(10, part(1, "f") + part(2, part(1, "a") + part(2, value)))
    path = _graph_file(tmp_path, ("a", "NoOp", part(5, part(1, "x") + part(2, value))))
    # Only the name of a function is looked at, never what is inside.
    (operation,) = formats.graph(formats.read(path)).operations
    assert operation.attributes["x"] == "f"


def test_truncation_at_every_node_and_inside_it(network):
    _, path = network
    content, whole = path.read_bytes(), everything(path)
    refused = 0
    for length in range(1, len(content), 7):
        path.write_bytes(content[:length])
        found = everything(path)
        # A graph is a list of nodes: one that ends between two of them is a graph too, only a smaller one.
        refused += isinstance(found, str) or found.keys() < whole.keys() or equal(found, whole)
    assert refused == len(range(1, len(content), 7))


def test_flipped_bytes_raise_nothing_of_pythons_own(network):
    _, path = network
    content = path.read_bytes()
    kinds = set()
    for position in range(0, len(content), 7):
        altered = bytearray(content)
        altered[position] ^= FLIP
        path.write_bytes(altered)
        kinds.add(type(everything(path)))
    assert kinds == {str, dict}


def test_a_graph_replaced_after_opening_gives_no_values(network):
    _, path = network
    archive = formats.read(path)
    path.write_bytes(path.read_bytes() + part(3, 1))
    with pytest.raises(CorruptFileError, match="was replaced while it was in use"):
        archive.tensors["conv/biases"].read()


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "output", "nodes"),
    [
        ("models/mobilenet_v1_0.25_224/frozen_graph.pb", "MobilenetV1/Predictions/Reshape_1:0", 555),
        ("models/mobilenet_v1_0.25_224/quantized_graph.pb", "MobilenetV1/Predictions/Reshape_1:0", 180),
        ("retrained_graph.pb", "final_result:0", 560),
    ],
)
def test_real_graphs_equal_what_tensorflow_parses(shared_folder, name, output, nodes):
    path = shared_folder / "nets/tf1_frozen_mobilenet_v1_0.25_224" / name
    definition = v1.GraphDef()
    definition.ParseFromString(path.read_bytes())
    archive = formats.read(path)
    constants = {node.name: node for node in definition.node if node.op == "Const"}
    assert set(archive.tensors) == set(constants)
    for key, node in constants.items():
        assert same(archive.tensors[key].read(), _tensor_of(node)), key
    graph = formats.graph(archive)
    assert (graph.inputs, graph.outputs) == (("input:0",), (output,))
    assert len(definition.node) == nodes == len(graph.operations) + 1
    kinds = {operation.name: operation.kind for operation in graph.operations}
    assert all(kinds[node.name] == node.op for node in definition.node if node.op != "Placeholder")


@pytest.mark.shared
def test_real_cut_points(shared_folder):
    found = inspect(
        shared_folder / "nets/tf1_frozen_mobilenet_v1_0.25_224/models/mobilenet_v1_0.25_224/frozen_graph.pb"
    )
    points = {point.name: point for point in found.cut_points}
    assert "MobilenetV1/MobilenetV1/Conv2d_13_pointwise/Relu6" in points
    # Keras' MobileNet, a class more; and constants: 27 times epsilon, and the shape that the last layer is brought to.
    assert points["MobilenetV1/Predictions/Softmax"].parameters_below == 475_544 + 257 + 27 + 2


def test_a_graph_whose_weights_are_elsewhere_is_read_with_a_warning(tmp_path):
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [None, 20], name="x")
        x = tf.matmul(x, tf.constant(np.arange(400, dtype="f4").reshape(20, 20), name="w"))
        tf.add(x, tf.zeros([20]), name="y")
    definition = _written(graph, tmp_path / "whole.pb")
    assert not formats.read(tmp_path / "whole.pb").warnings
    next(node for node in definition.node if node.name == "w").attr["value"].tensor.ClearField("tensor_content")
    (tmp_path / "emptied.pb").write_bytes(definition.SerializeToString())
    (warning,) = formats.read(tmp_path / "emptied.pb").warnings
    assert warning.startswith("'emptied.pb' holds no weights: what stands in all 1 large constants takes less than")
