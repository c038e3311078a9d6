"""Law 8: selectors are total, first match wins, and no rule is without effect."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from regraft.core.errors import SelectorError
from regraft.core.selectors import assign, select

_PART = st.sampled_from(["conv", "dense", "head", "a.b", "x+y", "bn_1"])
_NAMES = st.lists(st.lists(_PART, min_size=1, max_size=3).map("/".join), unique=True, max_size=8)


@st.composite
def _rules_and_names(draw: st.DrawFn) -> tuple[list[tuple[str, int]], list[str]]:
    """Names, and rules of which most match some of them."""
    names = draw(_NAMES)
    exact = st.sampled_from(names or ["conv"]).map(re.escape)
    below = _PART.map(lambda part: f"{re.escape(part)}/.*")
    above = _PART.map(lambda part: f".*{re.escape(part)}")
    patterns = draw(st.lists(exact | below | above | st.just(".*"), max_size=4))
    if draw(st.booleans()):
        patterns.append(".*")
    return [(pattern, index) for index, pattern in enumerate(patterns)], names


def _first_match(rules: list[tuple[str, int]], name: str) -> int | None:
    return next((value for pattern, value in rules if re.fullmatch(pattern, name)), None)


@given(_rules_and_names())
def test_every_name_has_its_first_match_or_the_whole_is_refused(case: tuple[list[tuple[str, int]], list[str]]) -> None:
    rules, names = case
    expected = {name: _first_match(rules, name) for name in names}
    unmatched = [name for name, value in expected.items() if value is None]
    without_effect = [pattern for pattern, value in rules if value not in expected.values()]
    if unmatched:
        with pytest.raises(SelectorError, match=re.escape(f"found none that matches '{unmatched[0]}'")):
            assign(rules, names)
    elif without_effect:
        reason = "is never reached" if _matches(without_effect[0], names) else "matches no variable"
        with pytest.raises(SelectorError, match=re.escape(f"rule '{without_effect[0]}' {reason}")):
            assign(rules, names)
    else:
        assert list(assign(rules, names).items()) == list(expected.items())


def _matches(pattern: str, names: list[str]) -> bool:
    return any(re.fullmatch(pattern, name) for name in names)


@given(_NAMES, st.data())
def test_a_rule_put_in_front_wins_for_exactly_the_names_that_it_matches(names: list[str], data: st.DataObject) -> None:
    assume(len(names) > 1)
    chosen = data.draw(st.sampled_from(names))
    assert assign([(re.escape(chosen), "front"), (".*", "rest")], names) == {
        name: "front" if name == chosen else "rest" for name in names
    }


@given(_rules_and_names())
def test_selecting_is_assigning_yes_or_no(case: tuple[list[tuple[str, int]], list[str]]) -> None:
    rules, names = case
    patterns = [pattern for pattern, _ in rules]
    barren = [pattern for pattern in patterns if not _matches(pattern, names)]
    if barren:
        with pytest.raises(SelectorError, match=re.escape(f"pattern '{barren[0]}' matches no name")):
            select(patterns, names)
    else:
        assert select(patterns, names) == [name for name in names if _first_match(rules, name) is not None]
