"""The same weights for pictures of another size."""

import json
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from regraft import importers
from regraft.core import digest
from regraft.core.errors import SourceError
from regraft.graph import names
from regraft.graph.digest import of_variables
from regraft.surgery.resize import with_input_size


def _fingerprint(model: keras.Model) -> tuple[str, dict[str, str], int]:
    nodes = sum(len(layer._inbound_nodes) for _, layer in names.layers(model))
    return digest.of_json(json.loads(model.to_json())), of_variables(names.variables(model)), nodes


def _randomised(model: keras.Model) -> keras.Model:
    random = np.random.default_rng(0)
    for variable in model.variables:
        if "seed" not in variable.name:
            variable.assign(random.uniform(0.5, 1.5, variable.shape))
    return model


def _flat(size: int | None) -> keras.Model:
    entry = keras.Input((size, size, 3), name="picture")
    x = keras.layers.Conv2D(4, 3, padding="same", name="first")(entry)
    y = keras.layers.Conv2D(4, 1, name="second")(keras.ops.relu(x) * 2.0)
    x = keras.layers.Add(name="sum")([x, y])
    return keras.Model(entry, keras.layers.BatchNormalization(name="norm")(x), name="flat")


def _nested(size: int | None) -> keras.Model:
    inner = keras.Sequential(
        [keras.Input((size and size // 2, size and size // 2, 4)), keras.layers.Conv2D(4, 3, name="c")], name="inner"
    )
    entry = keras.Input((size, size, 3), name="picture")
    x = keras.layers.MaxPooling2D(name="pool")(_flat(size)(entry))
    return keras.Model(entry, inner(x), name="outer")


def _shared(size: int | None) -> keras.Model:
    entry = keras.Input((size, size, 3))
    layer = keras.layers.Conv2D(3, 3, padding="same", name="shared")
    return keras.Model(entry, layer(layer(entry)))


def _sequential(size: int | None) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((size, size, 3)),
            _flat(size),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, name="top"),
        ],
        name="chain",
    )


BUILDERS = [_flat, _nested, _shared, _sequential]


@pytest.mark.parametrize("build", BUILDERS)
def test_the_rebuilt_network_computes_what_one_of_open_size_does(build: Callable[[int | None], keras.Model]) -> None:
    open_size, fixed = _randomised(build(None)), build(16)
    names.copy_values(open_size, fixed)
    before = _fingerprint(fixed)
    rebuilt = with_input_size(fixed, 24, 12)
    assert rebuilt.input_shape == (None, 24, 12, 3)
    assert type(rebuilt) is type(fixed)
    assert rebuilt.name == fixed.name
    assert list(names.variables(rebuilt)) == list(names.variables(fixed))
    pictures = np.random.default_rng(1).uniform(0, 1, (2, 24, 12, 3)).astype(np.float32)
    np.testing.assert_array_equal(_run(rebuilt, pictures), _run(open_size, pictures))
    assert _fingerprint(fixed) == before
    for variable in rebuilt.variables:
        variable.assign(variable * 0)
    assert _fingerprint(fixed) == before, "the rebuilt network shares nothing with the original"


def test_layers_keep_their_names_and_the_nesting_stays() -> None:
    rebuilt = with_input_size(_nested(16), 20, 20)
    assert [layer.name for layer in rebuilt.layers] == ["picture", "flat", "pool", "inner"]
    assert rebuilt.get_layer("flat").input_shape == (None, 20, 20, 3)
    assert rebuilt.get_layer("inner").input_shape == (None, 10, 10, 4)
    again = with_input_size(rebuilt, 16, 16)
    assert again.output_shape == _nested(16).output_shape


def test_the_rebuilt_network_can_be_saved(tmp_path: Path) -> None:
    rebuilt = with_input_size(_randomised(_nested(16)), 20, 20)
    rebuilt.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert of_variables(names.variables(loaded)) == of_variables(names.variables(rebuilt))


def test_frozen_stays_frozen() -> None:
    model = _nested(16)
    model.get_layer("flat").trainable = False
    rebuilt = with_input_size(model, 20, 20)
    assert names.trainable(rebuilt) == names.trainable(model) == ["inner/c/kernel", "inner/c/bias"]


def test_what_is_tied_to_the_size_is_named() -> None:
    entry = keras.Input((8, 8, 3))
    flattened = keras.Model(entry, keras.layers.Dense(2, name="top")(keras.layers.Flatten()(entry)), name="net")
    with pytest.raises(SourceError) as caught:
        with_input_size(flattened, 16, 16)
    assert str(caught.value) == (
        "cannot rebuild 'net' for pictures of 16 x 16: layer 'top' is tied to its size (its kernel is (192, 2), it "
        "would be (768, 2)); cut the network below that layer, or keep its size and let pictures be resized"
    )
    nested = keras.Model(entry, flattened(entry), name="outer")
    with pytest.raises(SourceError, match=r"'outer' for pictures of 16 x 16: layer 'net/top' is tied to its size"):
        with_input_size(nested, 16, 16)
    reshaped = keras.Model(entry, keras.layers.Reshape((64, 3), name="rows")(entry))
    with pytest.raises(SourceError, match=r"layer 'rows' is tied to its size"):
        with_input_size(reshaped, 16, 16)
    with pytest.raises(
        SourceError, match=r"expected a Functional or Sequential model with one picture .* found 'words'"
    ):
        with_input_size(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)], name="words"), 16, 16)


def test_position_embeddings_are_tied_to_the_size() -> None:
    class Positions(keras.layers.Layer):
        def build(self, shape):
            self.table = self.add_weight(shape=shape[1:], name="table")

        def call(self, x):
            return x + self.table

    entry = keras.Input((8, 8, 3))
    model = keras.Model(entry, Positions(name="positions")(entry))
    with pytest.raises(SourceError, match=r"layer 'positions' .*its table is \(8, 8, 3\), it would be \(16, 16, 3\)"):
        with_input_size(model, 16, 16)


def test_grey_pictures_give_what_three_equal_channels_gave() -> None:
    model = _randomised(_flat(8))
    grey = with_input_size(model, 8, 8, channels=1)
    pictures = np.random.default_rng(1).uniform(0, 1, (2, 8, 8, 1)).astype(np.float32)
    # Three products summed in another order.
    expected = _run(model, pictures.repeat(3, axis=-1))
    np.testing.assert_allclose(_run(grey, pictures), expected, rtol=1e-5)
    np.testing.assert_allclose(_run(with_input_size(grey, 8, 8, 3), pictures.repeat(3, axis=-1)), expected, rtol=1e-5)
    with pytest.raises(SourceError, match=r"for pictures of 8 x 8 x 2: layer 'first' .* it would be \(3, 3, 2, 4\)"):
        with_input_size(model, 8, 8, 2)


def test_the_shared_trunk_takes_128_pixels(shared_folder: Path) -> None:
    trunk = importers.open(shared_folder / "nets/mobilenet_v1_1.0_224_trunk/mobilenet_v1_1.0_224_trunk.keras").model
    before = _fingerprint(trunk)
    rebuilt = with_input_size(trunk, 128, 128)
    assert (rebuilt.input_shape, rebuilt.output_shape) == ((None, 128, 128, 3), (None, 4, 4, 1024))
    assert of_variables(names.variables(rebuilt)) == of_variables(names.variables(trunk)) == before[1]
    assert _fingerprint(trunk) == before
    assert with_input_size(rebuilt, 224, 224).to_json() == with_input_size(trunk, 224, 224).to_json()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["MobileNetV2", "MobileNetV3Small", "EfficientNetB0", "ResNet50V2", "DenseNet121", "ConvNeXtTiny", "Xception"],
)
def test_networks_of_keras_applications_take_other_sizes(
    name: str, zeros: None, request: pytest.FixtureRequest
) -> None:
    model = _randomised(importers.open(f"keras:{name}?weights=none", input_size=96).model)
    rebuilt = with_input_size(model, 160, 160)
    assert of_variables(names.variables(rebuilt)) == of_variables(names.variables(model))
    # Networks with the same layers, calls and weights compute the same; of this one the weights are not looked at.
    request.getfixturevalue("hollow")
    built = importers.open(f"keras:{name}?weights=none", input_size=160).model
    assert rebuilt.output_shape == built.output_shape
    assert _layout(rebuilt) == _layout(built)


def _layout(model: keras.Model) -> dict[str, object]:
    """All layers and calls; the name of a whole network may say its size."""
    return {key: value for key, value in json.loads(model.to_json())["config"].items() if key != "name"}


def _run(model: keras.Model, pictures: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(pictures, training=False))
