"""From a strategy, or from phases by hand, to phases for one network, and to where its trunk ends."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import keras

from regraft.core.blocks import HEAD
from regraft.core.errors import RequestError, SelectorError, SourceError
from regraft.core.phase import Phase, Rate
from regraft.core.plan import AUTO, FineTuneSpec
from regraft.core.selectors import assign, select
from regraft.graph import blocks, flow, names
from regraft.graph.cut_points import INPUT, find, is_input
from regraft.training import strategies
from regraft.training.rates import may_learn


def waits(spec: FineTuneSpec) -> bool:
    """Whether what learns, and not what it costs, says where the trunk ends; then the head's place is needed first."""
    if spec.enabled == "no" or spec.from_cut != AUTO:
        return False
    if spec.phases:
        return any(phase.rates for phase in spec.phases)
    return spec.strategy not in (AUTO, "head-then-fine-tune", "feature-extraction")


def phased(model: keras.Model, spec: FineTuneSpec, cut_point: str, new: Sequence[str] = (HEAD,)) -> FineTuneSpec:
    """The spec with the phases that its strategy makes for a head at a cut point, and `from_cut` where they decide it.

    Args:
        model: the source; only looked at.
        spec: as the plan has it.
        cut_point: where the head stands.
        new: names of the new layers, the head last.

    Returns:
        The same with phases; with `enabled="no"` where nothing below the head is to learn.

    Raises:
        RequestError: there is no such strategy, or the network has not what it asks for.
        SelectorError: a rule of a phase by hand matches no variable of the source or the head.
        SourceError: layers that are to learn begin at the input, whose name a cut point has.
    """
    if spec.enabled == "no":
        return spec
    by_cost = not waits(spec)
    if not spec.phases and spec.strategy != AUTO:
        made = strategies.phases(replace(blocks.reused(model, cut_point), new=tuple(new)), spec)
        if not made:
            return replace(spec, enabled="no", from_cut=cut_point)
        spec = replace(spec, phases=made)
    for phase in spec.phases:
        _require_names(phase, model, new)
    if by_cost:
        return spec
    start = highest_below(model, learning(model, spec.phases, cut_point), cut_point)
    if start == cut_point:
        return replace(spec, enabled="no", from_cut=cut_point)
    if start is None and not is_input(flow.read(model), INPUT):
        raise SourceError(
            f"the first layers of '{model.name}' are to learn, which a plan says by from_cut = '{INPUT}', and that is "
            "a cut point of this network; rename that layer, or let only layers above a cut point learn"
        )
    return replace(spec, from_cut=start or INPUT)


def learning(model: keras.Model, phases: Iterable[Phase], cut_point: str) -> set[str]:
    """The canonical names of the source's variables that some phase lets learn, as far as they are below the head."""
    variables = names.variables(model)
    owners = {id(variable): layer for _, layer in names.layers(model) for variable in layer.variables}
    found: set[str] = set()
    for phase in phases:
        rules = [(rule.pattern, rule.rate) for rule in phase.rates]
        if not rules:
            continue
        rates = _first_matches(rules, variables)
        found |= {
            name
            for name, rate in rates.items()
            if rate > 0 and may_learn(owners[id(variables[name])], variables[name], phase)
        }
    below = _variables_below(model, cut_point)
    return {name for name in found if id(variables[name]) in below}


def highest_below(model: keras.Model, learns: Iterable[str], cut_point: str) -> str | None:
    """The highest cut point that none of these variables is below, not above the head's; None where there is none.

    Args:
        model: the source.
        learns: canonical names of its variables.
        cut_point: where the head stands.
    """
    opened = flow.read(model)
    variables = names.variables(model)
    moving = {id(variables[name]) for name in learns}
    calls = {
        id(call)
        for call in opened.calls
        if moving.intersection(id(variable) for variable in getattr(call.operation, "variables", ()))
    }
    separating = opened.separating()
    top = next(place for place, call in enumerate(separating) if call.name == cut_point)
    for call in reversed(separating[: top + 1]):
        if not calls.intersection(id(below) for below in opened.needed_for([call.makes[0]])):
            return call.name
    return None


def narrowed(phase: Phase, branch: keras.Model, source: keras.Model, from_cut: str) -> Phase:
    """The phase without rules that freeze only what is below the branch, or dropped with the old top: frozen it is.

    Args:
        phase: its rates are about the source and the head.
        branch: what is trained.
        source: the network that it is of.
        from_cut: where the branch begins.

    Raises:
        SelectorError: a rule lets only such variables learn as are not in the branch, or matches nothing at all; or a
            variable of the branch is matched by no rule.
    """
    own, known = names.variables(branch), names.variables(source)
    kept: list[Rate] = []
    left = list(own)
    for rule in phase.rates:
        matched = set(_matching(rule.pattern, left))
        left = [name for name in left if name not in matched]
        if matched:
            kept.append(rule)
        elif not any(_matching(rule.pattern, own)) and any(_matching(rule.pattern, known)):
            if rule.rate > 0:
                raise SelectorError(
                    f"phase '{phase.name}': rule '{rule.pattern}' lets only variables learn that are not between "
                    f"'{from_cut}' and the head; give a lower fine_tune.from_cut, or 'auto'"
                )
        elif rule.rate > 0 or not any(_matching(rule.pattern, known)):
            kept.append(rule)
    try:
        assign([(rule.pattern, rule.rate) for rule in kept], own)
    except SelectorError as error:
        raise SelectorError(f"phase '{phase.name}': {error}") from None
    return replace(phase, rates=tuple(kept))


def shared(epochs: int, phases: int) -> int:
    """How many epochs each of the phases of a strategy takes of those that one phase would have."""
    return max(1, -(-epochs // max(phases, 1)))


def _require_names(phase: Phase, model: keras.Model, new: Sequence[str]) -> None:
    """Refuse rules that match nothing before anything is computed."""
    known = [*names.variables(model), *(f"{layer}/{part}" for layer in reversed(new) for part in ("kernel", "bias"))]
    for rule in phase.rates:
        try:
            select([rule.pattern], known)
        except (SelectorError, RequestError) as error:
            raise type(error)(f"phase '{phase.name}': {error}") from None


def _first_matches(rules: list[tuple[str, float]], known: Iterable[str]) -> dict[str, float]:
    """The rate of each name by the first rule that matches it; 0 where none does."""
    rates: dict[str, float] = {}
    left = list(known)
    for pattern, rate in rules:
        matched = set(_matching(pattern, left))
        rates |= dict.fromkeys(matched, rate)
        left = [name for name in left if name not in matched]
    return rates | dict.fromkeys(left, 0.0)


def _matching(pattern: str, known: Iterable[str]) -> list[str]:
    try:
        return select([pattern], known)
    except SelectorError:
        return []


def _variables_below(model: keras.Model, cut_point: str) -> set[int]:
    opened = flow.read(model)
    needed = opened.needed_for([find(opened, cut_point).makes[0]])
    return {id(variable) for call in needed for variable in getattr(call.operation, "variables", ())}
