"""Operations of TensorFlow's graphs, as tf.keras 2.0 to 2.3 kept them; written by hand, computed by TensorFlow."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from regraft import importers
from regraft.core.errors import SourceError
from regraft.importers.keras_legacy import operations


def _operation(kind: str, name: str, reads: list[str], constants: dict[int, Any], **attributes: Any) -> dict[str, Any]:
    count = len(reads) + len(constants)
    node = {"name": name, "op": kind, "input": [f"input_{index}" for index in range(count)], "attr": attributes}
    config = {"name": f"tf_op_layer_{name}", "trainable": True, "dtype": "float32", "node_def": json.dumps(node),
              "constants": {str(key): value for key, value in constants.items()}}  # fmt: skip
    nodes = [[[read, 0, 0, {}] for read in reads]]
    return {"class_name": "TensorFlowOpLayer", "name": config["name"], "config": config, "inbound_nodes": nodes}


def _write(path: Path, *layers: dict[str, Any]) -> Path:
    settings = {"name": "input_1", "batch_input_shape": [None, 4, 4, 3], "dtype": "float32", "sparse": False}
    given = {"class_name": "InputLayer", "name": "input_1", "inbound_nodes": [], "config": settings}
    config = {"name": "model", "layers": [given, *layers], "input_layers": [["input_1", 0, 0]],
              "output_layers": [[layers[-1]["name"], 0, 0]]}  # fmt: skip
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Model", "config": config})
        file.attrs["keras_version"] = "2.2.4-tf"
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [layer["name"] for layer in (given, *layers)]
        for layer in (given, *layers):
            group.create_group(layer["name"]).attrs["weight_names"] = []
    return path


def test_arithmetic_on_the_input(tmp_path: Path) -> None:
    """x / 127.5 - 1, a product with itself, means, and the constant on the left side of a difference."""
    scaled = _operation("RealDiv", "truediv", ["input_1"], {1: 127.5})
    shifted = _operation("Sub", "sub", ["tf_op_layer_truediv"], {1: 1.0})
    product = _operation("Mul", "mul", ["tf_op_layer_sub", "tf_op_layer_sub"], {})
    left = _operation("Sub", "from_one", ["tf_op_layer_mul"], {0: 1.0})
    joined = _operation("ConcatV2", "concat", ["tf_op_layer_from_one", "tf_op_layer_sub"], {2: -1}, N={"i": "2"})
    mean = _operation("Mean", "mean", ["tf_op_layer_concat"], {1: [1, 2]}, keep_dims={"b": False})
    path = _write(tmp_path / "m.h5", scaled, shifted, product, left, joined, mean)
    opened = importers.open(path)
    pictures = np.random.default_rng(0).uniform(0, 255, (2, 4, 4, 3)).astype("float32")
    y = pictures / 127.5 - 1
    expected = np.concatenate([1 - y * y, y], axis=-1).mean(axis=(1, 2))
    np.testing.assert_allclose(opened.model(pictures), expected, rtol=1e-5, atol=1e-6)
    # Its own preprocessing is recognised: raw pictures are what it wants.
    assert (opened.inputs.name, opened.inputs.origin) == ("raw", "stated")
    assert "tf_op_layer_truediv" in [operation.name for operation in opened.model.operations]


def test_an_operation_without_counterpart_is_named(tmp_path: Path) -> None:
    path = _write(tmp_path / "m.h5", _operation("MatrixInverse", "inverse", ["input_1"], {}))
    with pytest.raises(
        SourceError, match=r"layer 'tf_op_layer_inverse' calls TensorFlow's 'MatrixInverse', which is not"
    ):
        importers.open(path)


def test_a_record_that_is_none_is_refused(tmp_path: Path) -> None:
    layer = _operation("Sub", "sub", ["input_1"], {1: 1.0})
    layer["config"]["node_def"] = "\n\x03sub\x12\x03Sub"
    with pytest.raises(SourceError, match=r"expected the JSON of one TensorFlow operation, found"):
        importers.open(_write(tmp_path / "m.h5", layer))


def test_every_other_name_leads_to_a_function() -> None:
    assert not [old for old, new in operations._ALIASES.items() if new not in operations.FUNCTIONS]
    assert not set(operations._ALIASES) & set(operations.FUNCTIONS)
