"""Rules over names: first match wins, nothing without effect, every variable at most once."""

import pytest

from regraft.core.errors import RequestError, SelectorError
from regraft.core.rules import parse
from regraft.importers.restoring.matching import follow

_TENSORS = ["h1/w", "h1/b", "h2/w", "h2/b", "h3/w", "h3/b", "h4/w", "out/w", "step"]
_VARIABLES = ["d1/kernel", "d1/bias", "d2/kernel", "d2/bias", "d3/kernel", "d3/bias", "top/kernel", "top/bias"]


def _pairs(text, tensors=_TENSORS, variables=_VARIABLES, ordered=True):
    matched = follow(parse(text), tensors, variables, ordered)
    return {move.tensors: move.variables for move in matched.moves}, matched


def test_hidden_layers_1_to_3_are_one_rule():
    found, matched = _pairs(r"h([1-3])/w -> d\1/kernel")
    assert found == {("h1/w",): ("d1/kernel",), ("h2/w",): ("d2/kernel",), ("h3/w",): ("d3/kernel",)}
    assert (matched.skipped, matched.kept, matched.strays) == ((), (), ())


def test_the_first_match_wins():
    found, matched = _pairs("skip h2/.*\n" + r"h([1-3])/w -> d\1/kernel" + "\nkeep d2/.*\nkeep top/.*")
    assert list(found) == [("h1/w",), ("h3/w",)]
    assert matched.skipped == ("h2/w", "h2/b")
    assert matched.kept == ("d2/kernel", "d2/bias", "top/kernel", "top/bias")


def test_in_order_the_first_goes_to_the_first():
    found, _ = _pairs("h./w => d./kernel|top/kernel")
    assert list(found.values()) == [("d1/kernel",), ("d2/kernel",), ("d3/kernel",), ("top/kernel",)]


def test_order_without_an_order_is_that_of_the_numbers():
    found, _ = _pairs("x.* => d./kernel", ["x10", "x9", "x1"], ordered=False)
    assert found == {("x1",): ("d1/kernel",), ("x9",): ("d2/kernel",), ("x10",): ("d3/kernel",)}


def test_arrays_without_names_get_names_in_turn():
    tensors = [f"arr_{number}" for number in range(8)]
    text = "name arr_[67] as top/w top/b\nname arr_.* as #/w #/b\n" + r"(\d)/w -> d\1/kernel" + "\n"
    found, _ = _pairs(text + r"(\d)/b -> d\1/bias" + "\ntop/(w|b) => top/.*", tensors)
    assert found["arr_4",] == ("d3/kernel",)
    assert found["arr_5",] == ("d3/bias",)
    assert found["arr_7",] == ("top/bias",)


def test_joined_tensors_stand_in_the_order_of_the_patterns_and_of_their_numbers():
    found, _ = _pairs(r"w_i, w_f -> d1/kernel | merge 1", ["w_f", "w_i"])
    assert found == {("w_i", "w_f"): ("d1/kernel",)}
    found, _ = _pairs(r"e\d+ -> d1/kernel | stack 0", ["e10", "e2", "e1"])
    assert found == {("e1", "e2", "e10"): ("d1/kernel",)}


def test_a_variable_that_is_not_there_is_told_for_single_tensors_and_refused_for_all():
    _, matched = _pairs(r"h(\d)/w -> d\1/kernel")
    assert matched.strays == (("h4/w", "d4/kernel"),)
    with pytest.raises(SelectorError, match=r"sends 'h1/w' to 'e1/kernel', which the model does not have; nearest"):
        _pairs(r"h(\d)/w -> e\1/kernel")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hh/.* -> d1/kernel", r"rule 'hh/\.\* -> d1/kernel' matches no tensor; "),
        ("skip .*\nskip h1/.*", r"rule 'skip h1/\.\*' is never reached: earlier rules match all of its tensors"),
        ("h1/w, hh -> d1/kernel | merge 0", "matches no tensor"),
        ("keep e1/.*", r"rule 'keep e1/\.\*' matches no variable; known names: d1/kernel"),
        ("h1/w -> d1/kernel\nkeep d1/kernel", "keeps only what other rules give values"),
        ("h./w -> d1/kernel", "sends both 'h1/w' and 'h2/w' to 'd1/kernel'; make its pattern narrower, or join"),
        ("h1/w -> d1/kernel\nh2/w -> d1/kernel", "two tensors are for 'd1/kernel': 'h1/w' by the rule"),
        (r"h./w => d./kernel", "has 4 tensors for 3 variables; make the wider"),
        (r"h./w => e./kernel", "has 4 tensors for 0 variables; nearest known names"),
        ("name h1/.* as a b c", "has 3 names for each layer, and 2 tensors, from 'h1/w' to 'h1/b'"),
        ("name xx as a", r"rule 'name xx as a' matches no tensor"),
        ("name h1/w as h2/w", "rules call both 'h1/w' and 'h2/w' 'h2/w'"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_named(text, message):
    with pytest.raises(SelectorError, match=message):
        _pairs(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("h(1 -> d1/kernel", r"'h\(1' in the rule 'h\(1 -> d1/kernel' is not a regular expression"),
        (r"h1/w -> d\1/kernel", "cannot be filled in: invalid group reference"),
        (r"h1/w -> d\g<x>/kernel", "cannot be filled in"),
        ("h1/w => d(1/kernel", "is not a regular expression"),
    ],
)
def test_a_pattern_that_is_none_is_named(text, message):
    with pytest.raises(RequestError, match=message):
        _pairs(text)
