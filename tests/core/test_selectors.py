"""What `assign` and `select` say when rules and names do not fit; law 8 is in tests/laws."""

import pytest

from regraft.core.errors import RequestError, SelectorError
from regraft.core.selectors import assign, select

_NAMES = ["conv1/kernel", "conv1/bias", "head/kernel"]


def test_a_pattern_must_match_the_whole_name() -> None:
    with pytest.raises(SelectorError, match=r"^rule 'conv1' matches no variable; nearest known names: conv1/bias"):
        assign([("conv1", 1), (".*", 0)], _NAMES)


def test_a_name_without_a_rule_is_named_and_the_way_out_told() -> None:
    with pytest.raises(SelectorError) as caught:
        assign([("conv1/.*", 1)], _NAMES)
    assert str(caught.value) == (
        "expected a rule for every variable, found none that matches 'head/kernel'; "
        "add a last rule '.*' to say what happens to the rest"
    )


def test_a_rule_that_is_never_reached_is_told_apart_from_one_that_matches_nothing() -> None:
    with pytest.raises(SelectorError) as caught:
        assign([(".*", 0), ("head/.*", 1)], _NAMES)
    assert str(caught.value) == (
        "rule 'head/.*' is never reached: earlier rules match all of its names; move it up or remove it"
    )
    with pytest.raises(
        SelectorError, match=r"^rule 'head/gamma' matches no variable; nearest known names: head/kernel"
    ):
        assign([("head/gamma", 1), (".*", 0)], _NAMES)


def test_names_may_come_from_an_iterator() -> None:
    assert assign([(".*", 0)], iter(_NAMES)) == dict.fromkeys(_NAMES, 0)
    assert select([".*"], iter(_NAMES)) == _NAMES


def test_selected_names_keep_their_own_order_and_come_once() -> None:
    assert select(["head/.*", "conv1/.*", ".*/kernel"], _NAMES) == _NAMES
    assert select([], _NAMES) == []


def test_a_pattern_that_selects_nothing_is_an_error() -> None:
    with pytest.raises(
        SelectorError, match=r"^pattern 'conv2/kernel' matches no name; nearest known names: conv1/kernel"
    ):
        select(["conv1/.*", "conv2/kernel"], _NAMES)


@pytest.mark.parametrize("pattern", ["(", "*", "a{99999999999999}", "(" * 5000 + ")" * 5000])
def test_what_is_no_regular_expression_is_a_wrong_request(pattern: str) -> None:
    for use in (lambda: assign([(pattern, 1)], _NAMES), lambda: select([pattern], _NAMES)):
        with pytest.raises(RequestError, match="is not a regular expression: ") as caught:
            use()
        assert caught.value.exit_status == 2
