"""Law 8 for restoring: rules are total over both sides, first match wins, and every name ends in exactly one place."""

import re

from hypothesis import given
from hypothesis import strategies as st

from regraft.core.errors import RequestError
from regraft.core.rules import Rule, parse, to_text
from regraft.importers.restoring.matching import follow

_TENSORS = [f"{layer}/{leaf}" for layer in ("a1", "a2", "b1") for leaf in ("w", "b")]
_VARIABLES = [f"{layer}/{leaf}" for layer in ("x1", "x2", "y1") for leaf in ("kernel", "bias")]
_LINES = [
    r"a(\d)/w -> x\1/kernel",
    r"a(\d)/(w|b) -> x\1/kernel",
    r"(a|b)(\d)/b -> x\2/bias",
    r"b1/w -> y1/kernel | transpose 1 0",
    r"a\d/b => x\d/bias",
    r".*/b => .*/bias",
    r"a1/w, b1/w -> y1/kernel | merge 0",
    r"a1/w -> x1/kernel, x2/kernel | split 0",
    "skip a1/.*",
    "skip .*",
    "keep x1/.*",
    "keep .*",
    "name b1/. as c/#w c/#b",
]


@given(
    st.lists(st.sampled_from(_LINES), max_size=5, unique=True),
    st.lists(st.sampled_from(_TENSORS), unique=True, min_size=1),
    st.lists(st.sampled_from(_VARIABLES), unique=True, min_size=1),
    st.booleans(),
)
def test_every_name_ends_in_one_place_or_the_whole_is_refused(
    lines: list[str], tensors: list[str], variables: list[str], ordered: bool
) -> None:
    rules = parse("\n".join(lines))
    try:
        matched = follow(rules, tensors, variables, ordered)
    except RequestError:
        return
    moved = [name for move in matched.moves for name in move.tensors]
    given_values = [name for move in matched.moves for name in move.variables]
    left = [*moved, *matched.skipped, *(name for name, _ in matched.strays)]
    assert len(left) == len(set(left))
    assert set(left) <= set(tensors)
    right = [*given_values, *matched.kept]
    assert len(right) == len(set(right))
    assert set(right) <= set(variables)
    # What no rule caught is matched by no rule.
    aliased = any(rule.kind == "name" for rule in rules)
    for name in set(tensors) - set(left):
        assert aliased or not any(_catches(rule, name) for rule in rules)


def _catches(rule: Rule, name: str) -> bool:
    return rule.kind in ("map", "order", "skip") and any(re.fullmatch(pattern, name) for pattern in rule.patterns)


@given(st.lists(st.sampled_from(_LINES), max_size=5))
def test_rules_read_back_what_was_written(lines: list[str]) -> None:
    rules = parse("\n".join(lines))
    assert [str(rule) for rule in parse(to_text(rules))] == [str(rule) for rule in rules] == lines
