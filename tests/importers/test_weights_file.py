"""Weights into an architecture: by name, all or none, every tensor accounted for."""

import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from regraft import importers
from regraft.core.errors import CorruptFileError, ProofError, SourceError
from regraft.graph import names
from regraft.importers import weights_file

ENDINGS = ("m.h5", "m.weights.h5", "m.keras")
Build = Callable[[], keras.Model]


def _chain(*layers: keras.Layer, name: str = "chain") -> keras.Model:
    return keras.Sequential([keras.Input((8, 8, 3)), *layers], name=name)


def _nested() -> keras.Model:
    base = _chain(keras.layers.Conv2D(4, 3, name="conv"), keras.layers.BatchNormalization(name="norm"), name="base")
    entry = keras.Input((8, 8, 3))
    x = keras.layers.Reshape((36, 4))(base(entry))
    x = keras.layers.MultiHeadAttention(2, 3, name="attention")(x, x)
    x = keras.layers.Bidirectional(keras.layers.LSTM(3), name="both_ways")(x)
    return keras.Model(entry, keras.layers.Dense(2, name="top")(x))


def _models_in_models() -> keras.Model:
    inner = _chain(keras.layers.Conv2D(4, 3, name="conv"), keras.layers.BatchNormalization(name="norm"), name="inner")
    middle_in = keras.Input((8, 8, 3))
    middle = keras.Model(middle_in, keras.layers.Conv2D(4, 1, name="conv")(inner(middle_in)), name="middle")
    outer_in = keras.Input((8, 8, 3))
    return keras.Model(outer_in, keras.layers.Dense(2, name="top")(keras.layers.Flatten()(middle(outer_in))))


def _counted() -> keras.Model:
    """Layers whose names Keras counts up: they differ in every copy."""
    x = entry = keras.Input((8, 8, 3))
    for _ in range(12):
        x = keras.layers.BatchNormalization()(keras.layers.Conv2D(3, 1)(x))
    return keras.Model(entry, keras.layers.Dropout(0.5)(x))


def _randomised(model: keras.Model, seed: int = 0) -> keras.Model:
    random = np.random.default_rng(seed)
    for name, variable in names.variables(model).items():
        if "seed" not in name:
            variable.assign(random.normal(size=variable.shape))
    return model


def _saved(model: keras.Model, path: Path) -> Path:
    (model.save_weights if path.name.endswith(".weights.h5") else model.save)(path)
    return path


def _assert_equal(left: keras.Model, right: keras.Model) -> None:
    for new, old in zip(left.weights, right.weights, strict=True):
        np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("build", [_nested, _models_in_models, _counted])
def test_every_layout_is_the_identity(tmp_path: Path, ending: str, build: Build) -> None:
    source, target = _randomised(build()), _randomised(build(), seed=1)
    report = weights_file.load_into(target, _saved(source, tmp_path / ending))
    _assert_equal(target, source)
    variables = [name for name in names.variables(target) if not name.endswith("seed_generator_state")]
    assert sorted([*report.loaded, *(new for _, new in report.renamed)]) == sorted(variables)
    assert report.missing == report.unused == ()


@pytest.mark.parametrize("ending", ENDINGS)
def test_names_are_followed_not_positions(tmp_path: Path, ending: str) -> None:
    def build(*order: str) -> keras.Model:
        return _chain(*(keras.layers.Conv2D(3, 1, name=name) for name in order))

    source, target = _randomised(build("a", "b")), build("b", "a")
    report = weights_file.load_into(target, _saved(source, tmp_path / ending))
    for name, variable in names.variables(target).items():
        np.testing.assert_array_equal(variable, names.variables(source)[name])
    assert report.renamed == ()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_layer_too_many_on_either_side_is_an_error_and_changes_nothing(tmp_path: Path, ending: str) -> None:
    def build(*order: str) -> keras.Model:
        return _randomised(_chain(*(keras.layers.Conv2D(3, 1, name=name) for name in order)), seed=len(order))

    short, long = build("a", "b"), build("new", "a", "b")
    before = [keras.ops.convert_to_numpy(weight).copy() for weight in long.weights]
    with pytest.raises(ProofError, match=r"found 2 .* for 3; missing in the file: new; check --architecture"):
        weights_file.load_into(long, _saved(short, tmp_path / ending))
    with pytest.raises(ProofError, match=r"found 3 .* for 2; unused from the file: new"):
        weights_file.load_into(short, _saved(long, tmp_path / ("long_" + ending)))
    for weight, value in zip(long.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


@pytest.mark.parametrize("ending", ENDINGS)
def test_another_shape_is_named_with_both_shapes(tmp_path: Path, ending: str) -> None:
    path = _saved(_chain(keras.layers.Conv2D(3, 1, name="a")), tmp_path / ending)
    with pytest.raises(
        ProofError, match=r"of another shape: a \(file kernel 1x1x3x3, bias 3, model kernel 1x1x3x5, bias 5\)"
    ):
        weights_file.load_into(_chain(keras.layers.Conv2D(5, 1, name="a")), path)


@pytest.mark.parametrize("ending", ENDINGS)
def test_renamed_layers_are_paired_by_order_and_reported(tmp_path: Path, ending: str) -> None:
    source = _randomised(_chain(keras.layers.Conv2D(4, 1, name="old"), keras.layers.Conv2D(4, 1, name="kept")))
    target = _chain(keras.layers.Conv2D(4, 1, name="new"), keras.layers.Conv2D(4, 1, name="kept"))
    report = weights_file.load_into(target, _saved(source, tmp_path / ending))
    _assert_equal(target, source)
    assert [new for _, new in report.renamed] == ["new/kernel", "new/bias"]
    assert all(old.startswith("old/") for old, _ in report.renamed)
    assert report.loaded == ("kept/kernel", "kept/bias")


def test_parts_of_a_renamed_layer_keep_their_names(tmp_path: Path) -> None:
    def build(name: str) -> keras.Model:
        entry = keras.Input((6, 4))
        return keras.Model(entry, keras.layers.MultiHeadAttention(2, 3, name=name)(entry, entry))

    # Its query, key and value have one shape and stand in another order than in the model: no order tells them apart.
    for ending in ENDINGS:
        path = _saved(build("old"), tmp_path / ending)
        with pytest.raises(ProofError, match=r"missing in the file: new/key_dense, .*; unused from the file: old/"):
            weights_file.load_into(build("new"), path)


@pytest.mark.parametrize("ending", ENDINGS)
def test_order_does_not_overrule_a_name(tmp_path: Path, ending: str) -> None:
    source = _randomised(_chain(keras.layers.Conv2D(3, 1, name="old"), keras.layers.Conv2D(3, 1, name="kept")))
    target = _chain(keras.layers.Conv2D(3, 1, name="kept"), keras.layers.Conv2D(3, 1, name="new"))
    report = weights_file.load_into(target, _saved(source, tmp_path / ending))
    for old, new in (("kept", "kept"), ("old", "new")):
        np.testing.assert_array_equal(target.get_layer(new).kernel, source.get_layer(old).kernel)
    assert report.loaded == ("kept/kernel", "kept/bias")
    assert report.notes == (
        "4 variables, 2 of them by name: the rest was paired by order and shape, such as old/kernel with new/kernel",
    )


def test_layers_that_could_be_exchanged_are_not_guessed(tmp_path: Path) -> None:
    def build(*order: str) -> keras.Model:
        return _chain(*(keras.layers.Conv2D(3, 1, name=name) for name in order))

    # This layout keeps no order across classes; two renamed layers of one shape could be either.
    path = _saved(build("a", "b"), tmp_path / "m.weights.h5")
    with pytest.raises(ProofError, match=r"missing in the file: c, d; unused from the file: a, b"):
        weights_file.load_into(build("c", "d"), path)


def test_frozen_parts_of_the_architecture_do_not_matter(tmp_path: Path) -> None:
    source, target = _randomised(_models_in_models()), _models_in_models()
    target.get_layer("middle").trainable = False
    for ending in ENDINGS:
        weights_file.load_into(target, _saved(source, tmp_path / ending))
        for name, variable in names.variables(target).items():
            np.testing.assert_array_equal(variable, names.variables(source)[name])


def test_optimizer_slots_are_no_weights(tmp_path: Path) -> None:
    model = _chain(keras.layers.Flatten(), keras.layers.Dense(1, name="top"))
    model.compile("adam", "mse")
    model.fit(np.ones((2, 8, 8, 3)), np.ones((2, 1)), verbose=0)
    for ending in ENDINGS:
        report = weights_file.load_into(
            _chain(keras.layers.Flatten(), keras.layers.Dense(1, name="top")), _saved(model, tmp_path / ending)
        )
        assert report.loaded == ("top/kernel", "top/bias")


def test_a_damaged_file_is_refused_whole(tmp_path: Path) -> None:
    path = _saved(_nested(), tmp_path / "a.weights.h5")
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(CorruptFileError, match=r"a.weights.h5"):
        importers.open(path, architecture="keras:MobileNet?alpha=0.25")


def test_a_weight_file_opens_with_an_architecture_of_keras(shared_folder: Path) -> None:
    folder = shared_folder / "nets/tf1_frozen_mobilenet_v1_0.25_224/derived"
    trunk = importers.open(folder / "mobilenet_2_5_224_tf_no_top.h5", architecture="keras:MobileNet?alpha=0.25")
    whole = importers.open(
        folder / "mobilenet_2_5_224_tf.h5", architecture="keras:MobileNet?alpha=0.25&include_top=true"
    )
    assert (trunk.inputs.name, trunk.inputs.origin, trunk.inputs.shape) == ("tf", "known", (224, 224, 3))
    assert len(trunk.report.loaded) == len(trunk.model.variables) == 135
    for name, variable in names.variables(trunk.model).items():
        np.testing.assert_array_equal(variable, names.variables(whole.model)[name])
    reference = keras.applications.MobileNet(alpha=0.25, weights=None, include_top=False, input_shape=(224, 224, 3))
    reference.load_weights(folder / "mobilenet_2_5_224_tf_no_top.h5")
    _assert_equal(trunk.model, reference)


def test_a_top_that_the_architecture_lacks_is_an_error(shared_folder: Path) -> None:
    path = shared_folder / "nets/tf1_frozen_mobilenet_v1_0.25_224/derived/mobilenet_2_5_224_tf.h5"
    with pytest.raises(ProofError, match=r"unused from the file: conv_preds; check --architecture \(include_top"):
        importers.open(path, architecture="keras:MobileNet?alpha=0.25")
    with pytest.raises(ProofError, match=r"of another shape: conv1 .file kernel 3x3x3x8, model kernel 3x3x3x16"):
        importers.open(path, architecture="keras:MobileNet?alpha=0.5&include_top=true")


def test_weights_of_a_keras_source_may_be_a_file(tmp_path: Path) -> None:
    source = _randomised(keras.applications.MobileNet(alpha=0.25, weights=None, include_top=False))
    source.save_weights(tmp_path / "w.weights.h5")
    opened = importers.open("keras:MobileNet?alpha=0.25", weights=str(tmp_path / "w.weights.h5"), input_size=64)
    _assert_equal(opened.model, source)


_SQUEEZENET = """
import keras


def squeezenet():
    x = entry = keras.Input((227, 227, 3))
    x = keras.layers.Conv2D(64, 3, strides=2, activation="relu", name="conv1")(x)
    for fire, squeezed in enumerate((16, 16, 32, 32, 48, 48, 64, 64), 2):
        expanded = 4 * squeezed
        if fire in (2, 4, 6):
            x = keras.layers.MaxPooling2D(3, 2)(x)
        x = keras.layers.Conv2D(squeezed, 1, activation="relu", name=f"fire{fire}_squeeze1x1")(x)
        one = keras.layers.Conv2D(expanded, 1, activation="relu", name=f"fire{fire}_expand1x1")(x)
        three = keras.layers.Conv2D(expanded, 3, padding="same", activation="relu", name=f"fire{fire}_expand3x3")(x)
        x = keras.layers.Concatenate()([one, three])
    return keras.Model(entry, x)


def needs_more(size):
    pass


def no_model():
    return 3


nothing = 4
"""


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_networks.py").write_text(_SQUEEZENET)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "own_networks", raising=False)
    return "own_networks"


def test_an_architecture_may_be_a_function(own_module: str, shared_folder: Path) -> None:
    path = shared_folder / "nets/keras_squeezenet_v1.1_notop/squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5"
    opened = importers.open(path, architecture=f"{own_module}:squeezenet", preprocessing="caffe")
    assert opened.model.count_params() == 722_496
    assert len(opened.report.loaded) == 2
    assert len(opened.report.renamed) == 48
    with h5py.File(path) as file:
        np.testing.assert_array_equal(
            opened.model.get_layer("fire9_expand3x3").kernel, file["fire9/expand3x3/uniform25"]
        )


def test_what_is_wrong_with_an_architecture_is_said(own_module: str, tmp_path: Path) -> None:
    path = _saved(_nested(), tmp_path / "m.weights.h5")
    for text, message in {
        "own_networks": "keras:NAME.*, package.module:function or model.json, found 'own_networks'",
        "own_netwrks:squeezenet": "cannot import 'own_netwrks'",
        "own_networks:squeezenett": "has no function 'squeezenett'; nearest known names: squeezenet",
        "own_networks:nothing": "has no function 'nothing'",
        "own_networks:needs_more": "must be callable without arguments: missing a required argument: 'size'",
        "own_networks:no_model": "expected a keras.Model from 'own_networks:no_model', found int",
        "keras:MobilNet": "no network 'MobilNet'",
    }.items():
        with pytest.raises(SourceError, match=message):
            importers.open(path, architecture=text)
