"""Cutting, beyond what the laws say."""

import keras
import numpy as np
import pytest

from regraft.core.errors import SourceError
from regraft.graph import names
from regraft.surgery.cut import between, cut
from tests.laws.networks import built, examples


def test_parts_have_the_name_of_the_model_and_take_what_they_should() -> None:
    trunk, rest = cut(built("chain"), "pool0")
    assert (trunk.name, rest.name) == ("chain", "chain")
    assert (trunk.input_shape, trunk.output_shape) == ((None, 12, 12, 3), (None, 6, 6, 4))
    assert (rest.input_shape, rest.output_shape) == ((None, 6, 6, 4), (None, 4))


def test_nested_models_stay_nested_on_both_sides() -> None:
    trunk, rest = cut(built("nested"), "middle/base/norm1")
    for part, layer in ((trunk, "norm1"), (rest, "conv2")):
        assert part.get_layer("middle").get_layer("base").get_layer(layer)


def test_what_a_nested_model_was_called_with_is_kept() -> None:
    """`base(x, training=False)` still says so in the parts."""
    _, rest = cut(built("nested"), "middle/base/norm1")
    called = [node.arguments.kwargs for node in rest.get_layer("middle")._inbound_nodes if node.arguments.kwargs]
    assert [named["training"] for named in called] == [False]


def test_a_layer_that_is_used_on_both_sides_is_in_both() -> None:
    trunk, rest = cut(built("twice"), "shared")
    assert set(names.variables(trunk)) < set(names.variables(rest))


def test_flags_are_those_of_the_model() -> None:
    model = built("nested")
    model.get_layer("middle").trainable = False
    trunk, rest = cut(model, "middle/base/norm1")
    assert names.trainable(trunk) == []
    assert names.trainable(rest) == ["top/kernel", "top/bias"]


def test_a_cut_through_several_inputs_is_possible_where_they_have_come_together() -> None:
    model, x = built("several"), examples("several")
    trunk, rest = cut(model, "hidden")
    assert sorted(trunk.input) == ["left", "right"]
    assert sorted(rest(trunk(x))) == ["a", "b"]


def test_between_one_point_and_itself_is_nothing_and_from_none_is_the_trunk() -> None:
    model = built("chain")
    assert between(model, "relu0", "relu0") is None
    lower = between(model, None, "relu0")
    assert lower is not None
    x = examples("chain")
    expected = cut(model, "relu0")[0](x)
    assert np.array_equal(keras.ops.convert_to_numpy(lower(x)), keras.ops.convert_to_numpy(expected))


def test_no_such_cut_point() -> None:
    with pytest.raises(
        SourceError, match="'relu9' is not a cut point: there is no such layer; nearest known names: relu"
    ):
        cut(built("chain"), "relu9")


def test_a_layer_shared_across_nesting_keeps_its_weights() -> None:
    shared = keras.layers.Dense(4, name="shared")
    entry = keras.Input((4,))
    inner = keras.Model(entry, keras.layers.ReLU(name="relu")(shared(entry)), name="inner")
    inputs = keras.Input((4,))
    x = keras.layers.Dense(4, name="first")(inputs)
    model = keras.Model(inputs, shared(inner(x)))
    x = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")
    for point in ("first", "inner/relu"):
        trunk, rest = cut(model, point)
        found, right = (keras.ops.convert_to_numpy(made) for made in (rest(trunk(x)), model(x)))
        np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-6)
