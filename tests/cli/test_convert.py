import keras
import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
KEYS = {"source", "out", "format", "whole", "parameters", "trainable_parameters", "load", "parity"}


@pytest.fixture
def source(tmp_path):
    helper = onnx.helper
    kernel = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["a"], "/features/Conv"),
        helper.make_node("GlobalAveragePool", ["a"], ["y"], "/pool"),
    ]
    given = [helper.make_tensor_value_info("x", 1, ["N", 3, 8, 8])]
    wanted = [helper.make_tensor_value_info("y", 1, None)]
    held = [onnx.numpy_helper.from_array(kernel, "k")]
    graph = helper.make_graph(nodes, "net", given, wanted, initializer=held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    return tmp_path / "net.onnx"


def test_the_document(source, say, tmp_path):
    pytest.importorskip("onnxruntime")
    said = say("convert", source, tmp_path / "net.keras", "--check", "--json")
    assert said.status == 0, said.err
    assert said.err == ""
    assert set(said.document) >= KEYS
    assert said.document["parity"]["holds"] is True
    assert said.document["load"]["renamed"] == [["k", "features_Conv/kernel"]]
    assert keras.saving.load_model(tmp_path / "net.keras").input_shape == (None, 8, 8, 3)


def test_the_words(source, say, tmp_path):
    pytest.importorskip("onnxruntime")
    said = say("convert", source, tmp_path / "net.keras", "--check")
    assert said.status == 0
    assert "net.keras  (from onnx)" in said.out
    assert "8 x 8 x 3" in said.out
    assert "a gradient reaches every" in said.out
    assert "proof" not in say("convert", source, tmp_path / "net.keras").out


def test_a_part_says_so(source, say, tmp_path):
    model = onnx.load(source)
    model.graph.node.append(onnx.helper.make_node("Hardmax", ["y"], ["z"], "hard"))
    model.graph.output[0].name = "z"
    source.write_bytes(model.SerializeToString())
    said = say("convert", source, tmp_path / "net.keras")
    assert said.status == 0
    assert "the network ends below what has no counterpart" in said.out
    assert "Hardmax 'hard'" in said.err


def test_a_proof_that_does_not_hold_ends_with_one(source, say, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    from regraft.recipes import parity

    monkeypatch.setattr(parity, "TOLERANCE", -1.0)
    said = say("convert", source, tmp_path / "net.keras", "--check", "--json")
    assert said.status == 1
    assert "the first layer that differs is 'features_Conv'" in said.refusal
    assert not (tmp_path / "net.keras").exists()


def test_bad_input(source, say, tmp_path):
    for words, expected in (
        ((source, tmp_path / "net.h5"), "expected a file name that ends in .keras"),
        ((tmp_path / "absent.onnx", tmp_path / "net.keras"), "no file or folder"),
    ):
        said = say("convert", *words)
        assert said.status == 2
        assert expected in said.refusal
