"""Why no model is like what was asked for: what of it none has, and what there is instead."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from regraft.cli.text import counted, share
from regraft.core.errors import nearest

if TYPE_CHECKING:
    from regraft.catalogue import Entry, Filters
    from regraft.core.public import PublicNetwork

_SHOWN = 5


def of_models(models: "Sequence[Entry]", filters: "Filters") -> str:
    """Why none of these models of a catalogue fits, as the end of a sentence about them.

    Args:
        models: all that there are, at least one.
        filters: what was asked for.
    """
    told: list[str | None] = [
        _named("kind", filters.kind, (model.kind for model in models)),
        _named("task", filters.task, (model.task for model in models)),
        *(_named("tag", tag, (held for model in models for held in model.tags)) for tag in filters.tags),
        _named("licence", filters.licence, (model.licence for model in models)),
        _classes(filters.classes, {model.classes for model in models}),
        _smallest(filters.most_parameters, [model.parameters for model in models]),
        _best(filters.least_accuracy, [model.accuracy for model in models]),
    ]
    return _joined(told)


def of_networks(
    networks: "Sequence[PublicNetwork]",
    licence: str | None,
    most_parameters: int | None,
    least_accuracy: float | None,
) -> str:
    """Why none of these published networks fits, likewise."""
    told = [
        _named("licence", licence, (network.licence for network in networks)),
        _smallest(most_parameters, [network.parameters for network in networks]),
        _best(least_accuracy, [network.top1 for network in networks]),
    ]
    return _joined(told)


def _joined(told: Iterable[str | None]) -> str:
    return "; ".join(filter(None, told)) or "no one has all of it"


def _named(what: str, wanted: str | None, held: Iterable[str]) -> str | None:
    known = {name.lower(): name for name in sorted(held) if name}
    if wanted is None or wanted.lower() in known:
        return None
    return f"none has the {what} '{wanted}'{nearest(wanted, known.values(), _SHOWN)}"


def _classes(wanted: int | None, held: set[int]) -> str | None:
    if wanted is None or wanted in held:
        return None
    known = sorted(held - {0}, key=lambda count: abs(count - wanted))[:_SHOWN]
    there = f"; some tell {', '.join(map(str, sorted(known)))}" if known else ""
    return f"none tells {counted(wanted, 'class', 'classes')} apart{there}"


def _smallest(most: int | None, held: Sequence[int]) -> str | None:
    if most is None or min(held) <= most:
        return None
    return f"the smallest has {counted(min(held), 'parameter')}"


def _best(least: float | None, held: Iterable[float | None]) -> str | None:
    measured = [value for value in held if value is not None]
    if least is None or max(measured, default=-1.0) >= least:
        return None
    return f"the best is {share(max(measured))} right" if measured else "no accuracy of any is known"
