"""What is worth a warning in a Keras configuration, and the graph of the archive that holds it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from regraft.core.errors import SourceError
from regraft.core.tensors import OperationGraph, TensorArchive
from regraft.formats.keras_graph import built
from regraft.formats.keras_layers import Layer, described, walk

# A hundred times what the largest networks have.
_MOST_CALLS = 200_000


def model_of(archive: TensorArchive, source: str) -> Layer:
    """The configuration of the model in an archive.

    Raises:
        SourceError: the file holds weights only.
    """
    if archive.config is None:
        raise SourceError(
            f"'{source}' holds weights but no architecture; say which with --architecture "
            "(keras:NAME, or package.module:function)"
        )
    return described(archive.config)


def graph_of(archive: TensorArchive) -> OperationGraph:
    """The graph of the model in an archive.

    Raises:
        SourceError: the file holds weights only, or a model whose graph only its own code knows.
    """
    source = str(archive.metadata.get("path", "the file"))
    return built(model_of(archive, source), source)


def parsed(text: str | bytes) -> Mapping[str, Any]:
    """A model's configuration from its JSON.

    Raises:
        ValueError: it is no configuration of a model.
    """
    value = json.loads(text)
    if not isinstance(value, dict) or "class_name" not in value:
        raise ValueError("the configuration is not that of a Keras object")
    config = cast(Mapping[str, Any], value)
    if _calls(described(config)) > _MOST_CALLS:
        raise ValueError(f"the models inside each other call their layers more than {_MOST_CALLS} times in all")
    return config


def _calls(model: Layer) -> int:
    """How many calls of layers the graph of a model has, opened up: those of models in models multiply."""
    if not model.is_model:
        return 1
    return sum(max(len(layer.nodes), 1) * _calls(layer) for layer in model.layers)


def warnings_about(model: Layer) -> list[str]:
    """One line for each layer that needs code which is not Keras' own; none of that code is run here."""
    return list(_about(model)) if model.is_model else []


def _about(model: Layer) -> Iterator[str]:
    for path, layer in walk(model):
        if layer.class_name == "Lambda":
            yield f"layer '{path}' is a Lambda: its code stands in the file and was not run"
        elif layer.origin and layer.origin.split(".")[0] != "keras":
            yield f"layer '{path}' is of class {layer.class_name} from '{layer.origin}', which is not part of Keras"
        elif (
            not layer.is_model
            and "layers" not in layer.config
            and layer.origin == ""
            and layer.class_name == "TFOpLambda"
        ):
            yield f"layer '{path}' is a bare TensorFlow operation ({layer.config.get('function')})"
