"""Cut points: what they say, which places are none, and how a wrong name is answered."""

import keras
import numpy as np
import pytest

from regraft.core.errors import SourceError
from regraft.graph import flow
from regraft.graph.cut_points import cut_points, find
from tests.laws.networks import built

layers = keras.layers


def test_depth_shape_parameters_and_operations_are_counted_from_below() -> None:
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="conv")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.GlobalAveragePooling2D(name="averaged")(x)
    points = cut_points(keras.Model(inputs, layers.Dense(2, name="top")(x)))
    assert [(point.name, point.depth, point.shape, point.parameters_below) for point in points] == [
        ("conv", 0, (8, 8, 4), 112),
        ("norm", 1, (8, 8, 4), 128),
        ("averaged", 2, (4,), 128),
        ("top", 3, (2,), 138),
    ]
    convolution = 2 * 108 * 64
    assert [point.flops_below for point in points] == [
        convolution,
        convolution + 256,
        convolution + 256 + 4,
        convolution + 256 + 4 + 16,
    ]


def test_operations_are_not_counted_where_a_size_is_open() -> None:
    inputs = keras.Input((None, None, 3))
    x = layers.GlobalMaxPooling2D(name="highest")(layers.Conv2D(4, 3, name="conv")(inputs))
    points = cut_points(keras.Model(inputs, x))
    assert [(point.shape, point.flops_below) for point in points] == [((None, None, 4), None), ((4,), None)]


def test_a_shared_layer_counts_its_parameters_once_and_each_call_is_a_place() -> None:
    points = {point.name: point for point in cut_points(built("twice"))}
    assert points["shared"].parameters_below == points["shared#2"].parameters_below == 84


def test_no_cut_leads_through_a_branch_a_mask_or_a_model_that_is_called_again() -> None:
    assert [point.name for point in cut_points(built("residual"))] == ["stem", "block0_sum", "block1_sum", "highest"]
    assert [point.name for point in cut_points(built("text"))] == ["read", "top"]
    assert [point.name for point in cut_points(built("twice"))] == ["shared", "shared#2", "between", "flat"]
    assert [point.name for point in cut_points(built("towers"))] == ["difference", "averaged"]


def test_cut_points_inside_nested_models_have_the_path_as_their_name() -> None:
    assert [point.name for point in cut_points(built("nested"))] == [
        "middle/noise",
        "middle/base/conv1",
        "middle/base/norm1",
        "middle/base/dropped",
        "middle/base/sum",
        "middle/relu2",
        "dropped",
        "averaged",
        "top",
    ]


def test_a_constant_is_no_reason_against_a_cut() -> None:
    inputs = keras.Input((4,))
    x = layers.Dense(4, name="below")(inputs)
    x = keras.ops.add(x, np.ones(4, "float32"))
    model = keras.Model(inputs, layers.Dense(2, name="above")(x))
    assert [point.name for point in cut_points(model)][::2] == ["below", "above"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("block0_convv", "'block0_convv' is not a cut point: there is no such layer; nearest known names: block0_sum"),
        ("block0_conv", "'block0_conv' is not a cut point: other paths lead around that layer; nearest known names: b"),
        ("", "'' is not a cut point: there is no such layer; known names: stem, block0_sum, block1_sum, ..."),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(name: str, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        find(flow.read(built("residual")), name)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_model_without_a_graph_is_refused() -> None:
    class Own(keras.Model):
        def call(self, x: object) -> object:
            return x

    for model in (Own(name="own"), keras.Sequential([layers.Dense(2)], name="open")):
        message = (
            f"expected a Functional or built Sequential model, found '{model.name}' of class {type(model).__name__}"
        )
        with pytest.raises(SourceError, match=message):
            cut_points(model)
