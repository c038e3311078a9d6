"""Which ways are tried: blocks as their author names them, layers counted right, the promising ones first."""

import keras
import pytest

from regraft.core import plain
from regraft.core.depth import Stretch, Way
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


def _blocks(count):
    """A source of so many blocks of one layer each, and how much its cut points are liked: the twelfth best."""
    given = [Stretch(f"block{n}", f"c{n}", n, 1) for n in range(1, count + 1)]
    return given, {f"c{n}": n for n in range(1, count + 1)}, {f"c{n}": -abs(n - 12.4) for n in range(1, count + 1)}


def test_without_options_a_deep_network_has_these_ways_in_this_order():
    assert [way.name for way in space.ways(*_blocks(18))] == [
        "c12", "c13", "c11", "c14", "c10", "c15", "c9", "c16", "c8", "c17", "c7", "c18", "c6", "c4", "c3", "c2", "c1",
        "c12 < c11", "c12 < c10", "c12 < c9", "c12 < c7", "c12 < c4", "c12 < input",
        "c13 < c12", "c13 < c11", "c13 < c10", "c13 < c8", "c13 < c5", "c13 < input",
        "c11 < c10", "c11 < c9", "c11 < c8", "c11 < c6", "c11 < c3", "c11 < input",
        "c18 < c17", "c18 < c16", "c18 < c15", "c18 < c13", "c18 < c10", "c18 < c5", "c18 < input",
    ]  # fmt: skip


def test_new_upper_layers_are_tried_on_the_few_heads_that_are_liked_best_and_on_the_topmost():
    given, below, liked = _blocks(18)
    assert space.favourites(given, liked) == ("c12", "c13", "c11", "c18")
    found = space.ways(given, below, liked, [(16,), (8, 4)])
    usual = space.ways(given, below, liked)
    assert found[: len(usual)] == usual
    # Those in which little learns first: where time is short the others are left out.
    assert [way.name for way in found[len(usual) :]] == [
        f"c{head}{start} + {width}"
        for starts in (("", "", "", ""), (" < c11", " < c12", " < c10", " < c17"), (" < input",) * 4)
        for head, start in zip((12, 13, 11, 18), starts, strict=True)
        for width in ("16", "8 + 4")
    ]
    assert [(way.tuned, way.trained) for way in found[len(usual) :][:10:8]] == [(0, 1), (1, 2)]


def test_new_upper_layers_on_the_lowest_block_have_all_or_nothing_learning_below_them():
    given, below, liked = _blocks(1)
    found = space.ways(given, below, liked, [(16,)])
    assert [way.name for way in found if way.hidden] == ["c1 + 16", "c1 < input + 16"]


def test_a_head_that_reads_a_lower_block_as_well_is_tried_above_all_that_learns():
    given, below, liked = _blocks(18)
    taps = [("c12", ("c9", "c10")), ("c18", ("c7",))]
    found, usual = space.ways(given, below, liked, taps=taps), space.ways(given, below, liked)
    assert [way for way in found if way.tap is None] == list(usual)
    tapped = [way for way in found if way.tap is not None]
    # What is solved in no time comes before all that learns, what learns above a tap before what learns below it.
    assert found[17:20] == tuple(tapped[:3])
    assert [way.name for way in tapped] == [
        "c12 & c9", "c12 & c10", "c18 & c7", "c12 & c9 < c9", "c18 & c7 < c7", "c12 & c9 < input", "c18 & c7 < input",
    ]  # fmt: skip
    assert [(way.frozen, way.tuned) for way in tapped[2:5]] == [(18, 0), (9, 3), (7, 11)]
    assert len({way.name for way in found}) == len(found)


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
    starts, taps = ("a", "b", "input"), (None, "b", "c")
    ways = [Way("a", start, widths, tap=tap) for start in starts for widths in ((), (8,), (8, 8)) for tap in taps]
    assert len({way.name for way in ways}) == len(ways)
    assert Way("a", "input", (8,), tap="b").name == "a & b < input + 8"


def test_a_way_of_a_record_from_before_there_were_taps_is_read_as_one_without():
    said = {"cut_point": "a", "trained_from": "b", "hidden": [8], "reused": 3, "tuned": 1}
    assert plain.from_plain(Way, said) == Way("a", "b", (8,), 3, 1)
    tapped = Way("a", "b", (8,), 3, 1, "b")
    assert plain.from_plain(Way, plain.to_plain(tapped)) == tapped
