"""ONNX files, against the onnx package: every type, every way of storing, and files that were made to harm."""

import time
import tracemalloc

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from regraft import formats
from regraft.core.errors import CorruptFileError, RegraftError, SourceError
from regraft.formats.drawing import graph_html
from regraft.formats.inspection import inspect

onnx = pytest.importorskip("onnx")
helper, numpy_helper, TensorProto = onnx.helper, onnx.numpy_helper, onnx.TensorProto

_TYPES = {
    **{
        name: getattr(TensorProto, name) for name in ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16", "BOOL", "INT4", "UINT4")
    },
    **{name: getattr(TensorProto, name) for name in ("INT8", "INT16", "INT32", "INT64", "COMPLEX64", "COMPLEX128")},
    **{name: getattr(TensorProto, name) for name in ("UINT8", "UINT16", "UINT32", "UINT64")},
    **{name: getattr(TensorProto, name) for name in ("FLOAT8E4M3FN", "FLOAT8E5M2", "FLOAT8E4M3FNUZ", "FLOAT8E5M2FNUZ")},
}


def _model(initializers, nodes=(), inputs=(), outputs=(), **settings):
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs]
    wanted = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs]
    graph = helper.make_graph(list(nodes), "net", given, wanted, initializer=list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="tests", **settings)


def _chain():
    kernel = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "first.weight"], ["a"], "first", pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Clip", ["a", "", "six"], ["b"]),
        helper.make_node("Constant", [], ["factor"], value=numpy_helper.from_array(np.full(4, 0.5, np.float32))),
        helper.make_node("Constant", [], ["six"], value=numpy_helper.from_array(np.float32(6))),
        helper.make_node("GlobalAveragePool", ["b"], ["y"], "b"),
    ]
    return _model(
        [numpy_helper.from_array(kernel, "first.weight")], nodes, [("x", ["N", 3, 8, 8])], [("y", [1, 4, 1, 1])]
    )


def _saved(model, path):
    path.write_bytes(model.SerializeToString())
    return path


def test_operations_tensors_and_what_the_file_says_of_itself(tmp_path):
    model = _chain()
    helper.set_model_props(model, {"classes": "a, b"})
    archive = formats.read(_saved(model, tmp_path / "chain"))
    assert archive.format == "onnx"
    assert {name: tensor.shape for name, tensor in archive.tensors.items()} == {
        "first.weight": (4, 3, 3, 3),
        "factor": (4,),
    }
    np.testing.assert_array_equal(
        archive.tensors["first.weight"].read(), numpy_helper.to_array(model.graph.initializer[0])
    )
    assert {key: archive.metadata[key] for key in ("producer", "opset", "properties")} == {
        "producer": "tests",
        "opset": 17,
        "properties": {"classes": "a, b"},
    }
    graph = formats.graph(archive)
    # A node without a name is called after its result; names that come twice are numbered.
    assert [(operation.name, operation.kind) for operation in graph.operations] == [
        ("first", "Conv"),
        ("b", "Clip"),
        ("six", "Constant"),
        ("b#2", "GlobalAveragePool"),
    ]
    assert graph.operations[0].attributes == {"pads": [1, 1, 1, 1], "strides": [2, 2]}
    assert graph.operations[1].inputs == ("a", "", "six")
    assert graph.operations[2].attributes == {"value": {"dtype": "float32", "shape": [], "values": [6.0]}}
    assert (graph.inputs, graph.outputs, graph.shapes) == (("x",), ("y",), {"x": (3, 8, 8), "y": (4, 1, 1)})


@pytest.mark.parametrize("name", list(_TYPES))
@pytest.mark.parametrize("raw", [True, False])
def test_every_type_however_it_is_stored(name, raw, tmp_path):
    kind = _TYPES[name]
    ours = helper.tensor_dtype_to_np_dtype(kind)
    low = 0 if name.startswith(("U", "B")) else -7
    drawn = np.random.default_rng(0).integers(low, 1 if name == "BOOL" else 7, (3, 5), endpoint=True).astype(ours)
    tensor = (
        numpy_helper.from_array(drawn, "t") if raw else helper.make_tensor("t", kind, drawn.shape, drawn.reshape(-1))
    )
    assert tensor.HasField("raw_data") == raw
    entry = formats.read(_saved(_model([tensor]), tmp_path / "m.onnx")).tensors["t"]
    expected = numpy_helper.to_array(tensor)
    found = entry.read()
    assert found.shape == entry.shape == (3, 5)
    assert found.dtype.name == entry.dtype
    np.testing.assert_array_equal(found.astype(complex), expected.astype(complex))
    if "4" not in name[-1]:
        assert found.dtype == expected.dtype


def test_texts(tmp_path):
    tensor = helper.make_tensor("t", TensorProto.STRING, (2,), [b"daisy", "Bl\u00fcte".encode()])
    entry = formats.read(_saved(_model([tensor]), tmp_path / "m.onnx")).tensors["t"]
    assert entry.read().tolist() == [
        "daisy",
        "Bl\u00fcte",
    ]


def _external(tmp_path, **said):
    tensor = helper.make_tensor("w", TensorProto.FLOAT, (4,), np.arange(4, dtype="<f4").tobytes(), raw=True)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in said.items():
        tensor.external_data.add(key=key, value=str(value))
    return _saved(_model([tensor]), tmp_path / "model" / "m.onnx")


def test_values_beside_the_model(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "w.data").write_bytes(b"1234" + np.arange(4, dtype="<f4").tobytes() + b"5")
    path = _external(tmp_path, location="w.data", offset=4, length=16)
    assert formats.read(path).tensors["w"].read().tolist() == [0, 1, 2, 3]
    with pytest.raises(CorruptFileError, match=r"tensor 'w' should be 16 bytes at 6, the file has 15 there"):
        formats.read(_external(tmp_path, location="w.data", offset=6, length=16))
    with pytest.raises(CorruptFileError, match=r"expected 16 bytes, found 21"):
        formats.read(_external(tmp_path, location="w.data"))
    with pytest.raises(SourceError, match=r"tensor 'w' of .* is in 'v.data', which is not there; put it beside"):
        formats.read(_external(tmp_path, location="v.data"))


@pytest.mark.parametrize("location", ["../secret", "/etc/hostname", "link", "", ".", "sub/../../secret"])
def test_values_outside_of_the_folder_are_not_read(location, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "secret").write_bytes(bytes(16))
    (tmp_path / "model" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(SourceError, match=r"outside of the model's folder; it is not read"):
        formats.read(_external(tmp_path, location=location, length=16))


def test_sizes_are_checked_before_memory_is_taken(tmp_path):
    for dims in ([1 << 40], [1 << 62, 1 << 62]):
        tensor = TensorProto(name="huge", data_type=TensorProto.FLOAT, dims=dims, raw_data=b"1234")
        with pytest.raises(CorruptFileError, match="tensor 'huge' of "):
            formats.read(_saved(_model([tensor]), tmp_path / "m.onnx"))
    tensor = TensorProto(name="huge", data_type=TensorProto.INT64, dims=[1 << 40], int64_data=[1])
    with pytest.raises(CorruptFileError, match=r"expected 1099511627776 numbers, found 1 bytes"):
        formats.read(_saved(_model([tensor]), tmp_path / "m.onnx"))
    tensor = TensorProto(name="short", data_type=TensorProto.INT64, dims=[2], int64_data=[1 << 40])
    entry = formats.read(_saved(_model([tensor]), tmp_path / "m.onnx")).tensors["short"]
    with pytest.raises(CorruptFileError, match=r"expected 2 numbers, found 1;"):
        entry.read()


def test_unknown_types_and_double_names_are_refused(tmp_path):
    tensor = TensorProto(name="w", data_type=99, dims=[1], raw_data=b"1234")
    with pytest.raises(SourceError, match="found number 99 of ONNX's types"):
        formats.read(_saved(_model([tensor]), tmp_path / "m.onnx"))
    tensor = TensorProto(name="w", data_type=1, dims=[1], raw_data=b"1234")
    with pytest.raises(CorruptFileError, match="has two tensors named 'w'"):
        formats.read(_saved(_model([tensor, tensor]), tmp_path / "m.onnx"))


def test_graphs_in_graphs_end(tmp_path):
    content = _chain().graph.SerializeToString()
    for _ in range(40):
        # A graph's node (1) has an attribute (5) of the type graph (20: 5), which holds it (6).
        for tag in (b"\xa0\x01\x05\x32", b"\x2a", b"\x0a"):
            content = tag + _length(content) + content
    path = tmp_path / "m.onnx"
    path.write_bytes(b"\x08\x08\x3a" + _length(content) + content + b"\x42\x02\x10\x11")
    with pytest.raises(CorruptFileError, match="messages inside messages more than 100 deep"):
        formats.read(path)


def _length(content):
    size = len(content)
    return bytes([size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14])


def test_a_file_cut_off_anywhere_is_refused(tmp_path):
    content = _chain().SerializeToString()
    for length in range(len(content)):
        path = tmp_path / "cut.onnx"
        path.write_bytes(content[:length])
        with pytest.raises(RegraftError) as caught:
            formats.read(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


_CONTENT = _chain().SerializeToString()


@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture], max_examples=300)
@hypothesis.given(st.lists(st.tuples(st.integers(0, len(_CONTENT) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_altered_files_give_only_our_errors(tmp_path, changes):
    content = bytearray(_CONTENT)
    for place, value in changes:
        content[place] = value
    path = tmp_path / "altered.onnx"
    path.write_bytes(content)
    try:
        archive = formats.read(path)
        formats.graph(archive)
        for tensor in archive.tensors.values():
            tensor.read()
    except RegraftError:
        pass


def test_a_file_that_was_replaced_is_not_read_on(tmp_path):
    path = _saved(_chain(), tmp_path / "m.onnx")
    archive = formats.read(path)
    path.write_bytes(path.read_bytes() + b"\x08\x09")
    with pytest.raises(CorruptFileError, match="was replaced while it was in use"):
        archive.tensors["first.weight"].read()


def test_opening_takes_no_memory_for_tensors(tmp_path):
    large = [numpy_helper.from_array(np.zeros(1 << 22, np.float32), f"w{number}") for number in range(4)]
    path = _saved(_model(large), tmp_path / "large.onnx")
    del large
    tracemalloc.start()
    assert len(formats.read(path).tensors) == 4
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_inspection_says_where_it_can_be_cut_and_who_owns_what(tmp_path):
    found = inspect(_saved(_chain(), tmp_path / "chain.onnx"))
    assert [(point.name, point.parameters_below) for point in found.cut_points] == [
        ("first", 108),
        ("b", 108),
        ("b#2", 108),
    ]
    assert {layer.name: layer.parameters for layer in found.layers}["first"] == 108
    assert 'class="cut"' in graph_html(tmp_path / "chain.onnx")


def test_what_is_made_of_weights_counts_where_it_is_used(tmp_path):
    nodes = [
        helper.make_node("Reshape", ["k", "s"], ["kernel"], "early"),
        helper.make_node("Relu", ["x"], ["a"], "relu"),
        helper.make_node("Conv", ["a", "kernel"], ["y"], "conv"),
    ]
    held = [numpy_helper.from_array(np.zeros((3, 4), np.float32), "k")]
    held.append(numpy_helper.from_array(np.array([4, 3, 1, 1]), "s"))
    found = inspect(_saved(_model(held, nodes, [("x", ["N", 3, 8, 8])], [("y", None)]), tmp_path / "m.onnx"))
    assert [(point.name, point.parameters_below) for point in found.cut_points] == [("relu", 0), ("conv", 16)]


def test_weights_without_operations(tmp_path):
    path = _saved(_model([numpy_helper.from_array(np.zeros(3, np.float32), "w")]), tmp_path / "m.onnx")
    with pytest.raises(SourceError, match="holds tensors but no operations"):
        formats.graph(formats.read(path))
    assert inspect(path).cut_points == ()


_REAL = {
    "onnx_mnist/mnist.onnx": (8, "CNTK 2.5.1", 5994),
    "semg_m5_pt_onnx_tflite_savedmodel/pretrain_model/onnx_model/M5_recover.onnx": (17, "pytorch 2.4.1", 2855),
}


@pytest.mark.shared
@pytest.mark.parametrize("name", list(_REAL))
def test_real_files(shared_folder, name):
    path = shared_folder / "nets" / name
    archive = formats.read(path)
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        np.testing.assert_array_equal(archive.tensors[tensor.name].read(), numpy_helper.to_array(tensor))
    assert set(archive.tensors) == {tensor.name for tensor in model.graph.initializer}
    opset, producer, parameters = _REAL[name]
    floats = sum(tensor.size for tensor in archive.tensors.values() if tensor.dtype == "float32")
    assert (archive.metadata["opset"], archive.metadata["producer"], floats) == (opset, producer, parameters)
    kinds = sorted(item.kind for item in formats.graph(archive).operations)
    assert kinds == sorted(node.op_type for node in model.graph.node)
    started = time.process_time()
    assert inspect(path).cut_points
    assert time.process_time() - started < 0.7


def test_a_node_without_outputs_and_an_output_without_node_leave_the_tensors(tmp_path):
    kernel = numpy_helper.from_array(np.ones((2, 3), np.float32), "kernel")
    for node, output, said in (
        (helper.make_node("Relu", ["x"], [], "idle"), "x", r"operation 'idle' \(Relu\) makes nothing"),
        (helper.make_node("Relu", ["x"], ["y"]), "z", r"no operation makes the output 'z'; known names: x, y"),
    ):
        path = _saved(_model([kernel], [node], [("x", [1, 3])], [(output, [1, 3])]), tmp_path / "m.onnx")
        found = inspect(path)
        assert [tensor.name for tensor in found.tensors] == ["kernel"]
        assert len(found.warnings) == 1
        with pytest.raises(SourceError, match=said):
            formats.graph(formats.read(path))
