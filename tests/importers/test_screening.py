"""Configurations that ask for what no network needs; each is refused by name, and nothing of it happens."""

import base64
import json
import marshal
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from regraft import importers
from regraft.core.errors import CorruptFileError, SourceError


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    """A file that must not come to be."""
    return tmp_path / "it-was-run"


def _saved(folder: Path) -> Path:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="top")], name="small")
    model.save(folder / "m.keras")
    return folder / "m.keras"


def _with_layer(folder: Path, layer: dict[str, Any]) -> Path:
    """A `.keras` file that Keras 3 saved, with one more layer in its configuration."""
    path, altered = _saved(folder), folder / "altered.keras"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(altered, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                config["config"]["layers"].insert(1, layer)
                content = json.dumps(config).encode()
            new.writestr(name, content)
    return altered


def _old(folder: Path, layer: dict[str, Any]) -> Path:
    """A whole-model `.h5` of Keras 2 with one more layer in its configuration."""
    dense = {"class_name": "Dense", "config": {"name": "top", "units": 2, "batch_input_shape": [None, 4]}}
    config = {"class_name": "Sequential", "config": {"name": "small", "layers": [dense, layer]}}
    with h5py.File(folder / "old.h5", "w") as file:
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(config), "2.4.0"
        file.create_group("model_weights/top").attrs["weight_names"] = ["top/kernel:0", "top/bias:0"]
        file["model_weights"].attrs["layer_names"] = ["top"]
        file["model_weights/top/top/kernel:0"], file["model_weights/top/top/bias:0"] = np.ones((4, 2)), np.ones(2)
    return folder / "old.h5"


def _item(module: Any, class_name: str, config: Any, registered: Any = None) -> dict[str, Any]:
    return {"module": module, "class_name": class_name, "config": config, "registered_name": registered}


def _bytecode(witness: Path) -> str:
    code = compile(f"lambda x: open({str(witness)!r}, 'w') and x", "", "eval").co_consts[0]
    return base64.b64encode(marshal.dumps(code)).decode()


# (layer, what the refusal names); the first four are those of the advisories.
INJECTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "module os (CVE-2025-1550)": (_item("os", "system", {"name": "evil", "command": "true"}), r"'os\.system'"),
    "shutil, as a function (CVE-2025-1550)": (_item("shutil", "function", "rmtree", "function"), r"'shutil\.rmtree'"),
    "get_file (CVE-2025-8747)": (
        _item("keras.utils", "function", "get_file", "function"),
        r"asks for 'keras\.utils\.get_file'",
    ),
    "unsafe deserialization (CVE-2025-9906)": (
        _item("keras.config", "function", "enable_unsafe_deserialization", "function"),
        r"'keras\.config\.enable_unsafe_deserialization'",
    ),
    "the same by its private path": (
        _item("keras.src.saving.serialization_lib", "enable_unsafe_deserialization", {"name": "evil"}),
        r"enable_unsafe_deserialization'",
    ),
    "load_model as a layer": (_item("keras.models", "load_model", {"name": "evil", "filepath": "x"}), "load_model"),
    "subprocess": (_item("subprocess", "Popen", {"name": "evil", "args": "true"}), r"'subprocess\.Popen'"),
    "eval of builtins": (_item("builtins", "function", "eval", "function"), r"'builtins\.eval'"),
    "a torch module": (_item("keras.layers", "TorchModuleWrapper", {"name": "evil", "module": "x"}), "TorchModule"),
    "a saved model": (_item("keras.layers", "TFSMLayer", {"name": "evil", "filepath": "/tmp/x"}), "TFSMLayer"),
    "a type": (
        {**_item("os", "__typespec__", ["true"]), "spec_name": "system"},
        r"__typespec__",
    ),
    "a vocabulary in a file (CVE-2025-12058)": (
        _item("keras.layers", "StringLookup", {"name": "evil", "vocabulary": "/etc/passwd"}),
        r"layer 'evil' names a file to read its vocabulary from \('/etc/passwd'\)",
    ),
    "within an activation": (
        _item("keras.layers", "Activation", {"name": "evil", "activation": _item("os", "function", "system")}),
        r"layer 'evil' asks for 'os\.system'",
    ),
    "within a wrapper": (
        _item("keras.layers", "TimeDistributed", {"name": "evil", "layer": _item("os", "system", {"command": "true"})}),
        r"layer 'evil' asks for 'os\.system'",
    ),
}


@pytest.mark.parametrize("name", INJECTIONS)
def test_a_module_in_a_configuration_is_refused_by_name(tmp_path: Path, name: str) -> None:
    layer, named = INJECTIONS[name]
    with pytest.raises(SourceError, match=named) as caught:
        importers.open(_with_layer(tmp_path, layer))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", INJECTIONS)
def test_an_old_file_cannot_name_a_module_at_all(tmp_path: Path, name: str) -> None:
    layer, _ = INJECTIONS[name]
    config = layer["config"] if isinstance(layer["config"], dict) else {"name": "evil"}
    with pytest.raises(SourceError, match=r"'evil'|layer '[\w_]+'"):
        importers.open(_old(tmp_path, {**layer, "config": {"name": "evil", **config}}))


@pytest.mark.parametrize("file", [_with_layer, _old])
def test_a_lambda_is_not_run(tmp_path: Path, witness: Path, file: Any) -> None:
    code = [_bytecode(witness), None, None]
    config = {"name": "evil", "function": code, "function_type": "lambda", "arguments": {}}
    with pytest.raises(SourceError, match=r"layer 'evil' holds Python code \(a Lambda layer or the like\)"):
        importers.open(file(tmp_path, _item("keras.layers", "Lambda", config)))
    assert not witness.exists()


def test_a_lambda_as_an_activation_is_not_run(tmp_path: Path, witness: Path) -> None:
    code = {"class_name": "__lambda__", "config": {"value": [_bytecode(witness), None, None]}}
    layer = _item("keras.layers", "Dense", {"name": "evil", "units": 2, "activation": code})
    for path in (_with_layer(tmp_path, layer), _old(tmp_path, layer)):
        with pytest.raises(SourceError, match=r"layer 'evil'"):
            importers.open(path)
    assert not witness.exists()


def test_a_layer_larger_than_the_file_gets_no_memory(tmp_path: Path) -> None:
    config = {"name": "evil", "units": 1 << 40, "activation": "linear"}
    with pytest.raises(CorruptFileError, match=r"layer 'evil' asks for 1099511627776 weights, the file holds 10;"):
        importers.open(_with_layer(tmp_path, _item("keras.layers", "Dense", config)))
    with pytest.raises(CorruptFileError, match=r"the configuration asks for \d+ weights, the file holds 10;"):
        importers.open(_old(tmp_path, _item(None, "Dense", config)))
    # What was refused is forgotten: the next model gets memory for itself only.
    assert keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).count_params() == 10


def test_who_trusts_a_file_lets_keras_run_its_code(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x * 2, name="double")])
    model.save(tmp_path / "m.keras")
    with pytest.raises(SourceError, match="layer 'double' holds Python code"):
        importers.open(tmp_path / "m.keras")
    opened = importers.open(tmp_path / "m.keras", trust=True)
    np.testing.assert_array_equal(opened.model(np.ones((1, 4))), np.full((1, 4), 2))


def test_what_keras_itself_writes_passes(tmp_path: Path) -> None:
    """Operations, shared layers, nested layers, policies, slices, constants: nothing of Keras' own is refused."""
    layers, given = keras.layers, keras.Input((6, 4))
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True, kernel_regularizer="l2"))(given)
    x = layers.MultiHeadAttention(2, 3, dtype="mixed_bfloat16")(x, x)
    x = keras.ops.concatenate([keras.ops.relu(x[:, ::2]) * 2.0 + np.ones(6), keras.ops.mean(x, 1, keepdims=True)], 1)
    x = layers.Dense(3, activation=keras.activations.gelu, kernel_constraint=keras.constraints.MaxNorm(2))(x)
    x = layers.Activation(layers.LeakyReLU(0.1))(layers.TimeDistributed(layers.Dense(2))(x))
    x = layers.RNN([layers.LSTMCell(2), layers.GRUCell(2)])(x)
    model = keras.Model(given, [x, layers.Rescaling([1.0, 2.0])(x)])
    model.compile("adam", loss=["mse", "mse"])
    model.save(tmp_path / "m.keras")
    opened = importers.open(tmp_path / "m.keras")
    pictures = np.random.default_rng(0).normal(size=(2, 6, 4)).astype("float32")
    for one, other in zip(model(pictures), opened.model(pictures), strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (one, other)))
