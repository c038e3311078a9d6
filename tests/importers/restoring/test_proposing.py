"""Mappings that are found without rules: certain, or refused with all that is possible."""

import pytest

from regraft.core.errors import SelectorError
from regraft.core.layouts import Place
from regraft.importers.restoring import deriving, generalising
from regraft.importers.restoring.deriving import Habits
from regraft.importers.restoring.matching import follow
from regraft.importers.restoring.proposing import propose


def _dense(name, inputs, outputs):
    return [Place(f"{name}/kernel", (inputs, outputs), "Dense"), Place(f"{name}/bias", (outputs,), "Dense")]


def _norm(name, width):
    leaves = ("gamma", "beta", "moving_mean", "moving_variance")
    return [Place(f"{name}/{leaf}", (width,), "BatchNormalization", 1e-3) for leaf in leaves]


def _linear(name, inputs, outputs):
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _found(tensors, places, ordered=True, target_ordered=True):
    proposal = propose(tensors, places, ordered, target_ordered)
    return {move.tensors[0]: move.variables[0] for move in proposal.moves}, proposal.open


def test_equal_names_are_followed_whatever_the_order():
    tensors = {"b/kernel": (4, 4), "b/bias": (4,), "a/kernel": (4, 4), "a/bias": (4,)}
    found, unsure = _found(tensors, [*_dense("a", 4, 4), *_dense("b", 4, 4)])
    assert found == {name: name for name in tensors}
    assert unsure == ()


def test_separators_capitals_and_one_prefix_do_not_matter():
    tensors = {**_linear("net.Layer1.0.fc", 4, 4), **_linear("net.Layer1.1.fc", 4, 4)}
    found, _ = _found(tensors, [*_dense("layer1_1_fc", 4, 4), *_dense("layer1_0_fc", 4, 4)])
    assert found["net.Layer1.0.fc.weight"] == "layer1_0_fc/kernel"
    assert found["net.Layer1.1.fc.bias"] == "layer1_1_fc/bias"


def test_numbers_that_keras_counted_up_are_no_names():
    tensors = {
        name: shape
        for layer in ("dense", "dense_1", "dense_2")
        for name, shape in ((f"{layer}/kernel", (4, 4)), (f"{layer}/bias", (4,)))
    }
    found, unsure = _found(tensors, [p for n in ("dense_1", "dense_2", "dense_3") for p in _dense(n, 4, 4)], False)
    assert unsure == ()
    assert found["dense/kernel"] == "dense_1/kernel"
    assert found["dense_1/kernel"] == "dense_2/kernel"
    assert found["dense_2/bias"] == "dense_3/bias"


def test_numbers_that_the_user_gave_are_names():
    tensors = {**_linear("hidden_1", 4, 4), **_linear("hidden_2", 4, 4), **_linear("hidden_3", 4, 4)}
    found, unsure = _found(tensors, [*_dense("hidden_2", 4, 4), *_dense("hidden_3", 4, 4)])
    assert found["hidden_2.weight"] == "hidden_2/kernel"
    assert found["hidden_3.weight"] == "hidden_3/kernel"
    assert unsure == ()


def test_what_only_one_layer_can_be_needs_no_name():
    tensors = {**_linear("x", 4, 8), **_linear("y", 8, 2)}
    found, unsure = _found(tensors, [*_dense("out", 8, 2), *_dense("in", 4, 8)], ordered=False)
    assert found == {"x.weight": "in/kernel", "x.bias": "in/bias", "y.weight": "out/kernel", "y.bias": "out/bias"}
    assert unsure == ()


def test_layers_that_are_alike_go_in_an_order_that_both_sides_have():
    tensors = {**_linear("x", 4, 4), **_linear("y", 4, 4)}
    places = [*_dense("c", 4, 4), *_dense("d", 4, 4)]
    assert _found(tensors, places)[0]["x.weight"] == "c/kernel"
    for orders in ((False, True), (True, False)):
        found, unsure = _found(tensors, places, *orders)
        assert found == {}
        assert [str(item) for item in unsure] == [
            "x.weight, x.bias, y.weight, y.bias could each be for any of c/kernel, c/bias, d/kernel, d/bias"
        ]


def test_an_order_that_the_numbers_contradict_is_refused_with_both_ways():
    tensors = {**_linear("fc2", 4, 4), **_linear("fc1", 4, 4)}
    found, (unsure,) = _found(tensors, [*_dense("layer1", 4, 4), *_dense("layer2", 4, 4)])
    assert found == {}
    assert [why for why, _ in unsure.ways] == ["in the order of the layers", "by the numbers in the names"]
    ways = [{move.tensors[0]: move.variables[0] for move in way} for _, way in unsure.ways]
    assert ways[0]["fc2.weight"] == "layer1/kernel"
    assert ways[1]["fc2.weight"] == "layer2/kernel"
    assert "in the order of the layers: fc2.weight -> layer1/kernel" in str(unsure)


def test_an_order_that_the_words_contradict_is_refused():
    tensors = {**_linear("query", 4, 4), **_linear("key", 4, 4)}
    found, (unsure,) = _found(tensors, [*_dense("key_of_it", 4, 4), *_dense("query_of_it", 4, 4)])
    assert found == {}
    assert [why for why, _ in unsure.ways] == ["in the order of the layers", "by the words in the names"]
    # One word that contradicts is enough.
    tensors = {**_linear("query", 4, 4), **_linear("x", 4, 4)}
    found, (unsure,) = _found(tensors, [*_dense("y", 4, 4), *_dense("query_", 4, 4)])
    assert (found, unsure.ways) == ({}, ())


def test_layers_that_stand_elsewhere_have_no_common_order():
    # A shortcut that PyTorch keeps behind its block and Keras before it.
    tensors = {**_linear("a", 4, 4), **_linear("b", 4, 4), **_linear("shortcut", 2, 4)}
    places = [*_dense("side", 2, 4), *_dense("first", 4, 4), *_dense("second", 4, 4)]
    found, unsure = _found(tensors, places)
    assert found == {"shortcut.weight": "side/kernel", "shortcut.bias": "side/bias"}
    assert len(unsure) == 1


def test_more_candidates_than_places_are_refused():
    found, (unsure,) = _found({**_linear("a", 4, 4), **_linear("b", 4, 4)}, _dense("only", 4, 4))
    assert found == {}
    assert unsure.ways == ()


def test_names_of_pytorch_tell_what_the_parts_of_a_layer_are():
    tensors = {f"bn.{leaf}": (4,) for leaf in ("weight", "bias", "running_mean", "running_var")}
    proposal = propose({**tensors, "bn.num_batches_tracked": ()}, _norm("norm", 4), True, True)
    found = {move.tensors[0]: move.variables[0] for move in proposal.moves}
    assert found == {
        "bn.weight": "norm/gamma",
        "bn.bias": "norm/beta",
        "bn.running_mean": "norm/moving_mean",
        "bn.running_var": "norm/moving_variance",
    }
    assert proposal.skipped == ("bn.num_batches_tracked",)


def test_an_inverse_deviation_is_turned_into_a_variance():
    tensors = {f"bn/{leaf}": (4,) for leaf in ("beta", "gamma", "mean", "inv_std")}
    moves = {move.tensors[0]: move for move in propose(tensors, _norm("bn", 4), True, True).moves}
    assert moves["bn/inv_std"].variables == ("bn/moving_variance",)
    assert [step.kind for step in moves["bn/inv_std"].steps or ()] == ["inverse-std"]


def test_arrays_without_names_go_by_shape_or_by_order():
    places = [*_dense("a", 4, 8), *_dense("b", 8, 4), *_dense("c", 4, 8)]
    shapes = [(4, 8), (8,), (8, 4), (4,), (4, 8), (8,)]
    tensors = {f"arr_{number}": shape for number, shape in enumerate(shapes)}
    found, unsure = _found(tensors, places)
    assert list(found.values()) == [place.name for place in places]
    assert unsure == ()
    assert _found(tensors, places, ordered=False)[1]
    shuffled = dict(reversed(list(tensors.items())[:4]))
    assert _found(shuffled, places[:4], ordered=False)[0]["arr_3"] == "b/bias"


def test_a_norm_of_arrays_without_names_may_be_keras_or_lasagnes():
    tensors = {f"arr_{number}": (4,) for number in range(4)}
    found, (unsure,) = _found(tensors, _norm("bn", 4))
    assert found == {}
    assert [[move.variables[0].rpartition("/")[2] for move in way] for _, way in unsure.ways] == [
        ["gamma", "beta", "moving_mean", "moving_variance"],
        ["beta", "gamma", "moving_mean", "moving_variance"],
    ]


# What is derived where rules do not say it


def _derived(tensors, places, habits):
    proposal = propose(tensors, places, True, True)
    return deriving.derived(proposal.moves, tensors, {place.name: place for place in places}, habits)


def test_square_kernels_lie_as_the_others_of_the_file():
    tensors = {"a/kernel": (8, 4), "b/kernel": (4, 4)}
    places = [Place("a/kernel", (4, 8), "Dense"), Place("b/kernel", (4, 4), "Dense")]
    moves, _ = _derived(tensors, places, Habits())
    assert [str(step) for move in moves for step in move.steps] == ["transpose 1 0", "transpose 1 0"]
    moves, _ = _derived({**tensors, "a/kernel": (4, 8)}, places, Habits())
    assert [move.steps for move in moves] == [(), ()]


def test_square_kernels_alone_lie_as_the_format_says_or_are_refused():
    tensors, places = {"b/kernel": (4, 4)}, [Place("b/kernel", (4, 4), "Dense")]
    assert _derived(tensors, places, Habits(outputs_first=True))[0][0].steps
    assert not _derived(tensors, places, Habits(outputs_first=False))[0][0].steps
    with pytest.raises(
        SelectorError,
        match=r"how 'b/kernel' lies cannot be told: its shape 4 x 4 fits 'b/kernel' \(Dense\) in 2 ways, .* "
        r"add to its rule '\| as-is' \(outputs last\) or '\| transpose 1 0' \(outputs first\)",
    ):
        _derived(tensors, places, Habits())


def test_a_file_that_contradicts_itself_is_refused():
    tensors = {"a/kernel": (8, 4), "b/kernel": (4, 4), "c/kernel": (4, 6)}
    places = [Place(f"{n}/kernel", s, "Dense") for n, s in (("a", (4, 8)), ("b", (4, 4)), ("c", (4, 6)))]
    with pytest.raises(SelectorError, match="how 'b/kernel' lies cannot be told"):
        _derived(tensors, places, Habits())


def test_rows_over_a_flattened_map_are_turned_where_channels_were_first():
    tensors = {"c/kernel": (5, 3, 2, 2), "d/kernel": (7, 20)}
    places = [
        Place("c/kernel", (2, 2, 3, 5), "Conv2D"),
        Place("d/kernel", (20, 7), "Dense", flattened=(2, 2, 5)),
    ]
    moves, notes = _derived(tensors, places, Habits())
    assert " | ".join(map(str, moves[1].steps or ())) == (
        "transpose 1 0 | reshape 5 2 2 7 | transpose 1 2 0 3 | reshape 20 7"
    )
    assert "put from channels, height, width into height, width, channels" in notes[0]
    # Keras 1 on Theano: kernels were turned when the file was read, rows were not.
    keras_1 = {"c/kernel": (2, 2, 3, 5), "d/kernel": (20, 7)}
    moves, _ = _derived(keras_1, places, Habits(outputs_first=False, channels_first=True))
    assert [" | ".join(map(str, move.steps or ())) for move in moves] == [
        "",
        "reshape 5 2 2 7 | transpose 1 2 0 3 | reshape 20 7",
    ]
    assert _derived(keras_1, places, Habits(outputs_first=False))[0][1].steps == ()
    # Nothing tells: the rows stay, and that is told with what would turn them.
    moves, notes = _derived({"d/kernel": (7, 20)}, places[1:], Habits())
    assert " | ".join(map(str, moves[0].steps or ())) == "transpose 1 0"
    assert "write '| transpose 1 0 | reshape 5 2 2 7 | transpose 1 2 0 3 | reshape 20 7' into its rule" in notes[0]
    moves, notes = _derived({**tensors, "c/kernel": (2, 2, 3, 5)}, places, Habits())
    assert " | ".join(map(str, moves[1].steps or ())) == "transpose 1 0"
    assert notes == []


# Rules written for what was found


def test_few_rules_say_what_was_found():
    numbers = range(1, 13)
    tensors = {name: shape for n in numbers for name, shape in _linear(f"l{n}.fc{n % 2}", 4, 4).items()}
    places = [place for n in numbers for place in _dense(f"b{n}_{n % 2}x", 4, 4)]
    moves, _ = _derived(tensors, places, Habits(outputs_first=True))
    found = generalising.rules(moves, (), list(tensors), [place.name for place in places])
    assert sorted(map(str, found)) == [
        r"l(\d+)\.fc(\d+)\.bias -> b\1_\2x/bias",
        r"l(\d+)\.fc(\d+)\.weight -> b\1_\2x/kernel | transpose 1 0",
    ]
    again = follow(found, list(tensors), [place.name for place in places])
    assert {(m.tensors, m.variables, m.steps or None) for m in again.moves} == {
        (m.tensors, m.variables, m.steps or None) for m in moves
    }


def test_equal_names_are_one_rule():
    tensors = {"a/kernel": (4, 8), "a/bias": (8,)}
    moves, _ = _derived(tensors, _dense("a", 4, 8), Habits())
    assert [str(rule) for rule in generalising.rules(moves, (), list(tensors), list(tensors))] == [r"(.*) -> \1"]


def test_what_keras_wrote_is_never_transposed():
    tensors, places = {"a/kernel": (8, 4)}, [Place("a/kernel", (4, 8), "Dense")]
    assert propose(tensors, [Place("b/kernel", (4, 8), "Dense")], True, True, as_keras=True).moves == ()
    moves, _ = _derived(tensors, places, Habits(outputs_first=False))
    assert moves[0].steps == ()


def test_a_part_of_a_layer_is_not_restored_without_the_others():
    found, unsure = _found(_linear("fc", 512, 10), _dense("top", 256, 10))
    assert found == {}
    assert unsure == ()
