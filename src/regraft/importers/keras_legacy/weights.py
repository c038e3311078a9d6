"""The tensors of an old file into a model, by name, each as today's layer holds it."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from regraft.core.errors import ProofError, nearest
from regraft.core.opened import LoadReport
from regraft.core.tensors import TensorArchive, TensorEntry
from regraft.formats.keras_layers import Layer, children
from regraft.graph import names
from regraft.importers.keras_legacy import layers, values

_SEED = "seed_generator_state"

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]


def fill(
    model: keras.Model, archive: TensorArchive, config: Layer, paths: Mapping[str, str], source: str
) -> LoadReport:
    """Give the model that an archive describes its values, in place: all of them, or an error and none.

    Args:
        model: built from `config`.
        archive: the tensors.
        config: the rewritten configuration.
        paths: for every layer's path in the file, that in the model.
        source: the file, for messages.

    Raises:
        ProofError: a tensor of the file or a variable of the model has no partner.
    """
    variables = {name: item for name, item in names.variables(model).items() if not name.endswith(_SEED)}
    wanted = {name: tuple(variable.shape) for name, variable in variables.items()}
    owners = dict(_owners(config))
    origin = values.Origin.of(archive)
    done: dict[str, int] = {}
    given: dict[str, Array] = {}
    pairs: list[tuple[str, str]] = []
    for group, entries in values.by_layer(archive.tensors):
        live = _live(group, paths)
        owner = owners.get(group, Layer(group, "", {}))
        result = _read(owner.class_name, owner.config, entries, _below(live, wanted), origin, done)
        given.update((f"{live}/{leaf}", value) for leaf, value in result.items())
        pairs += [(f"{group}/{leaf}", f"{live}/{leaf}") for leaf in result]
    _require_whole(given, wanted, source)
    for name, value in given.items():
        variables[name].assign(value)
    names.refresh(model)
    return LoadReport(
        loaded=tuple(new for old, new in pairs if old == new),
        renamed=tuple((old, new) for old, new in pairs if old != new),
        notes=_notes(done),
    )


def as_today(archive: TensorArchive, model: keras.Model) -> tuple[dict[str, TensorEntry], tuple[str, ...]]:
    """The tensors of an archive as today's layers would hold them, for a model that the user built.

    Which layer of the model a tensor is for is told by its name; where it has none there, only its order is put right.

    Args:
        archive: of any version of Keras; one of Keras 3 stays as it is.
        model: that the weights are for.

    Returns:
        The tensors by their names in the file, and what was done to them, in words.
    """
    origin = values.Origin.of(archive)
    if origin.major > 2:
        return dict(archive.tensors), ()
    live = {layers.plain_name(path, set()): layer for path, layer in names.layers(model) if path}
    wanted = {name: tuple(variable.shape) for name, variable in names.variables(model).items()}
    own = {layers.plain_name(name.rpartition("/")[0], set()): name.rpartition("/")[0] for name in wanted}
    done: dict[str, int] = {}
    result: dict[str, TensorEntry] = {}
    for group, entries in values.by_layer(archive.tensors):
        plain = layers.plain_name(group, set())
        layer = live.get(plain)
        kind, config = (type(layer).__name__, layer.get_config()) if layer is not None else ("Conv2D", {})
        shapes = _below(own.get(plain, plain), wanted)
        if not shapes and origin.outputs_first:
            shapes = {leaf: values.outputs_last(entry.shape) for leaf, entry in entries.items()}
        tensors = _read(kind, config, entries, shapes, origin, done)
        result |= {f"{group}/{leaf}": _entry(f"{group}/{leaf}", value) for leaf, value in tensors.items()}
    return result, _notes(done)


def _read(
    kind: str,
    config: Mapping[str, Any],
    entries: Mapping[str, TensorEntry],
    shapes: Mapping[str, Shape],
    origin: values.Origin,
    done: dict[str, int],
) -> dict[str, Array]:
    """The values of one layer; counts in `done` what was done to them."""
    tensors = {leaf: np.asarray(entry.read()) for leaf, entry in entries.items() if leaf != _SEED}
    result, titles = values.converted(values.Stored(kind, config, tensors, shapes, origin))
    for title in titles:
        done[title] = done.get(title, 0) + 1
    return result


def _notes(done: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(f"{title} ({count} {'layer' if count == 1 else 'layers'})" for title, count in done.items())


def _entry(name: str, value: Array) -> TensorEntry:
    return TensorEntry(name, tuple(value.shape), value.dtype.name, lambda: value)


def _below(layer: str, wanted: Mapping[str, Shape]) -> dict[str, Shape]:
    start = f"{layer}/"
    return {name.removeprefix(start): shape for name, shape in wanted.items() if name.startswith(start)}


def _live(group: str, paths: Mapping[str, str]) -> str:
    """The path in the model of a layer's path in the file."""
    above = group
    while above:
        if above in paths:
            return paths[above] + group[len(above) :]
        above = above.rpartition("/")[0]
    # Keras 1 stored the layers of nested models beside each other, without the path to them.
    found = [live for old, live in paths.items() if old.endswith(f"/{group}")]
    return found[0] if len(found) == 1 else group


def _require_whole(given: Mapping[str, Any], wanted: Mapping[str, Shape], source: str) -> None:
    missing = [name for name in wanted if name not in given]
    unused = [name for name in given if name not in wanted]
    differing = [name for name in wanted if name in given and tuple(given[name].shape) != wanted[name]]
    if not missing and not unused and not differing:
        return
    shown = [f"{name} (file {given[name].shape}, model {wanted[name]})" for name in differing]
    titles = {"missing in the file": missing, "unused from the file": unused, "of another shape": shown}
    said = "; ".join(f"{title}: {', '.join(items[:3])}" for title, items in titles.items() if items)
    raise ProofError(
        f"expected a tensor in '{source}' for every variable of its own model and none left over; {said}"
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
