"""Choosing by name: an ordered list of regular expressions, first match wins.

The same rule serves loading, freezing, learning rates, optimizer state and reports, so that a pattern that works in one
place works in all. A pattern must match the whole name (`re.fullmatch`).
"""

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

from regraft.core.errors import RequestError, SelectorError, nearest

T = TypeVar("T")


def assign(rules: Sequence[tuple[str, T]], names: Iterable[str]) -> dict[str, T]:
    """Give every name the value of the first rule whose pattern matches the whole of it.

    Args:
        rules: pairs (regular expression, value), tried in order.
        names: canonical variable names.

    Returns:
        A dictionary with exactly the given names, in their order.

    Raises:
        SelectorError: a name is matched by no rule, or a rule is the first match of no name and so without effect.
        RequestError: a pattern is not a regular expression.

    >>> assign([("head/.*", 1e-3), (".*", 0.0)], ["conv1/kernel", "head/kernel"])
    {'conv1/kernel': 0.0, 'head/kernel': 0.001}
    """
    names = list(names)
    compiled = [(_compile(pattern), value) for pattern, value in rules]
    assigned: dict[str, T] = {}
    used: set[int] = set()
    for name in names:
        for index, (pattern, value) in enumerate(compiled):
            if pattern.fullmatch(name):
                assigned[name] = value
                used.add(index)
                break
        else:
            raise SelectorError(
                f"expected a rule for every variable, found none that matches '{name}'; "
                "add a last rule '.*' to say what happens to the rest"
            )
    for index, (pattern, _) in enumerate(compiled):
        if index in used:
            continue
        if any(pattern.fullmatch(name) for name in names):
            raise SelectorError(
                f"rule '{pattern.pattern}' is never reached: earlier rules match all of its names; "
                "move it up or remove it"
            )
        raise SelectorError(f"rule '{pattern.pattern}' matches no variable{nearest(pattern.pattern, names)}")
    return assigned


def select(patterns: Sequence[str], names: Iterable[str]) -> list[str]:
    """The names matched by any of the patterns, in the order of `names`; a pattern that matches nothing is an error.

    Raises:
        SelectorError: a pattern matches no name.
        RequestError: a pattern is not a regular expression.

    >>> select(["conv.*"], ["conv1/kernel", "dense/kernel"])
    ['conv1/kernel']
    """
    names = list(names)
    compiled = [_compile(pattern) for pattern in patterns]
    for pattern in compiled:
        if not any(pattern.fullmatch(name) for name in names):
            raise SelectorError(f"pattern '{pattern.pattern}' matches no name{nearest(pattern.pattern, names)}")
    return [name for name in names if any(pattern.fullmatch(name) for pattern in compiled)]


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:  # the latter two: `a{9999999999}`, a thousand brackets
        raise RequestError(f"'{pattern}' is not a regular expression: {error}") from None
