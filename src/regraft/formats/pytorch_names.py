"""The sets of tensors in a PyTorch file, and their names: a state dict under any key, wrappers' prefixes taken off."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regraft.core.errors import SourceError
from regraft.formats.pickled_arrays import Array
from regraft.formats.pickled_tree import Leaf, is_optimizer

# What PyTorch's own wrappers put before every name of the module inside.
_WRAPPERS = ("module.", "_orig_mod.", "_fsdp_wrapped_module.")
_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Named:
    """A tensor and its canonical name.

    Attributes:
        name: canonical: that of the state dict, without the prefixes of wrappers.
        leaf: where it was found.
    """

    name: str
    leaf: Leaf


@dataclass(frozen=True, slots=True)
class Sorted:
    """The leaves of a file, told apart.

    Attributes:
        tensors: of the network, in the order of the file.
        optimizers: states of optimizers.
        values: plain values at the top, such as the epoch.
        keys: the ways to the sets of tensors, such as `state_dict`.
        prefix: what was taken off the names.
        warnings: what one should know.
    """

    tensors: tuple[Named, ...]
    optimizers: tuple[Leaf, ...]
    values: dict[str, Any]
    keys: tuple[str, ...]
    prefix: str
    warnings: tuple[str, ...]


def told_apart(leaves: Sequence[Leaf], path: Path) -> Sorted:
    """Sort the leaves of a file into tensors of the network and what else was saved with them.

    Raises:
        SourceError: there are no tensors, or two of one name.
    """
    optimizers = tuple(leaf for leaf in leaves if is_optimizer(leaf.value))
    numbers = [leaf for leaf in leaves if leaf.holds_numbers and leaf.place]
    sets: dict[tuple[str, ...], list[Leaf]] = {}
    for leaf in numbers:
        sets.setdefault(leaf.place[:-1], []).append(leaf)
    sets, warnings = _without_loose(sets)
    if not sets:
        found = ", ".join(sorted({"/".join(leaf.place[:1]) for leaf in leaves} - {""})[:_SHOWN])
        raise SourceError(f"'{path}': expected tensors of a network, found {found or 'nothing'}; save the state dict")
    named, prefixes = _named(sets)
    _refuse_doubles(named, path)
    keys = tuple("/".join(place) for place in sets)
    if len(sets) > 1:
        shown = ", ".join(f"'{key}'" for key in keys[:_SHOWN]) + (", ..." if len(keys) > _SHOWN else "")
        warnings.append(f"the file holds {len(sets)} sets of tensors, {shown}; names begin with the set")
    if prefixes:
        warnings.append(f"the prefix '{prefixes[0]}' was taken off the names")
    return Sorted(tuple(named), optimizers, _values(leaves), keys, prefixes[0] if prefixes else "", tuple(warnings))


def _without_loose(
    sets: dict[tuple[str, ...], list[Leaf]],
) -> tuple[dict[tuple[str, ...], list[Leaf]], list[str]]:
    """Single numbers beside a set of tensors, such as an accuracy, are no part of the network."""
    if len(sets) < 2:
        return sets, []
    loose = [leaf for leaf in sets.get((), []) if getattr(leaf.value, "shape", None) == ()]
    if not loose or len(loose) != len(sets[()]):
        return sets, []
    names = ", ".join(leaf.place[-1] for leaf in loose[:_SHOWN])
    return (
        {place: group for place, group in sets.items() if place},
        [f"single numbers beside the state dict were left out: {names}"],
    )


def _named(sets: dict[tuple[str, ...], list[Leaf]]) -> tuple[list[Named], list[str]]:
    named: list[Named] = []
    prefixes: list[str] = []
    for place, group in sets.items():
        prefix = _prefix([leaf.place[-1] for leaf in group])
        if prefix:
            prefixes.append(prefix)
        scope = "/".join(place) + "/" if len(sets) > 1 and place else ""
        named += [Named(scope + leaf.place[-1].removeprefix(prefix), leaf) for leaf in group]
    return named, prefixes


def _prefix(names: Sequence[str]) -> str:
    """What wrappers put before all of the names.

    >>> _prefix(["module._orig_mod.a", "module._orig_mod.b"]), _prefix(["module.a", "b"])
    ('module._orig_mod.', '')
    """
    prefix = ""
    while wrapper := next((item for item in _WRAPPERS if all(n.startswith(prefix + item) for n in names)), ""):
        prefix += wrapper
    return prefix


def _refuse_doubles(named: Sequence[Named], path: Path) -> None:
    seen: set[str] = set()
    for item in named:
        if item.name in seen:
            raise SourceError(f"'{path}' holds two tensors called '{item.name}'; save them under different names")
        seen.add(item.name)


def _values(leaves: Sequence[Leaf]) -> dict[str, Any]:
    """Plain values at the top: epochs, accuracies, the name of the architecture."""
    plain = (str, int, float, bool)
    return {
        leaf.place[0]: leaf.value
        for leaf in leaves
        if len(leaf.place) == 1 and isinstance(leaf.value, plain) and not isinstance(leaf.value, Array)
    }
