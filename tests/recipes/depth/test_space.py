"""Which ways are tried: blocks as their author names them, layers counted right, the promising ones first."""

import keras
import pytest

from regraft.core.depth import Way
from regraft.core.plan import Plan
from regraft.graph.cut_points import INPUT, cut_points, input_point
from regraft.recipes.depth import space
from regraft.recipes.survey import informative_points


def _opened(model):
    points = {point.name: point for point in cut_points(model)}
    candidates = informative_points(model, points, Plan("source"))
    return {INPUT: input_point(model), **points}, candidates


def _mlp():
    inputs = x = keras.Input((8,))
    for number in range(1, 5):
        x = keras.layers.Dense(8, activation="relu", name=f"dense{number}")(x)
    return keras.Model(inputs, x)


def test_layers_below_a_cut_point_are_those_with_kernels():
    model = _mlp()
    points, candidates = _opened(model)
    assert space.layers_below(model, points, candidates) == {f"dense{n}": n for n in range(1, 5)}


def test_a_networks_blocks_have_their_authors_names():
    model = keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3), include_top=False, alpha=0.35)
    points, candidates = _opened(model)
    found = space.stretches(model, points, candidates)
    assert [stretch.block for stretch in found][1:5] == ["expanded_conv", "block_1", "block_2", "block_3"]
    assert [stretch.depth for stretch in found] == sorted(stretch.depth for stretch in found)
    # Every convolution is in one of them, but those of a block whose end no head can stand on.
    below = space.layers_below(model, points, candidates)
    convolutions = [layer for layer in model.layers if "Conv2D" in type(layer).__name__]
    assert below[found[-1].cut_point] == len(convolutions)


def test_every_head_and_every_number_of_learning_layers_of_a_small_network():
    model = _mlp()
    points, candidates = _opened(model)
    given, below = space.stretches(model, points, candidates), space.layers_below(model, points, candidates)
    liked = {"dense1": 0.4, "dense2": 0.9, "dense3": 0.5, "dense4": 0.1}
    found = space.ways(given, below, liked)
    assert [way.name for way in found[:4]] == ["dense2", "dense3", "dense1", "dense4"]
    # The liked heads first, each with one learning layer, then more, then all.
    assert [way.name for way in found[4:6]] == ["dense2 < dense1", "dense2 < input"]
    assert {(way.cut_point, way.tuned) for way in found} == {
        (f"dense{head}", tuned) for head in range(1, 5) for tuned in range(head + 1)
    }
    assert all(way.reused == int(way.cut_point[-1]) and way.frozen >= 0 for way in found)


def test_new_upper_layers_are_tried_on_the_head_that_is_liked_best():
    model = _mlp()
    points, candidates = _opened(model)
    given, below = space.stretches(model, points, candidates), space.layers_below(model, points, candidates)
    found = space.ways(given, below, {f"dense{n}": float(n) for n in range(1, 5)}, [(16,)])
    wider = [way for way in found if way.hidden]
    assert [way.name for way in wider] == ["dense4 + 16", "dense4 < dense3 + 16"]
    assert [way.trained for way in wider] == [1, 2]


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.applications.DenseNet121(weights=None, input_shape=(32, 32, 3), include_top=False),
        lambda: keras.applications.EfficientNetB0(weights=None, input_shape=(32, 32, 3), include_top=False),
    ],
)
def test_a_deep_network_has_some_dozens_of_ways_not_thousands(make):
    model = make()
    points, candidates = _opened(model)
    given, below = space.stretches(model, points, candidates), space.layers_below(model, points, candidates)
    found = space.ways(given, below, {name: float(place) for place, name in enumerate(candidates)})
    assert 20 <= len(found) <= 60
    assert len({way.name for way in found}) == len(found)
    heads = {way.cut_point for way in found if not way.tuned}
    assert given[-1].cut_point in heads
    assert given[0].cut_point in heads


def test_names_say_all_that_a_way_is():
    ways = [Way("a", "a"), Way("a", "input"), Way("a", "b"), Way("a", "b", (8,)), Way("a", "b", (8, 8))]
    assert len({way.name for way in ways}) == 5
