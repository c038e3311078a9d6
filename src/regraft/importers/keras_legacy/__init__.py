"""Models that Keras before 3 saved: from the file's own configuration, rewritten step by step, to a live model.

Keras 3 opens some of them and refuses others; of what it opens, it reads hard_sigmoid and layer order its own way. Here
the configuration is rewritten as plain data (`rewriting`), its layers are looked up in a closed list (`vocabulary`,
`layers`, `operations`), called as the file says (`building`, `scope`, `calls`, `layout`), and given their values by name
(`values`). No code from a file is run.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from regraft.core.errors import ProofError, nearest
from regraft.core.records import LoadReport
from regraft.core.tensors import TensorArchive
from regraft.formats.keras_layers import Layer, children, described
from regraft.graph import names
from regraft.importers.keras_legacy import building, rewriting, values
from regraft.importers.pretrained import Opened

__all__ = ["is_old", "load"]

_SEED = "seed_generator_state"
_HARD_TO_SCALE = "hard_sigmoid"


def is_old(archive: TensorArchive) -> bool:
    """Whether Keras before 3 saved a model."""
    return values.Origin.of(archive).major < 3


def load(archive: TensorArchive, path: Path) -> Opened:
    """The model of an archive that holds its configuration, with its weights: all of them, or an error and none.

    Args:
        archive: as `formats.read` gives it.
        path: the file, for messages.

    Raises:
        SourceError: the configuration asks for what is not Keras' own, or for what is not translated.
        ProofError: a tensor of the file or a variable of the model has no partner.
        CorruptFileError: the file is truncated or was altered.
    """
    config = rewriting.rewritten(archive.config or {})
    origin = values.Origin.of(archive)
    model, whole = building.built(config, str(path), origin.major < 3)
    owners = dict(_owners(described(config)))
    report = _filled(model, archive, owners, whole.paths, origin, path)
    return Opened(model, LoadReport(report.loaded, report.renamed, notes=(*whole.notes, *report.notes)))


def _filled(
    model: keras.Model,
    archive: TensorArchive,
    owners: Mapping[str, Layer],
    paths: Mapping[str, str],
    origin: values.Origin,
    path: Path,
) -> LoadReport:
    """Give the model the values of the archive, in place."""
    variables = {name: item for name, item in names.variables(model).items() if not name.endswith(_SEED)}
    wanted = {name: tuple(variable.shape) for name, variable in variables.items()}
    loaded: list[str] = []
    renamed: list[tuple[str, str]] = []
    done: dict[str, int] = {}
    given: dict[str, np.ndarray[Any, Any]] = {}
    for group, entries in values.by_layer(archive.tensors):
        live = _live(group, paths, wanted)
        shapes = {name.removeprefix(f"{live}/"): shape for name, shape in wanted.items() if name.startswith(f"{live}/")}
        owner = owners.get(group, Layer(group, "", {}))
        tensors = {leaf: entry.read() for leaf, entry in entries.items() if leaf != _SEED}
        stored = values.Stored(owner.class_name, owner.config, tensors, shapes, origin)
        result, titles = values.converted(stored)
        for title in titles:
            done[title] = done.get(title, 0) + 1
        given.update((f"{live}/{leaf}", value) for leaf, value in result.items())
        for leaf in result:
            old, new = f"{group}/{leaf}", f"{live}/{leaf}"
            loaded.append(new) if old == new else renamed.append((old, new))
    _require_whole(given, wanted, path)
    for name, value in given.items():
        variables[name].assign(value)
    names.refresh(model)
    notes = tuple(f"{title} ({count} layers)" for title, count in done.items())
    return LoadReport(loaded=tuple(loaded), renamed=tuple(renamed), notes=notes)


def _live(group: str, paths: Mapping[str, str], wanted: Mapping[str, Any]) -> str:
    """The path in the model of a layer's path in the file."""
    above = group
    while above:
        if above in paths:
            return paths[above] + group[len(above) :]
        above = above.rpartition("/")[0]
    # Keras 1 stored the layers of nested models beside each other, without the path to them.
    found = [live for old, live in paths.items() if old.endswith(f"/{group}")]
    return found[0] if len(found) == 1 else group


def _require_whole(given: Mapping[str, Any], wanted: Mapping[str, tuple[int, ...]], path: Path) -> None:
    missing = [name for name in wanted if name not in given]
    unused = [name for name in given if name not in wanted]
    differing = [name for name in wanted if name in given and tuple(given[name].shape) != wanted[name]]
    if not missing and not unused and not differing:
        return
    shown = [f"{name} (file {given[name].shape}, model {wanted[name]})" for name in differing]
    titles = {"missing in the file": missing, "unused from the file": unused, "of another shape": shown}
    said = "; ".join(f"{title}: {', '.join(items[:3])}" for title, items in titles.items() if items)
    raise ProofError(
        f"expected a tensor in '{path}' for every variable of its own model and none left over; {said}"
        f"{nearest(missing[0], unused) if missing and unused else ''}; get the file again, or give the model itself"
    )


def _owners(model: Layer, path: str = "") -> Iterator[tuple[str, Layer]]:
    """Every layer that may hold variables, by its canonical path in the file."""
    for layer in model.layers:
        here = f"{path}{layer.name}"
        yield here, layer
        yield from _owners(layer, f"{here}/") if layer.is_model else _within(layer, here)


def _within(layer: Layer, path: str) -> Iterator[tuple[str, Layer]]:
    for _, canonical, child in children(layer):
        here = f"{path}/{canonical}"
        yield here, child
        yield from _owners(child, f"{here}/") if child.is_model else _within(child, here)
