"""What the phases of a plan share, said once in its TOML: a phase has what `[fine_tune]` says where it says nothing."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast

from regraft.core.phase import AVERAGED, Phase

# Said in a phase where `[fine_tune]` has a value and the phase is to have none.
NONE = "none"

_SHARED = tuple(item.name for item in fields(Phase) if item.name != "name")
_MAY_BE_NONE = tuple(item.name for item in fields(Phase) if item.default is None)


def filled(table: Mapping[str, Any]) -> dict[str, Any]:
    """A plan as TOML has it, each of its phases with what it shares with the others.

    >>> filled({"fine_tune": {"rate": 0.1, "patience": 3, "phases": [{"name": "a", "patience": "none"}]}})
    {'fine_tune': {'rate': 0.1, 'patience': 3, 'phases': [{'moving_average': 0.9, 'rate': 0.1, 'name': 'a'}]}}
    """
    spec = table.get("fine_tune")
    if not isinstance(spec, dict):
        return dict(table)
    said = cast(dict[str, Any], spec)
    phases = said.get("phases")
    if not isinstance(phases, list):
        return dict(table)
    shared = {"moving_average": AVERAGED, **{name: said[name] for name in _SHARED if name in said}}
    each = [_with(shared, phase) for phase in cast(list[Any], phases)]
    return {**table, "fine_tune": {**said, "phases": each}}


def told_apart(table: Mapping[str, Any]) -> dict[str, Any]:
    """A whole plan as plain values, with a word in each phase for what the others share and it has not."""
    spec = table["fine_tune"]
    each = [
        {**phase, **{name: NONE for name in _MAY_BE_NONE if phase[name] is None and spec[name] is not None}}
        for phase in spec["phases"]
    ]
    return {**table, "fine_tune": {**spec, "phases": each}}


def _with(shared: Mapping[str, Any], phase: Any) -> Any:
    if not isinstance(phase, dict):
        return phase
    whole = {**shared, **cast(dict[str, Any], phase)}
    return {name: value for name, value in whole.items() if not (name in _MAY_BE_NONE and value == NONE)}
