"""What the key of activations depends on: all that changes them, and nothing else."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from regraft.activations.compute import compute
from regraft.activations.engines import Wanted
from regraft.activations.keys import Keys
from regraft.activations.store import Store
from regraft.core.input_spec import InputSpec
from regraft.core.progress import collecting_warnings
from regraft.data import open as open_data
from regraft.graph import names
from regraft.graph.cut_points import cut_points
from regraft.graph.digest import of_trunk, of_trunks
from regraft.surgery.copy import copy_model
from regraft.surgery.cut import cut
from regraft.surgery.freeze import freeze
from tests.laws.networks import built, examples, parameters

layers = keras.layers


def _last(model: keras.Model) -> str:
    return cut_points(model)[-1].name


@pytest.mark.parametrize("name", parameters(slow=False))
def test_the_same_network_has_the_same_digests(name: str, tmp_path: Path) -> None:
    model = built(name)
    points = [point.name for point in cut_points(model)]
    expected = of_trunks(model, points)
    assert len(set(expected.values())) == len(points)
    model.save(tmp_path / "it.keras")
    for other in (built(name), copy_model(model), keras.saving.load_model(tmp_path / "it.keras", compile=False)):
        found = [point.name for point in cut_points(other)]
        assert list(of_trunks(other, found).values()) == list(expected.values())


@pytest.mark.parametrize("name", parameters(slow=False, but=("several",)))
def test_neither_nesting_nor_the_head_nor_training_matters(name: str) -> None:
    model = built(name)
    points = [point.name for point in cut_points(model)]
    middle = points[len(points) // 2]
    expected = of_trunk(model, middle)
    inputs = keras.Input(batch_shape=model.inputs[0].shape, dtype=model.inputs[0].dtype)
    outer = keras.Model(inputs, layers.Dense(7)(layers.Flatten()(model(inputs))))
    assert of_trunk(outer, f"{model.name}/{middle}") == expected
    assert of_trunk(cut(model, middle)[0], middle) == expected
    outer.compile(keras.optimizers.SGD(0.1))
    outer.trainable = False
    assert of_trunk(outer, f"{model.name}/{middle}") == expected


def test_another_name_is_no_difference() -> None:
    def network(prefix: str) -> keras.Model:
        inputs = keras.Input((4,), name=f"{prefix}in")
        model = keras.Model(inputs, layers.Dense(3, name=f"{prefix}dense")(inputs), name=f"{prefix}model")
        model.set_weights([np.ones((4, 3)), np.zeros(3)])
        return model

    assert of_trunk(network("a"), "adense") == of_trunk(network("b"), "bdense")


@pytest.mark.parametrize("name", parameters(slow=False))
def test_every_bit_of_every_weight_matters(name: str) -> None:
    model = built(name)
    point = _last(model)
    below = names.variables(cut(model, point)[0])
    seen = {of_trunk(model, point)}
    for key, variable in names.variables(model).items():
        if "seed_generator" in key or key not in below or not variable.shape:
            continue
        value = np.array(keras.ops.convert_to_numpy(variable))
        flat = value.reshape(-1)
        flat[-1] = np.nextafter(flat[-1], np.float32(9)) if value.dtype == np.float32 else flat[-1] + 1
        variable.assign(value)
        digest = of_trunk(model, point)
        assert digest not in seen, key
        seen.add(digest)


def _convolution(**options: Any) -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    settings: dict[str, Any] = {"kernel_initializer": "ones", "padding": "same", "name": "conv", **options}
    return keras.Model(inputs, layers.Conv2D(3, 3, **settings)(inputs))


def _operation(make: Callable[[Any], Any]) -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, make(inputs))


def _cube(x: Any) -> Any:
    return x * x * x


_PAIRS: dict[str, tuple[Callable[[], keras.Model], Callable[[], keras.Model]]] = {
    "activation": (lambda: _convolution(), lambda: _convolution(activation="relu")),
    "dilation": (lambda: _convolution(), lambda: _convolution(dilation_rate=2)),
    "padding": (lambda: _convolution(padding="valid"), lambda: _convolution(padding="same")),
    "precision": (lambda: _convolution(), lambda: _convolution(dtype="mixed_float16")),
    "own activation": (lambda: _convolution(), lambda: _convolution(activation=_cube)),
    "epsilon": (
        lambda: _operation(layers.BatchNormalization(epsilon=1e-3)),
        lambda: _operation(layers.BatchNormalization(epsilon=1e-5)),
    ),
    "axis": (lambda: _operation(lambda x: keras.ops.flip(x, 1)), lambda: _operation(lambda x: keras.ops.flip(x, 2))),
    "slice": (lambda: _operation(lambda x: x[:, ::2]), lambda: _operation(lambda x: x[:, 1::2])),
    "constant": (lambda: _operation(lambda x: x * 2.0), lambda: _operation(lambda x: x * 3.0)),
    # Long enough that NumPy would show only its ends.
    "array": (
        lambda: _operation(lambda x: x + np.zeros((8, 8, 3, 1), "float32").reshape(8, 8, 3)),
        lambda: _operation(lambda x: x + np.eye(192, dtype="float32")[70].reshape(8, 8, 3)),
    ),
    "large array": (
        lambda: keras.Model(inputs := keras.Input((4000,)), inputs + np.zeros(4000, "float32")),
        lambda: keras.Model(inputs := keras.Input((4000,)), inputs + np.eye(1, 4000, 2000, dtype="float32")[0]),
    ),
    "order of arguments": (
        lambda: _operation(lambda x: keras.ops.subtract(keras.ops.relu(x), x)),
        lambda: _operation(lambda x: keras.ops.subtract(x, keras.ops.relu(x))),
    ),
    "what is shared": (
        lambda: _operation(lambda x: layers.Concatenate()([keras.ops.relu(x), keras.ops.abs(x)])),
        lambda: _operation(lambda x: layers.Concatenate()([keras.ops.abs(x), keras.ops.abs(x)])),
    ),
    "input": (
        lambda: _operation(keras.ops.abs),
        lambda: keras.Model(inputs := keras.Input((8, 8, 3), dtype="uint8"), keras.ops.abs(inputs)),
    ),
}


@pytest.mark.parametrize("what", _PAIRS)
def test_everything_that_is_computed_matters(what: str) -> None:
    one, other = (make() for make in _PAIRS[what])
    assert of_trunk(one, _last(one)) == of_trunk(one, _last(one))
    assert of_trunk(one, _last(one)) != of_trunk(other, _last(other))


def test_a_frozen_trunk_computes_the_same() -> None:
    model = built("nested")
    frozen = freeze(model, "averaged")
    assert of_trunk(frozen, "middle/relu2") != of_trunk(frozen, "averaged")
    one, other = of_trunks(model, ["top"])["top"], of_trunks(freeze(built("chain"), "relu0"), ["relu0"])["relu0"]
    assert one != other == of_trunk(built("chain"), "relu0")


class Untold(layers.Layer):
    """A layer that does not tell what it was made with."""

    def call(self, x: Any) -> Any:
        return x * 2.0

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError


def test_a_layer_that_does_not_tell_its_configuration_shares_nothing() -> None:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, Untold(name="untold")(inputs))
    with collecting_warnings() as warnings:
        assert of_trunk(model, "untold") != of_trunk(model, "untold")
    assert warnings == [
        "layer 'untold' of class Untold has no usable get_config(); its activations cannot be kept for another run"
    ]


_RAW = InputSpec((12, 12, 3))


def _recomputed(model: keras.Model, inputs: InputSpec, store: Store, **options: Any) -> int:
    x = np.random.default_rng(0).integers(0, 255, (4, 12, 12, 3)).astype(options.pop("dtype", "uint8"))
    data = open_data((x, [0, 1, 0, 1]))
    wanted = options.pop("wanted", Wanted("relu0", pooled=True))
    kept_as = options.pop("kept_as", "float32")
    return compute(model, inputs, data, range(4), [wanted], store, dtype=kept_as, **options).computed


@pytest.mark.parametrize(
    ("change", "computed"),
    [
        ({}, 0),
        ({"inputs": dataclasses.replace(_RAW, name="another", origin="stated")}, 0),
        ({"inputs": dataclasses.replace(_RAW, scale=(0.5,))}, 4),
        ({"inputs": dataclasses.replace(_RAW, offset=(1.0,))}, 4),
        ({"inputs": dataclasses.replace(_RAW, order="bgr")}, 4),
        ({"inputs": dataclasses.replace(_RAW, resizing="stretch")}, 4),
        ({"inputs": dataclasses.replace(_RAW, decoding="draft")}, 4),
        ({"wanted": Wanted("relu0", pooled=True, view=1)}, 4),
        ({"wanted": Wanted("relu0", pooled=False)}, 4),
        ({"wanted": Wanted("norm0", pooled=True)}, 4),
        # Averages are float32 whatever whole activations are.
        ({"kept_as": "int8"}, 0),
    ],
)
def test_every_part_of_the_key_matters(change: dict[str, Any], computed: int, tmp_path: Path) -> None:
    model, store = built("chain"), Store(tmp_path)
    assert _recomputed(model, _RAW, store) == 4
    assert _recomputed(model, change.pop("inputs", _RAW), store, **change) == computed


def test_the_head_and_the_optimizer_are_no_part_of_the_key(tmp_path: Path) -> None:
    model, store = built("chain"), Store(tmp_path)
    _recomputed(model, _RAW, store)
    model.compile("adam", "mse")
    model.fit(examples("chain", 4), np.zeros((4, 4)), verbose=0)
    other = built("chain")
    other.get_layer("top").kernel.assign(np.zeros((6, 4)))
    assert _recomputed(other, _RAW, store) == 0
    assert _recomputed(model, _RAW, store) == 4


def test_each_number_format_is_kept_apart(tmp_path: Path) -> None:
    model, store, whole = built("chain"), Store(tmp_path), Wanted("relu0", pooled=False)
    for dtype in ("float32", "float16", "int8"):
        assert _recomputed(model, _RAW, store, wanted=whole, kept_as=dtype) == 4
        assert _recomputed(model, _RAW, store, wanted=whole, kept_as=dtype) == 0


def test_each_engine_has_keys_of_its_own() -> None:
    data = open_data((np.zeros((2, 12, 12, 3), "uint8") + np.arange(2, dtype="uint8")[:, None, None, None], [0, 1]))
    one, other = (Keys(built("chain"), _RAW, data, ["relu0"], engine=name) for name in ("keras", "openvino"))
    assert one.about(Wanted("relu0", True))["key"] != other.about(Wanted("relu0", True))["key"]


def test_ten_new_examples_are_ten_computed(tmp_path: Path) -> None:
    model, store = built("chain"), Store(tmp_path)
    x = np.random.default_rng(0).integers(0, 255, (50, 12, 12, 3)).astype("uint8")
    wanted = [Wanted("relu0", pooled=True), Wanted("relu1", pooled=True)]
    before = compute(model, _RAW, open_data((x[:40], np.arange(40) % 2)), range(40), wanted, store)
    after = compute(model, _RAW, open_data((x[::-1], np.arange(50) % 2)), range(50), wanted, store)
    assert (before.computed, after.computed, after.hits) == (80, 20, 80)
