"""From a live network to a card and the parts that the card names."""

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from regraft.catalogue.parts import digest_of as digest_of_part
from regraft.core import safetensors
from regraft.core.card import Architecture, Card, LayerFacts, TensorFacts, digest_of
from regraft.core.errors import RegraftError, SourceError
from regraft.core.records import CutPoint
from regraft.graph import names
from regraft.graph.cut_points import cut_points
from regraft.importers import Pretrained, catalogued
from regraft.recipes.recording import environment

Parts = Mapping[str, Callable[[], bytes]]

# What Keras keeps for training, which belongs to whoever trains.
_LEFT_OUT = ("compile_config",)


@dataclass(frozen=True, slots=True)
class Described:
    """A card, without what only a run or a person knows, and the parts that it names."""

    card: Card
    parts: Parts


def describe(pretrained: Pretrained, name: str, trust: bool = False) -> Described:
    """The card of an opened network, and its parts.

    Args:
        pretrained: the network, which is not changed.
        name: that it is to have.
        trust: whether Python code in its configuration may be run when it is built anew to see that it can be.

    Raises:
        SourceError: it cannot be built anew from its configuration and its variables.
    """
    model = pretrained.model
    architecture = _configuration(model)
    config_digest = digest_of_part(architecture)
    variables = catalogued.kept(model)
    tensors = tuple(catalogued.facts(name, variable) for name, variable in variables.items())
    parts: dict[str, Callable[[], bytes]] = {config_digest: lambda: architecture}
    layers = tuple(_layers(model, tensors, variables, parts))
    points = _cut_points(model)
    card = Card(
        name=name,
        digest=digest_of(tensors),
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        task=task(pretrained),
        classes=pretrained.classes or (),
        inputs=pretrained.inputs if pretrained.inputs.shape else None,
        architecture=Architecture(
            name=model.name,
            layers=layers,
            parameters=sum(layer.parameters for layer in layers),
            bytes=sum({layer.digest: layer.bytes for layer in layers}.values()),
            digest=config_digest,
            flops=points[-1].flops_below if points else None,
            outputs=outputs(model),
        ),
        cut_points=points,
        tensors=tensors,
        environment=environment(),
        load=pretrained.report,
        origin=pretrained.source,
    )
    _require_whole(json.loads(architecture), card, variables, trust, pretrained.source)
    return Described(card, parts)


def task(pretrained: Pretrained) -> str:
    """What a network does, as far as that can be seen from its ends; empty where it cannot."""
    model, inputs = pretrained.model, pretrained.inputs
    answers = pretrained.classes is not None or _is_probability(model)
    if not answers:
        return "feature-extraction" if inputs.is_picture else ""
    if inputs.text is not None:
        return "text-classification"
    if inputs.is_picture:
        return "image-classification"
    return "tabular-classification" if inputs.table is not None else ""


def outputs(model: keras.Model) -> int | None:
    """The length of an answer; None where it is no vector."""
    made = getattr(model, "outputs", None) or []
    shape = tuple(made[0].shape) if len(made) == 1 else ()
    return int(shape[1]) if len(shape) == 2 and shape[1] is not None else None


def _configuration(model: keras.Model) -> bytes:
    """How a network is built, as JSON of Keras.

    Raises:
        SourceError: a layer does not tell.
    """
    for path, layer in names.layers(model):
        _require_told(path, layer)
    try:
        said = json.loads(model.to_json())
    except (NotImplementedError, TypeError, ValueError) as error:
        line = " ".join(str(error).split())[:200]
        raise SourceError(
            f"'{model.name}' does not say how it is built ({type(model).__name__}: {line}), and the catalogue keeps "
            "what can be built anew; give it get_config, or make it of Keras' own layers"
        ) from None
    return json.dumps(_without(said), separators=(",", ":"), ensure_ascii=True).encode()


def _require_told(path: str, layer: Any) -> None:
    """Refuse a layer that keeps more than its variables: a vocabulary that was learnt, which Keras saves in a file."""
    learnt = hasattr(layer, "input_vocabulary") and layer.input_vocabulary is None
    if learnt:
        raise SourceError(
            f"layer '{path}' ({type(layer).__name__}) keeps its vocabulary in a file of its own, which the catalogue "
            "does not; give it the vocabulary when it is made"
        )


def _without(said: Any) -> Any:
    if isinstance(said, dict):
        return {key: _without(item) for key, item in said.items() if key not in _LEFT_OUT}
    return [_without(item) for item in said] if isinstance(said, list) else said


def _layers(
    model: keras.Model,
    tensors: Iterable[TensorFacts],
    variables: Mapping[str, keras.Variable],
    parts: dict[str, Callable[[], bytes]],
) -> Iterable[LayerFacts]:
    """Every layer that does something, and the parts of those that have variables, which are put into `parts`."""
    owned: dict[str, list[str]] = {}
    for tensor in tensors:
        owned.setdefault(tensor.layer, []).append(tensor.name)
    types = {path: type(layer).__name__ for path, layer in names.layers(model)}
    # Variables of what is no layer, such as a model's own, are kept under the path that their names say.
    for path in [*types, *(path for path in owned if path not in types)]:
        mine = owned.get(path, [])
        if not path and not mine:
            continue
        if not mine:
            yield LayerFacts(name=path, type=types[path])
            continue
        give = _part({name.rpartition("/")[2]: variables[name] for name in mine})
        content = give()
        digest = digest_of_part(content)
        parts[digest] = give
        count = sum(int(np.prod(variables[name].shape)) for name in mine)
        yield LayerFacts(name=path, type=types.get(path, ""), parameters=count, digest=digest, bytes=len(content))


def _part(variables: Mapping[str, keras.Variable]) -> Callable[[], bytes]:
    """What gives the part of a layer: made when it is asked for, so that a large network is not in memory twice."""
    return lambda: safetensors.to_bytes(
        {name: np.asarray(keras.ops.convert_to_numpy(variable)) for name, variable in variables.items()}
    )


def _cut_points(model: keras.Model) -> tuple[CutPoint, ...]:
    try:
        return cut_points(model)
    except RegraftError:
        # No graph to read: it can be kept, and not cut.
        return ()


def _require_whole(
    config: Mapping[str, Any], card: Card, variables: Mapping[str, keras.Variable], trust: bool, source: str
) -> None:
    """Refuse a network that could not be opened again."""
    built = catalogued.kept(catalogued.build(config, card, trust, source))
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    again = {name: tuple(variable.shape) for name, variable in built.items()}
    if shapes != again:
        strays = [name for name in {**shapes, **again} if shapes.get(name) != again.get(name)]
        raise SourceError(
            f"'{source}' cannot be built anew from its configuration: variable '{strays[0]}' is "
            f"{shapes.get(strays[0], 'not there')} and would be {again.get(strays[0], 'not there')}; "
            "say in get_config what the layer is made with"
        )


def _is_probability(model: keras.Model) -> bool:
    last = model.layers[-1] if getattr(model, "layers", None) else None
    while last is not None and getattr(last, "layers", None):
        last = last.layers[-1]
    activation = getattr(getattr(last, "activation", None), "__name__", "")
    return activation in ("softmax", "sigmoid") or type(last).__name__ == "Softmax"
