"""Files in the manner of Keras 1, written by hand: each against the same sums in NumPy.

Keras 1 does not run any more. What its layers computed is written down here once more: Theano's convolution turns the
kernel around, hard_sigmoid has the slope 0.2, gates lie one by one.
"""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from regraft import importers
from regraft.core.errors import ProofError, SourceError

_random = np.random.default_rng(3)


def _write(path: Path, config: Any, weights: dict[str, dict[str, np.ndarray]]) -> Path:
    with h5py.File(path, "w") as file:
        if config is not None:
            file.attrs["model_config"] = json.dumps(config).encode()
            file.attrs["keras_version"] = b"1.2.2"
        group = file.create_group("model_weights") if config is not None else file
        group.attrs["layer_names"] = [name.encode() for name in weights]
        for layer, arrays in weights.items():
            inner = group.create_group(layer)
            inner.attrs["weight_names"] = [name.encode() for name in arrays]
            for name, value in arrays.items():
                inner.create_dataset(name, data=value)
    return path


def _some(*shape: int) -> np.ndarray:
    return _random.uniform(-0.7, 0.7, shape).astype("float32")


def _layer(class_name: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": name, "trainable": True, **config}}


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.clip(0.2 * x + 0.5, 0, 1)


def _theanos_convolution(pictures: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """(n, channels, height, width) by (outputs, inputs, rows, columns); a convolution as mathematics has it."""
    _, _, rows, columns = kernel.shape
    height, width = pictures.shape[2] - rows + 1, pictures.shape[3] - columns + 1
    made = np.zeros((len(pictures), len(kernel), height, width))
    for row in range(height):
        for column in range(width):
            window = pictures[:, :, row : row + rows, column : column + columns]
            made[:, :, row, column] = np.einsum("nchw,ochw->no", window, kernel[:, :, ::-1, ::-1])
    return made + bias[None, :, None, None]


_CONVOLUTION = {
    "nb_filter": 4, "nb_row": 3, "nb_col": 3, "border_mode": "valid", "subsample": [1, 1], "dim_ordering": "th",
    "activation": "linear", "init": "glorot_uniform", "bias": True, "W_constraint": None, "b_constraint": None,
    "W_regularizer": {"name": "WeightRegularizer", "l1": 0.0, "l2": 0.001}, "b_regularizer": None,
    "activity_regularizer": None,
}  # fmt: skip
_DENSE = {
    "activation": "linear", "init": "glorot_uniform", "bias": True, "W_regularizer": None, "b_regularizer": None,
    "activity_regularizer": None, "W_constraint": None, "b_constraint": None,
}  # fmt: skip


@pytest.mark.parametrize("inputs", [3, 4])
def test_a_network_of_theano(tmp_path: Path, inputs: int) -> None:
    """Channels first, kernels turned around, a Flatten that keeps them first; with 4 inputs shapes tell nothing."""
    config = {
        "class_name": "Sequential",
        "config": [
            _layer("Convolution2D", "convolution2d_1", batch_input_shape=[None, inputs, 8, 7], input_dtype="float32",
                   **_CONVOLUTION),
            _layer("BatchNormalization", "batchnormalization_1", mode=0, axis=1, epsilon=1e-3, momentum=0.99,
                   gamma_regularizer=None, beta_regularizer=None),
            _layer("Activation", "activation_1", activation="relu"),
            _layer("MaxPooling2D", "maxpooling2d_1", pool_size=[2, 2], strides=[2, 2], border_mode="valid",
                   dim_ordering="th"),
            _layer("Dropout", "dropout_1", p=0.25),
            _layer("Flatten", "flatten_1"),
            _layer("Dense", "dense_1", output_dim=2, input_dim=None, **_DENSE),
        ],
    }  # fmt: skip
    kernel, bias, dense, constant = _some(4, inputs, 3, 3), _some(4), _some(24, 2), _some(2)
    gamma, beta, mean, variance = _some(4), _some(4), _some(4), np.abs(_some(4)) + 0.1
    weights = {
        "convolution2d_1": {"convolution2d_1_W": kernel, "convolution2d_1_b": bias},
        "batchnormalization_1": {
            "batchnormalization_1_gamma": gamma, "batchnormalization_1_beta": beta,
            "batchnormalization_1_running_mean": mean, "batchnormalization_1_running_std": variance,
        },
        **{name: {} for name in ("activation_1", "maxpooling2d_1", "dropout_1", "flatten_1")},
        "dense_1": {"dense_1_W": dense, "dense_1_b": constant},
    }  # fmt: skip
    opened = importers.open(_write(tmp_path / "m.h5", config, weights))
    pictures = _some(5, inputs, 8, 7)
    x = _theanos_convolution(pictures, kernel, bias)
    x = (x - mean[:, None, None]) / np.sqrt(variance + 1e-3)[:, None, None] * gamma[:, None, None]
    x = np.maximum(x + beta[:, None, None], 0)[:, :, :6, :4].reshape(5, 4, 3, 2, 2, 2).max(axis=(3, 5))
    expected = x.reshape(5, -1) @ dense + constant
    found = opened.model.predict(np.moveaxis(pictures, 1, -1), verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert len(opened.report.loaded) == 8
    assert any("kernels of Theano are turned around (1 layer)" in note for note in opened.report.notes)
    assert opened.model.get_layer("convolution2d_1").kernel_regularizer.l2 == pytest.approx(0.001)


def _gates(name: str, order: str, inputs: int, units: int) -> dict[str, np.ndarray]:
    shapes = {"W": (inputs, units), "U": (units, units), "b": (units,)}
    return {f"{name}_{kind}_{gate}": _some(*shapes[kind]) for gate in order for kind in "WUb"}


def test_gates_one_by_one(tmp_path: Path) -> None:
    settings = {
        "init": "glorot_uniform", "inner_init": "orthogonal", "activation": "tanh", "inner_activation": "hard_sigmoid",
        "return_sequences": True, "go_backwards": False, "stateful": False, "unroll": False, "consume_less": "cpu",
        "W_regularizer": None, "U_regularizer": None, "b_regularizer": None, "dropout_W": 0.1, "dropout_U": 0.2,
        "input_length": 6,
    }  # fmt: skip
    config = {
        "class_name": "Sequential",
        "config": [
            _layer("Embedding", "embedding_1", batch_input_shape=[None, 6], input_dtype="int32", input_dim=9,
                   output_dim=3, init="uniform", input_length=6, mask_zero=False, activity_regularizer=None,
                   W_regularizer=None, W_constraint=None, dropout=0.0),
            _layer("LSTM", "lstm_1", output_dim=4, input_dim=3, forget_bias_init="one", **settings),
            _layer("GRU", "gru_1", output_dim=5, input_dim=4, **{**settings, "return_sequences": False}),
        ],
    }  # fmt: skip
    table = _some(9, 3)
    lstm, gru = _gates("lstm_1", "icfo", 3, 4), _gates("gru_1", "zrh", 4, 5)
    opened = importers.open(_write(tmp_path / "m.h5", config, {"embedding_1": {"embedding_1_W": table}, "lstm_1": lstm,
                                                               "gru_1": gru}))  # fmt: skip
    words = _random.integers(0, 9, (7, 6))
    h, c, g = np.zeros((7, 4)), np.zeros((7, 4)), np.zeros((7, 5))

    def fed(weights: dict[str, np.ndarray], name: str, gate: str, x: np.ndarray, state: np.ndarray) -> np.ndarray:
        return x @ weights[f"{name}_W_{gate}"] + state @ weights[f"{name}_U_{gate}"] + weights[f"{name}_b_{gate}"]

    for step in range(6):
        x = table[words[:, step]]
        i, f, o = (_sigmoid(fed(lstm, "lstm_1", gate, x, h)) for gate in "ifo")
        c = f * c + i * np.tanh(fed(lstm, "lstm_1", "c", x, h))
        h = o * np.tanh(c)
        z, r = (_sigmoid(fed(gru, "gru_1", gate, h, g)) for gate in "zr")
        g = z * g + (1 - z) * np.tanh(fed(gru, "gru_1", "h", h, r * g))
    np.testing.assert_allclose(opened.model.predict(words, verbose=0), g, rtol=1e-4, atol=1e-5)
    assert sum("joined" in note or "1.2" in note for note in opened.report.notes) == 2


def test_a_sequential_that_begins_with_a_merge(tmp_path: Path) -> None:
    left = {"class_name": "Sequential", "config": [
        _layer("Dense", "dense_1", output_dim=3, batch_input_shape=[None, 4], input_dim=4, **_DENSE)]}  # fmt: skip
    right = {"class_name": "Sequential", "config": [
        _layer("Dense", "dense_2", output_dim=2, batch_input_shape=[None, 5], input_dim=5, **_DENSE)]}  # fmt: skip
    merge = {"name": "merge_1", "mode": "concat", "concat_axis": -1, "dot_axes": -1, "mode_type": "raw",
             "output_shape": None, "output_shape_type": "raw", "layers": [left, right]}  # fmt: skip
    config = {
        "class_name": "Sequential",
        "config": [{"class_name": "Merge", "config": merge}, _layer("Dense", "dense_3", output_dim=1, **_DENSE)],
    }
    arrays = {
        "dense_1": (_some(4, 3), _some(3)),
        "dense_2": (_some(5, 2), _some(2)),
        "dense_3": (_some(5, 1), _some(1)),
    }
    weights = {name: {f"{name}_W": kernel, f"{name}_b": bias} for name, (kernel, bias) in arrays.items()}
    opened = importers.open(_write(tmp_path / "m.h5", config, weights))
    a, b = _some(6, 4), _some(6, 5)
    joined = np.concatenate([a @ arrays["dense_1"][0] + arrays["dense_1"][1],
                             b @ arrays["dense_2"][0] + arrays["dense_2"][1]], axis=-1)  # fmt: skip
    found = opened.model.predict([a, b], verbose=0)
    np.testing.assert_allclose(found, joined @ arrays["dense_3"][0] + arrays["dense_3"][1], rtol=1e-5, atol=1e-5)


def test_a_graph_with_slashes_in_its_names(tmp_path: Path) -> None:
    def node(class_name: str, name: str, *reads: str, **config: Any) -> dict[str, Any]:
        nodes = [[[read, 0, 0] for read in reads]] if reads else []
        return {**_layer(class_name, name, **config), "name": name, "inbound_nodes": nodes}

    config = {
        "class_name": "Model",
        "config": {
            "name": "model_1",
            "layers": [
                node("InputLayer", "input_1", batch_input_shape=[None, 6], input_dtype="float32", sparse=False),
                node("Dense", "fire2/left", "input_1", output_dim=3, input_dim=6, **_DENSE),
                node("Dense", "fire2/right", "input_1", output_dim=3, input_dim=6, **_DENSE),
                node("Merge", "fire2/product", "fire2/left", "fire2/right", mode="mul", concat_axis=-1, dot_axes=-1),
            ],
            "input_layers": [["input_1", 0, 0]],
            "output_layers": [["fire2/product", 0, 0]],
        },
    }
    arrays = {name: (_some(6, 3), _some(3)) for name in ("fire2/left", "fire2/right")}
    weights = {name: {f"{name}_W": kernel, f"{name}_b": bias} for name, (kernel, bias) in arrays.items()}
    opened = importers.open(_write(tmp_path / "m.h5", config, weights))
    x = _some(5, 6)
    left, right = (x @ kernel + bias for kernel, bias in arrays.values())
    np.testing.assert_allclose(opened.model.predict(x, verbose=0), left * right, rtol=1e-5, atol=1e-6)
    assert opened.report.renamed[0] == ("fire2/left/kernel", "fire2_left/kernel")


def test_a_layer_that_keras_dropped_is_named(tmp_path: Path) -> None:
    config = {"class_name": "Sequential", "config": [
        _layer("MaxoutDense", "maxout_1", batch_input_shape=[None, 4], output_dim=2, nb_feature=3)]}  # fmt: skip
    with pytest.raises(SourceError, match=r"layer 'maxout_1' needs the custom object 'MaxoutDense'"):
        importers.open(_write(tmp_path / "m.h5", config, {"maxout_1": {"maxout_1_W": _some(3, 4, 2)}}))


def test_a_setting_without_counterpart_is_named(tmp_path: Path) -> None:
    config = {"class_name": "Sequential", "config": [
        _layer("Dense", "dense_1", batch_input_shape=[None, 4], output_dim=2, sharpness=3.0, **_DENSE)]}  # fmt: skip
    weights = {"dense_1": {"dense_1_W": _some(4, 2), "dense_1_b": _some(2)}}
    with pytest.raises(SourceError, match=r"layer 'dense_1': setting 'sharpness' = 3.0 is unknown to Dense of Keras"):
        importers.open(_write(tmp_path / "m.h5", config, weights))


def test_a_tensor_too_few_is_named(tmp_path: Path) -> None:
    config = {"class_name": "Sequential", "config": [
        _layer("Dense", "dense_1", batch_input_shape=[None, 4], output_dim=2, **_DENSE)]}  # fmt: skip
    path = _write(tmp_path / "m.h5", config, {"dense_1": {"dense_1_W": _some(4, 2)}})
    with pytest.raises(ProofError, match=r"missing in the file: dense_1/bias"):
        importers.open(path)
