"""What goes where, and what is done to it on the way: by rules, or as found, where one way alone is possible."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras

from regraft.core.errors import RequestError, SelectorError
from regraft.core.rules import Rule
from regraft.importers.restoring import deriving, matching, places, proposing
from regraft.importers.restoring.deriving import Habits
from regraft.importers.restoring.matching import Matched, Move
from regraft.importers.restoring.sources import Source


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """What is to be moved.

    Attributes:
        matched: what the rules said, or what was found.
        moves: the same, with their steps.
        notes: what was found out about steps.
    """

    matched: Matched
    moves: Sequence[Move]
    notes: Sequence[str]


def planned(source: Source, target: keras.Model, rules: Sequence[Rule] | None) -> Planned:
    """What of a source goes where in a model.

    Args:
        source: the tensors.
        target: is not changed.
        rules: None: found by names, order, shapes and layer kinds.

    Raises:
        SelectorError: a rule has no effect, two tensors are for one variable, or several ways are possible.
        RequestError: there are no rules, or a step cannot be done.
    """
    by_name = {place.name: place for place in places.places(target)}
    matched = _found(source, target) if rules is None else _followed(rules, source, list(by_name))
    shapes = {name: entry.shape for name, entry in source.tensors.items()}
    moves, notes = deriving.derived(matched.moves, shapes, by_name, habits(source))
    return Planned(matched, moves, notes)


def habits(source: Source) -> Habits:
    """How kernels lie in a source, as far as its format says."""
    return Habits(source.outputs_first, source.channels_first, source.turned, source.epsilon)


def proposal(source: Source, target: keras.Model) -> proposing.Proposal:
    """What of a source fits a model, what could go several ways, and what is left over."""
    shapes = {name: entry.shape for name, entry in source.tensors.items()}
    as_keras = source.outputs_first is False
    return proposing.propose(shapes, places.places(target), source.ordered, places.is_ordered(target), as_keras)


def _found(source: Source, target: keras.Model) -> Matched:
    found = proposal(source, target)
    if found.open:
        listed = "; ".join(map(str, found.open[:3])) + ("; ..." if len(found.open) > 3 else "")
        raise SelectorError(
            f"expected one way from {source.text} to the model, found several: {listed}; give rules; "
            "`regraft restore --propose` writes what is certain, to be completed"
        )
    if not found.moves:
        raise SelectorError(
            f"nothing in {source.text} fits the model by name, order or shape; give rules, such as "
            r"'conv(\d)\.weight -> conv_\1/kernel'"
        )
    return Matched(found.moves, found.skipped)


def _followed(rules: Sequence[Rule], source: Source, variables: list[str]) -> Matched:
    if not rules:
        raise RequestError("expected rules, found none: leave them out to have them found")
    return matching.follow(rules, list(source.tensors), variables, source.ordered)
