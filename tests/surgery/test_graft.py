"""Heads, joins and preprocessing as layers."""

import json

import keras
import numpy as np
import pytest

from regraft.core.errors import SourceError
from regraft.core.input_spec import InputSpec
from regraft.graph import names
from regraft.graph.digest import of_variables
from regraft.surgery.copy import copy_model
from regraft.surgery.cut import cut
from regraft.surgery.graft import graft, join, pooled, set_head, set_values
from tests.laws.networks import built


def test_a_head_is_a_pooling_and_a_dense_layer_with_names_of_its_own() -> None:
    branch = graft(built("chain"), 7)
    assert branch.output_shape == (None, 7)
    assert [name for name in names.variables(branch) if name.startswith("head")] == ["head/kernel", "head/bias"]
    assert graft(None, 5, shape=(4, 4, 6)).output_shape == (None, 5)


@pytest.mark.parametrize("shape", [(6,), (5, 6), (4, 5, 6), (3, 4, 5, 6)])
def test_activations_are_averaged_over_all_but_the_last_axis(shape: tuple[int, ...]) -> None:
    entry = keras.Input(shape)
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    found = keras.ops.convert_to_numpy(keras.Model(entry, pooled(entry))(x))
    np.testing.assert_allclose(found, x.mean(axis=tuple(range(1, x.ndim - 1))), rtol=1e-5, atol=1e-6)


def test_what_cannot_be_pooled_is_refused() -> None:
    with pytest.raises(
        SourceError, match=r"expected activations with 2 to 5 axes, found shape \(None, 1, 2, 3, 4, 5\)"
    ):
        graft(None, 2, shape=(1, 2, 3, 4, 5))
    with pytest.raises(
        SourceError, match="expected a part of a network or the shape of its activations, found neither"
    ):
        graft(None, 2)


def test_a_head_reads_lower_cut_points_too() -> None:
    model = built("chain")
    trunk, rest = cut(model, "relu0")
    branch = graft(rest, 2, taps=[None, "relu1"])
    inside = keras.Model(rest.inputs, rest.get_layer("relu1").output)
    x = trunk(np.random.default_rng(0).normal(size=(3, 12, 12, 3)).astype("float32"), training=False)
    read = [keras.ops.convert_to_numpy(part) for part in (x, inside(x, training=False), rest(x, training=False))]
    vector = np.concatenate([part.mean(axis=tuple(range(1, part.ndim - 1))) for part in read], axis=1)
    kernel = np.random.default_rng(1).normal(size=(vector.shape[1], 2)).astype("float32")
    set_head(branch, kernel, np.array([1, -1], "float32"))
    found = keras.ops.convert_to_numpy(branch(x, training=False))
    np.testing.assert_allclose(found, vector @ kernel + [1, -1], rtol=1e-4, atol=1e-5)
    assert [name for name in names.variables(branch) if name.startswith("head")] == ["head/kernel", "head/bias"]
    assert set(names.variables(rest)) < set(names.variables(branch))


def test_a_tap_has_to_be_a_cut_point_of_the_outermost_graph() -> None:
    nested = built("nested")
    with pytest.raises(SourceError, match="it is inside the nested model 'middle', and what is computed there stays"):
        graft(nested, 2, taps=["middle/base/norm1"])
    with pytest.raises(SourceError, match="relu9"):
        graft(built("chain"), 2, taps=["relu9"])


def test_a_joined_model_takes_raw_pictures_of_any_size_and_gives_probabilities() -> None:
    trunk, rest = cut(built("chain"), "relu0")
    branch = graft(rest, 3)
    set_head(branch, np.eye(4, 3, dtype="float32"), np.array([0.1, 0.2, 0.3], "float32"))
    model = join(trunk, branch, InputSpec((12, 12, 3), scale=(2.0,), offset=(-1.0,), order="bgr"))
    pictures = np.random.default_rng(0).integers(0, 256, (2, 12, 12, 3)).astype("float32")
    found = keras.ops.convert_to_numpy(model(pictures))
    assert np.allclose(found.sum(axis=1), 1, atol=1e-5)
    by_hand = branch(trunk(pictures[..., ::-1] * 2 - 1, training=False), training=False)
    expected = keras.ops.convert_to_numpy(keras.ops.softmax(by_hand))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert model(np.zeros((1, 20, 31, 3), "uint8")).shape == (1, 3)
    assert all(name.startswith("branch/") for name in names.trainable(model))
    assert {name.partition("/")[0] for name in names.variables(model)} == {"trunk", "branch"}


def test_a_joined_model_that_is_called_plainly_is_in_inference_mode() -> None:
    """Keras' Resizing would switch all layers above it to training: a fact that `preprocessing` answers."""
    trunk, rest = cut(built("chain"), "relu0")
    model = join(trunk, graft(rest, 3), InputSpec((12, 12, 3)))
    before = of_variables(names.variables(model))
    x = np.random.default_rng(0).uniform(0, 255, (4, 12, 12, 3)).astype("float32")
    plain = keras.ops.convert_to_numpy(model(x))
    np.testing.assert_allclose(plain, model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
    assert of_variables(names.variables(model)) == before


def test_intensity_that_ends_at_one_is_brought_to_255() -> None:
    branch = graft(None, 2, shape=(12, 12, 3))
    pictures = np.random.default_rng(0).uniform(size=(2, 12, 12, 3)).astype("float32")
    spec = InputSpec((12, 12, 3))
    one, other = join(None, branch, spec, 1.0)(pictures), join(None, branch, spec)(pictures * 255)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other), rtol=1e-4, atol=1e-5)


def test_what_is_no_picture_is_joined_as_it_is() -> None:
    model = join(None, graft(None, 2, shape=(5,)), InputSpec((5,)))
    assert model.input_shape == (None, 5)


def test_new_layers_stand_between_the_pooling_and_the_head() -> None:
    model = built("chain")
    _, rest = cut(model, "relu0")
    branch = graft(rest, 2, taps=["relu1"], hidden=(7, 5), seed=3)
    new = [name for name in names.variables(branch) if name not in names.variables(rest)]
    assert new == [
        *("head_hidden_1/kernel", "head_hidden_1/bias", "head_hidden_2/kernel", "head_hidden_2/bias"),
        *("head/kernel", "head/bias"),
    ]
    random = np.random.default_rng(0)
    values = {name: random.normal(size=names.variables(branch)[name].shape).astype("float32") for name in new}
    set_values(branch, values)
    x = random.normal(size=(3, *rest.input_shape[1:])).astype("float32")
    tapped = keras.Model(rest.inputs[0], [rest.get_layer("relu1").output, rest.output])(x, training=False)
    read = [keras.ops.convert_to_numpy(part) for part in tapped]
    made = np.concatenate([part.mean(axis=tuple(range(1, part.ndim - 1))) for part in read], axis=1)
    for layer in ("head_hidden_1", "head_hidden_2"):
        made = np.maximum(made @ values[f"{layer}/kernel"] + values[f"{layer}/bias"], 0)
    expected = made @ values["head/kernel"] + values["head/bias"]
    found = keras.ops.convert_to_numpy(branch(x, training=False))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_new_layers_begin_with_what_the_seed_says_whatever_was_drawn_before() -> None:
    keras.utils.set_random_seed(1)
    one = names.values(graft(None, 3, shape=(900,), hidden=(400, 20), seed=5))
    keras.utils.set_random_seed(2)
    two = names.values(graft(None, 3, shape=(900,), hidden=(400, 20), seed=5))
    other = names.values(graft(None, 3, shape=(900,), hidden=(400, 20), seed=6))
    assert all(np.array_equal(value, two[name]) for name, value in one.items())
    kernel = one["head_hidden_1/kernel"]
    # He et al. 2015; 360,000 draws scatter by 0.12 % of it.
    assert kernel.std() == pytest.approx(np.sqrt(2 / 900), rel=0.01)
    assert abs(np.corrcoef(kernel.ravel(), other["head_hidden_1/kernel"].ravel())[0, 1]) < 0.01
    assert not one["head/kernel"].any()
    assert not one["head_hidden_1/bias"].any()


def test_without_new_layers_a_branch_is_what_it_was() -> None:
    """The very layers, names and settings of before there were any, so that old plans and files mean the same."""
    found = graft(built("chain"), 3, hidden=())
    rest = copy_model(built("chain"))
    expected = keras.Model(rest.inputs[0], keras.layers.Dense(3, name="head")(rest.outputs[0]), name="branch")
    assert json.dumps(found.get_config()) == json.dumps(expected.get_config())


def test_a_layer_of_the_source_that_is_called_as_a_new_one_is_refused() -> None:
    inputs = keras.Input((4,))
    own = keras.Model(inputs, keras.layers.Dense(3, name="head_hidden_2")(inputs))
    assert graft(own, 2, hidden=(5,)).output_shape == (None, 2)
    with pytest.raises(SourceError, match="the network has a layer 'head_hidden_2' of its own, as a new layer is to"):
        graft(own, 2, hidden=(5, 4))
