"""Rules applied to names: which tensors go to which variables, and what nothing was said about. No values are read."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from regraft.core.errors import RequestError, SelectorError, nearest
from regraft.core.rules import JOINING, Rule, Step, compiled, natural


@dataclass(frozen=True, slots=True)
class Move:
    """Tensors that go to variables.

    Attributes:
        tensors: names in the source, in the order in which they are joined.
        variables: names in the model.
        steps: what is done to the values; None where that is to be found out.
        rule: that said so, for messages.
    """

    tensors: tuple[str, ...]
    variables: tuple[str, ...]
    steps: tuple[Step, ...] | None
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Matched:
    """What rules make of the names on both sides.

    Attributes:
        moves: in the order of the rules' first tensors.
        skipped: tensors that a rule leaves out.
        kept: variables that a rule leaves as they are.
        strays: tensors that a rule sends to a variable that the model does not have, with its name.
    """

    moves: tuple[Move, ...]
    skipped: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    strays: tuple[tuple[str, str], ...] = ()


def follow(rules: Sequence[Rule], tensors: Sequence[str], variables: Sequence[str], ordered: bool = True) -> Matched:
    """Apply rules to names.

    Args:
        rules: the first that matches a tensor's whole name decides.
        tensors: names in the source, in its order.
        variables: names in the model, in its order.
        ordered: whether the order of the tensors is that of the layers; else they are put in the natural order of
            their names where order matters.

    Raises:
        SelectorError: a rule matches nothing or is never reached, two tensors are for one variable, a count is wrong,
            or a rule only sends tensors to variables that the model does not have.
        RequestError: a pattern is no regular expression, or a replacement speaks of a group that it lacks.
    """
    aliases = _aliases(rules, tensors, ordered)
    caught, strayed = _catch(rules, aliases), list[tuple[str, str]]()
    moves: list[Move] = []
    for index, rule in enumerate(rules):
        if rule.kind == "map":
            made, strays = _mapped(rule, caught[index], aliases, set(variables))
            moves += made
            strayed += strays
    _require_one_each(moves)
    for index, rule in enumerate(rules):
        if rule.kind == "order":
            moves += _in_order(rule, caught[index], aliases, variables, moves, ordered)
    _require_one_each(moves)
    given = {name for move in moves for name in move.variables}
    kept = _kept(rules, [name for name in variables if name not in given], variables)
    skipped = tuple(name for index, rule in enumerate(rules) if rule.kind == "skip" for name in caught[index])
    position = {name: index for index, name in enumerate(tensors)}
    moves.sort(key=lambda move: position[move.tensors[0]])
    return Matched(tuple(moves), skipped, kept, tuple(strayed))


def _aliases(rules: Sequence[Rule], tensors: Sequence[str], ordered: bool) -> dict[str, str]:
    """For every tensor the name that rules know it by."""
    aliases: dict[str, str] = {}
    for rule in rules:
        if rule.kind != "name":
            continue
        pattern = compiled(rule.patterns[0], rule)
        found = _sorted([name for name in tensors if name not in aliases and pattern.fullmatch(name)], ordered)
        if not found:
            raise SelectorError(f"rule '{rule}' matches no tensor{nearest(rule.patterns[0], tensors)}")
        if len(found) % len(rule.targets):
            raise SelectorError(
                f"rule '{rule}' has {len(rule.targets)} names for each layer, and {len(found)} tensors, from "
                f"'{found[0]}' to '{found[-1]}': not a whole number of layers; make its pattern narrower"
            )
        for index, name in enumerate(found):
            number, leaf = divmod(index, len(rule.targets))
            aliases[name] = rule.targets[leaf].replace("#", str(number + 1))
    aliases = {name: aliases.get(name, name) for name in tensors}
    taken: dict[str, str] = {}
    for name, alias in aliases.items():
        if alias in taken:
            raise SelectorError(f"rules call both '{taken[alias]}' and '{name}' '{alias}'; give one another name")
        taken[alias] = name
    return aliases


def _catch(rules: Sequence[Rule], aliases: dict[str, str]) -> list[dict[str, tuple[int, re.Match[str]]]]:
    """For every rule the tensors whose first match it is, with the pattern that matched and how."""
    patterns = [
        [compiled(pattern, rule) for pattern in rule.patterns] if rule.kind in ("map", "order", "skip") else []
        for rule in rules
    ]
    caught: list[dict[str, tuple[int, re.Match[str]]]] = [{} for _ in rules]
    for name, alias in aliases.items():
        for index, several in enumerate(patterns):
            matches = [(place, match) for place, item in enumerate(several) if (match := item.fullmatch(alias))]
            if matches:
                caught[index][name] = matches[0]
                break
    for index, rule in enumerate(rules):
        for place, pattern in enumerate(patterns[index]):
            if all(found != place for found, _ in caught[index].values()):
                raise SelectorError(_without_effect(rule, pattern, aliases.values()))
    return caught


def _without_effect(rule: Rule, pattern: re.Pattern[str], names: Iterable[str]) -> str:
    names = list(names)
    if any(pattern.fullmatch(name) for name in names):
        return f"rule '{rule}' is never reached: earlier rules match all of its tensors; move it up or remove it"
    return f"rule '{rule}' matches no tensor{nearest(pattern.pattern, names)}"


def _mapped(
    rule: Rule,
    caught: dict[str, tuple[int, re.Match[str]]],
    aliases: dict[str, str],
    variables: set[str],
) -> tuple[list[Move], list[tuple[str, str]]]:
    together: dict[tuple[str, ...], list[tuple[int, str]]] = {}
    for name, (place, match) in caught.items():
        together.setdefault(_expanded(rule, match), []).append((place, name))
    moves: list[Move] = []
    strays: list[tuple[str, str]] = []
    for targets, found in together.items():
        absent = [target for target in targets if target not in variables]
        if absent:
            strays += [(name, absent[0]) for _, name in found]
            continue
        # Patterns in their order; what one pattern matches in the natural order of the names.
        names = tuple(name for _, name in sorted(found, key=lambda item: (item[0], natural(aliases[item[1]]))))
        if len(names) > 1 and not any(step.kind in JOINING for step in rule.steps or ()):
            raise SelectorError(
                f"rule '{rule}' sends both '{names[0]}' and '{names[1]}' to '{targets[0]}'; make its pattern narrower, "
                "or join them with '| merge AXIS', '| stack AXIS' or '| add'"
            )
        moves.append(Move(names, targets, rule.steps, str(rule)))
    if strays and not moves:
        name, target = strays[0]
        raise SelectorError(
            f"rule '{rule}' sends '{name}' to '{target}', which the model does not have{nearest(target, variables)}"
        )
    return moves, strays


def _expanded(rule: Rule, match: re.Match[str]) -> tuple[str, ...]:
    try:
        return tuple(match.expand(target) for target in rule.targets)
    except (re.error, IndexError) as error:
        raise RequestError(
            f"the replacement of the rule '{rule}' cannot be filled in: {error}; groups are \\1, \\2, ... or \\g<name>"
        ) from None


def _in_order(
    rule: Rule,
    caught: dict[str, tuple[int, re.Match[str]]],
    aliases: dict[str, str],
    variables: Sequence[str],
    earlier: Sequence[Move],
    ordered: bool,
) -> list[Move]:
    patterns = [compiled(target, rule) for target in rule.targets]
    taken = {name for move in earlier for name in move.variables}
    wanted = [name for name in variables if name not in taken and any(pattern.fullmatch(name) for pattern in patterns)]
    names = list(caught) if ordered else sorted(caught, key=lambda name: natural(aliases[name]))
    if len(names) != len(wanted):
        near = nearest(rule.targets[0], variables) if not wanted else ""
        raise SelectorError(
            f"rule '{rule}' pairs in order, and has {len(names)} tensors for {len(wanted)} variables{near}; "
            "make the wider of its patterns narrower"
        )
    return [Move((name,), (target,), rule.steps, str(rule)) for name, target in zip(names, wanted, strict=True)]


def _require_one_each(moves: Sequence[Move]) -> None:
    first: dict[str, Move] = {}
    for move in moves:
        for name in move.variables:
            if name in first:
                raise SelectorError(
                    f"two tensors are for '{name}': '{first[name].tensors[0]}' by the rule '{first[name].rule}' and "
                    f"'{move.tensors[0]}' by '{move.rule}'; make one of them narrower, or skip one"
                )
            first[name] = move


def _kept(rules: Sequence[Rule], free: Sequence[str], variables: Sequence[str]) -> tuple[str, ...]:
    kept: dict[str, None] = {}
    for rule in rules:
        if rule.kind != "keep":
            continue
        pattern = compiled(rule.patterns[0], rule)
        found = [name for name in free if pattern.fullmatch(name) and name not in kept]
        if not found:
            given = any(pattern.fullmatch(name) for name in variables)
            reason = "keeps only what other rules give values" if given else "matches no variable"
            raise SelectorError(f"rule '{rule}' {reason}{'' if given else nearest(rule.patterns[0], variables)}")
        kept |= dict.fromkeys(found)
    return tuple(kept)


def _sorted(names: Sequence[str], ordered: bool) -> list[str]:
    return list(names) if ordered else sorted(names, key=natural)


def with_steps(move: Move, steps: tuple[Step, ...]) -> Move:
    """The same move with what is done to its values."""
    return replace(move, steps=steps)
