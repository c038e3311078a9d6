"""Weights of a file into a model, by name, with every tensor accounted for.

Keras pairs the layers of a file with those of a model by position and does not look at their names. Here names decide.
Where they cannot, because Keras counted them up (`conv2d_93`) or a layer was renamed, the order of the layers does, if
everything else agrees; such pairs are in the report as renamed.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from regraft import formats
from regraft.core.errors import ProofError, nearest
from regraft.core.opened import LoadReport
from regraft.formats import damage
from regraft.graph import names
from regraft.importers import keras_legacy

_SEED = "seed_generator_state"
_COUNTER = re.compile(r"_\d+(?=/|$)")
# The format that keeps layers by class and number: their order there is not the model's.
_BY_CLASS = "keras-weights"

Shape = tuple[int, ...]
Layers = dict[str, dict[str, Shape]]


def load_into(model: keras.Model, path: Path) -> LoadReport:
    """Give the model the weights of the file: all of them, or an error and none.

    Args:
        model: changed in place.
        path: any file that `formats.read` reads; of a whole model, the weights alone are taken.

    Returns:
        What was read under its own name, and which pairs were found by order.

    Raises:
        ProofError: a tensor of the file or a variable of the model has no partner.
        CorruptFileError: the file is truncated or was altered.
        SourceError: the format is not known.
    """
    archive = formats.read(path)
    with damage.refusing_damage(path):
        today, done = keras_legacy.as_today(archive, model)
    tensors = {name: entry for name, entry in today.items() if not name.endswith(_SEED)}
    variables = {name: item for name, item in names.variables(model).items() if not name.endswith(_SEED)}
    found = _layers((name, entry.shape) for name, entry in tensors.items())
    wanted = _layers((name, tuple(variable.shape)) for name, variable in variables.items())
    partners = _partners(found, wanted, ordered=archive.format != _BY_CLASS)
    if partners is None:
        raise ProofError(_difference(found, wanted, path))
    pairs = [(_join(old, leaf), _join(new, leaf)) for old, new in partners.items() for leaf in found[old]]
    values = {new: np.asarray(tensors[old].read()) for old, new in pairs}
    for name, value in values.items():
        variables[name].assign(value)
    names.refresh(model)
    loaded = tuple(new for old, new in pairs if old == new)
    renamed = tuple((old, new) for old, new in pairs if old != new)
    return LoadReport(loaded=loaded, renamed=renamed, notes=(*_notes(loaded, renamed), *done))


def _notes(loaded: Sequence[str], renamed: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    if not renamed:
        return ()
    return (
        f"{len(loaded) + len(renamed)} variables, {len(loaded)} of them by name: the rest was paired by order and "
        f"shape, such as {renamed[0][0]} with {renamed[0][1]}",
    )


def _layers(shapes: Iterable[tuple[str, Shape]]) -> Layers:
    """Variables by layer, and by their own name within it."""
    result: Layers = {}
    for name, shape in shapes:
        layer, _, leaf = name.rpartition("/")
        result.setdefault(layer, {})[leaf] = shape
    return result


def _join(layer: str, leaf: str) -> str:
    return f"{layer}/{leaf}" if layer else leaf


def _partners(found: Layers, wanted: Layers, ordered: bool) -> dict[str, str] | None:
    """For every layer of the file its layer of the model; None unless every layer on both sides has exactly one."""
    if len(found) != len(wanted):
        return None
    if set(found) == set(wanted):
        together = {name: name for name in found}
    else:
        together = _by_counter(found, wanted)
        old, new = [name for name in found if name not in together], _without(wanted, together.values())
        together |= _by_order(old, new) if ordered else _by_signature(found, wanted, old, new)
    fits = len(set(together.values())) == len(wanted) and all(
        found[old] == wanted[new] for old, new in together.items()
    )
    return together if fits else None


def _by_counter(found: Layers, wanted: Layers) -> dict[str, str]:
    """Layers that have the same name but for the numbers by which Keras tells them apart, in order."""
    old, new = _families(found), _families(wanted)
    together: dict[str, str] = {}
    for family, members in old.items():
        others = new.get(family, [])
        if set(members) == set(others):
            together |= {name: name for name in members}
        elif len(members) == len(others):
            together |= dict(zip(members, others, strict=True))
    return together


def _families(layers: Iterable[str]) -> dict[str, list[str]]:
    result: dict[str, list[str]] = {}
    for name in layers:
        # Since Keras 3 no name has a "/" in it.
        result.setdefault(_COUNTER.sub("", name).replace("/", "_"), []).append(name)
    return result


def _by_order(old: Sequence[str], new: Sequence[str]) -> dict[str, str]:
    """Renamed layers in order. Parts of a layer keep their names, whatever became of the whole's."""
    if len(old) != len(new) or any(
        "/" in b and a.rpartition("/")[2] != b.rpartition("/")[2] for a, b in zip(old, new, strict=True)
    ):
        return {}
    return dict(zip(old, new, strict=True))


def _by_signature(found: Layers, wanted: Layers, old: Sequence[str], new: Sequence[str]) -> dict[str, str]:
    """Renamed layers of a file without order: those that only one layer of the model could be."""
    together: dict[str, str] = {}
    for name in old:
        same = [other for other in new if wanted[other] == found[name]]
        if len(same) == 1:
            together[name] = same[0]
    return together


def _without(names: Iterable[str], others: Iterable[str]) -> list[str]:
    taken = set(others)
    return [name for name in names if name not in taken]


def _difference(found: Layers, wanted: Layers, path: Path) -> str:
    """What of the file and of the model has no partner, in one line."""
    missing, unused = _without(wanted, found), _without(found, wanted)
    differing = [
        f"{name} (file {_shown(found[name])}, model {_shown(wanted[name])})"
        for name in wanted
        if name in found and found[name] != wanted[name]
    ]
    titles = {"missing in the file": missing, "unused from the file": unused, "of another shape": differing}
    said = "; ".join(f"{title}: {_some(items)}" for title, items in titles.items() if items)
    return (
        f"expected a tensor in '{path}' for every variable of the architecture and none left over, "
        f"found {len(found)} layers with weights for {len(wanted)}; {said}"
        f"{nearest(missing[0], unused) if missing and unused else ''}; "
        "check --architecture (include_top, alpha, classes)"
    )


def _some(items: Sequence[str]) -> str:
    return ", ".join(items[:3]) + (", ..." if len(items) > 3 else "")


def _shown(shapes: Mapping[str, Any]) -> str:
    return ", ".join(f"{leaf} {'x'.join(map(str, shape)) or 'scalar'}" for leaf, shape in shapes.items())
