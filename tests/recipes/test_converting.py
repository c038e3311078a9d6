"""Conversion as a whole: the file, what it tells about itself, and proofs that fail when they should."""

import dataclasses
import hashlib
import json
import zipfile

import keras
import numpy as np
import pytest

import regraft
from regraft.core import plain
from regraft.core.errors import ProofError, RequestError, SourceError, WorkError
from regraft.core.opened import Conversion
from regraft.importers import graphs, originals
from regraft.recipes import parity
from regraft.recipes.converting import INSIDE

onnx = pytest.importorskip("onnx")
helper = onnx.helper


def _network(path, size=32, classes=3):
    """A small network for pictures: convolutions, normalisation, a residual, a head on a flattened map."""
    random = np.random.default_rng(0)
    tensors = {
        "conv1.weight": random.normal(size=(8, 3, 3, 3)) / 5,
        "conv2.weight": random.normal(size=(8, 8, 3, 3)) / 8,
        **{f"bn.{name}": random.uniform(0.5, 1, 8) for name in ("weight", "bias", "mean", "var")},
        "fc.weight": random.normal(size=(classes, 8 * (size // 4) ** 2)) / 10,
        "fc.bias": random.normal(size=classes),
    }
    nodes = [
        helper.make_node("Conv", ["x", "conv1.weight"], ["a"], "conv1", pads=[1] * 4, strides=[2, 2]),
        helper.make_node(
            "BatchNormalization", ["a", *(f"bn.{n}" for n in ("weight", "bias", "mean", "var"))], ["b"], "bn"
        ),
        helper.make_node("Relu", ["b"], ["c"], "relu1"),
        helper.make_node("Conv", ["c", "conv2.weight"], ["d"], "conv2", pads=[1] * 4),
        helper.make_node("Add", ["c", "d"], ["e"], "added"),
        helper.make_node("MaxPool", ["e"], ["f"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["f"], ["g"], "flat"),
        helper.make_node("Gemm", ["g", "fc.weight", "fc.bias"], ["y"], "fc", transB=1),
    ]
    held = [onnx.numpy_helper.from_array(values.astype(np.float32), name) for name, values in tensors.items()]
    given = [helper.make_tensor_value_info("x", 1, ["N", 3, size, size])]
    graph = helper.make_graph(nodes, "small", given, [helper.make_tensor_value_info("y", 1, None)], initializer=held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def source(tmp_path):
    return _network(tmp_path / "small.onnx")


def test_the_proof_holds_and_is_kept_in_the_file(source, tmp_path):
    pytest.importorskip("onnxruntime")
    done = regraft.convert(source, tmp_path / "small.keras", check=True)
    proof = done.parity
    assert proof is not None
    assert proof.holds
    assert proof.error <= 1e-5
    assert proof.runtime.startswith("onnxruntime ")
    assert [item.layer for item in proof.layers] == ["conv1", "bn", "relu1", "conv2", "added", "pool", "flat", "fc"]
    # Flattened maps stand in another order, and are compared all the same.
    assert max(item.error for item in proof.layers) <= 1e-5
    assert proof.trainable_parameters == proof.original_parameters == 8 * 27 + 8 * 72 + 16 + 3 * 512 + 3
    with zipfile.ZipFile(tmp_path / "small.keras") as archive:
        told = json.loads(archive.read(INSIDE))
    assert told["parity"]["holds"] is True
    assert dict(told["load"]["renamed"])["fc.weight"] == "fc/kernel"
    assert plain.from_plain(Conversion, {**told, "out": done.out}) == done
    # Whoever has both files can tell whether they are those that were compared.
    assert proof.original_files == {"small.onnx": hashlib.sha256(source.read_bytes()).hexdigest()}
    with zipfile.ZipFile(tmp_path / "small.keras") as archive:
        members = {name: hashlib.sha256(archive.read(name)).hexdigest() for name in proof.written}
    assert members == proof.written
    assert sorted(members) == ["config.json", "model.weights.h5"]
    assert (proof.seed, proof.examples, proof.tolerance) == (0, 4, 1e-5)
    assert keras.saving.load_model(tmp_path / "small.keras").count_params() == done.parameters


def test_without_a_check_nothing_is_run(source, tmp_path, monkeypatch):
    monkeypatch.setattr(parity, "compare", lambda *given: pytest.fail("was asked for nothing"))
    done = regraft.convert(source, tmp_path / "small.keras")
    assert (done.parity, done.whole, done.format) == (None, True, "onnx")
    assert (done.input, done.output) == (((32, 32, 3),), ((3,),))


def test_a_wrong_weight_is_found_and_its_layer_named(source, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    right = graphs.convert

    def wrong(path, *more):
        converted = right(path, *more)
        kernel = converted.built.model.get_layer("conv2").kernel
        kernel.assign(keras.ops.flip(kernel, axis=0))
        return converted

    monkeypatch.setattr(graphs, "convert", wrong)
    with pytest.raises(
        ProofError, match=r"the first layer that differs is 'conv2' \('d' in the file\).*nothing was written"
    ):
        regraft.convert(source, tmp_path / "small.keras", check=True)
    assert not (tmp_path / "small.keras").exists()


def test_a_variable_that_cannot_learn_fails_the_proof(source, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(parity, "without_gradient", lambda model, x: ("fc/bias",))
    with pytest.raises(ProofError, match="no gradient reaches fc/bias"):
        regraft.convert(source, tmp_path / "small.keras", check=True)


def test_a_part_is_proven_as_a_part(source, tmp_path):
    pytest.importorskip("onnxruntime")
    model = onnx.load(source)
    model.graph.node.append(helper.make_node("Hardmax", ["y"], ["z"], "hard"))
    model.graph.output[0].name = "z"
    source.write_bytes(model.SerializeToString())
    done = regraft.convert(source, tmp_path / "part.keras", check=True)
    assert not done.whole
    assert done.parity is not None
    assert done.parity.holds
    assert done.load.notes == ("Hardmax 'hard': no counterpart is known",)


def test_a_file_for_two_examples_at_a_time(source, tmp_path):
    pytest.importorskip("onnxruntime")
    model = onnx.load(source)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    source.write_bytes(model.SerializeToString())
    done = regraft.convert(source, tmp_path / "two.keras", check=True)
    assert done.parity is not None
    assert (done.parity.holds, done.parity.examples) == (True, 4)


def test_a_network_of_keras_is_written_too(tmp_path):
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="dense")]).save(tmp_path / "old.h5")
    done = regraft.convert(tmp_path / "old.h5", tmp_path / "new.keras")
    assert (done.format, done.parameters, done.load.loaded) == ("keras-h5", 10, ("dense/kernel", "dense/bias"))
    done = regraft.convert(tmp_path / "old.h5", tmp_path / "new.keras", check=True)
    assert done.parity is not None
    assert (done.parity.holds, done.parity.runtime) == (True, f"keras {keras.__version__}")


def test_wrong_requests(source, tmp_path):
    with pytest.raises(RequestError, match=r"expected a file name that ends in .keras, found '.*small.h5'"):
        regraft.convert(source, tmp_path / "small.h5")
    with pytest.raises(RequestError, match=r"only where the source leaves the size open, found 64 for .*\(32, 32, 3\)"):
        regraft.convert(source, tmp_path / "small.keras", input_size=64)
    with pytest.raises(RequestError, match="expected a file to write, found the folder"):
        regraft.convert(source, tmp_path)
    with pytest.raises(SourceError, match="no file or folder"):
        regraft.convert(tmp_path / "absent.onnx", tmp_path / "small.keras")


def test_a_runtime_that_is_not_there_is_asked_for(monkeypatch):
    monkeypatch.setattr(originals.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match="needs onnxruntime; install it with: pip install onnxruntime"):
        originals.runtime("onnx")
    with pytest.raises(RequestError, match="expected a format whose original can be run"):
        originals.runtime("keras")


def test_what_the_runtime_says_is_one_line(source):
    pytest.importorskip("onnxruntime")
    with pytest.raises(WorkError, match="does not run") as caught:
        originals.runtime("onnx").run(source, [{"x": np.zeros((1, 5), np.float32)}], ["y"])
    assert "\n" not in str(caught.value)


def test_relative_errors():
    assert parity.relative_error(np.zeros(3), np.zeros(3)) == 0
    assert parity.relative_error(np.zeros(3), np.zeros(2)) == float("inf")
    assert parity.relative_error(np.array([np.nan]), np.ones(1)) == float("inf")


@pytest.mark.slow
def test_a_run_from_an_onnx_file(source, pictures, tmp_path):
    run = regraft.fit(pictures, source, out=tmp_path / "run", fine_tune="no", baselines="no", preprocessing="unit")
    assert run.record.certificate.frozen_unchanged
    assert dataclasses.asdict(run.record.load)["unused"] == ()
