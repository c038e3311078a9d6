r"""Few rules for many moves: names that differ in numbers only share one, `conv(\d+)\.weight -> conv_\1/kernel`."""

import re
from collections.abc import Sequence
from dataclasses import replace

from regraft.core.errors import RequestError
from regraft.core.rules import Rule, Step, parse
from regraft.importers.restoring import matching
from regraft.importers.restoring.excusing import exact, patterns
from regraft.importers.restoring.matching import Move

_DIGITS = re.compile(r"(\d+)")


def rules(
    moves: Sequence[Move], skipped: Sequence[str], tensors: Sequence[str], variables: Sequence[str]
) -> tuple[Rule, ...]:
    """Rules that say exactly these moves of one tensor to one variable each.

    Args:
        moves: with their steps.
        skipped: tensors that are left out on purpose.
        tensors: all names in the source.
        variables: all names in the model.
    """
    left_out = [
        _rule(f"skip {pattern}") for pattern in patterns(skipped, [name for name in tensors if name not in skipped])
    ]
    every = [_rule(r"(.*) -> \1")] if moves and all(_is_plain(move) for move in moves) else []
    single = [_written(exact(move.tensors[0]), move.variables[0], move.steps) for move in moves]
    for candidate in (every, _general(moves, tensors), single):
        found = (*left_out, *candidate)
        if candidate and _says(found, moves, tensors, variables):
            return found
    return tuple(left_out)


def _is_plain(move: Move) -> bool:
    return move.tensors == move.variables and not move.steps


def _says(found: Sequence[Rule], moves: Sequence[Move], tensors: Sequence[str], variables: Sequence[str]) -> bool:
    try:
        matched = matching.follow(found, tensors, variables)
    except RequestError:
        return False
    return not matched.strays and {_essence(move) for move in matched.moves} == {_essence(move) for move in moves}


def _essence(move: Move) -> Move:
    return replace(move, steps=move.steps or None, rule="")


def _general(moves: Sequence[Move], tensors: Sequence[str]) -> list[Rule]:
    groups: dict[tuple[object, ...], list[Move]] = {}
    for move in moves:
        key = tuple(_DIGITS.split(move.tensors[0])[::2]), tuple(_DIGITS.split(move.variables[0])[::2]), move.steps
        groups.setdefault(key, []).append(move)
    singles: list[Rule] = []
    shared: list[Rule] = []
    for group in groups.values():
        rule = _shared(group) if len(group) > 1 else None
        names = {move.tensors[0] for move in group}
        if rule is None or any(re.fullmatch(rule.patterns[0], name) for name in tensors if name not in names):
            singles += [_written(exact(move.tensors[0]), move.variables[0], move.steps) for move in group]
        else:
            shared.append(rule)
    return [*singles, *shared]


def _shared(group: Sequence[Move]) -> Rule | None:
    """One rule for names that differ in their numbers only; None where the new numbers do not follow from the old."""
    olds = [_DIGITS.split(move.tensors[0]) for move in group]
    news = [_DIGITS.split(move.variables[0]) for move in group]
    varying = [place for place in range(1, len(olds[0]), 2) if len({parts[place] for parts in olds}) > 1]
    pattern = "".join(r"(\d+)" if place in varying else exact(part) for place, part in enumerate(olds[0]))
    target = ""
    for place, part in enumerate(news[0]):
        if place % 2 == 0 or len({parts[place] for parts in news}) == 1:
            target += part.replace("\\", r"\\")
            continue
        same = [old for old in varying if all(a[old] == b[place] for a, b in zip(olds, news, strict=True))]
        if not same:
            return None
        target += rf"\{varying.index(same[0]) + 1}"
    return _written(pattern, target, group[0].steps)


def _written(pattern: str, target: str, steps: tuple[Step, ...] | None) -> Rule:
    return Rule("map", (pattern,), (target,), steps or None)


def _rule(text: str) -> Rule:
    return parse(text)[0]
