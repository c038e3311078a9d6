"""A model of the catalogue, `zoo:NAME` or `zoo:NAME@VERSION`: built anew, and proven to be what was added."""

import hashlib
import importlib
import importlib.util
import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from regraft.core import safetensors
from regraft.core.card import SOURCE, Card, TensorFacts, digest_of, is_source
from regraft.core.card_parts import CardParts
from regraft.core.errors import ProofError, SourceError
from regraft.core.optimizer_state import OptimizerState
from regraft.formats import optimizer_states
from regraft.graph import names
from regraft.importers import keras_file, screening
from regraft.importers.pretrained import Opened, Request, all_loaded

# The state of random layers, which is drawn and not learnt: two copies of the same weights may differ in it.
SEEDS = "seed_generator_state"


def handles(request: Request) -> bool:
    """Whether the source names a model of the catalogue."""
    return is_source(request.source)


def load(request: Request) -> Opened:
    """Build the network, give every variable its value by name, and compare what is there with the card.

    Raises:
        SourceError: Keras refuses the architecture.
        RequestError: the catalogue has no such model.
        CorruptFileError: its card or one of its parts is damaged or missing.
        ProofError: the network is not the one that was added.
    """
    # Here, because most sources need no database.
    from regraft.catalogue import open_catalogue

    catalogue = open_catalogue()
    card = catalogue.card(request.text)
    named = f"{SOURCE}{card.address}"
    model = build(catalogue.parts(card).configuration(), card, request.trust, named)
    fill(model, card, catalogue.parts(card), named)
    # What was assumed when it was added is assumed again, and said again.
    inputs = card.inputs if card.inputs is not None and card.inputs.origin != "assumed" else None
    size = card.inputs.shape[0] if card.inputs is not None and card.inputs.is_picture else None
    return Opened(model, all_loaded(model), size, card.classes or None, inputs, named)


def optimizer_state(source: str) -> OptimizerState:
    """What the optimizer of `zoo:NAME[@VERSION]` had learnt, by the names of the variables.

    Raises:
        RequestError: the catalogue has no such model.
        SourceError: it was added without.
        CorruptFileError: the part that holds it is damaged or missing.
    """
    # Here, because most sources need no database.
    from regraft.catalogue import open_catalogue

    catalogue = open_catalogue()
    card = catalogue.card(source)
    if card.optimizer is None:
        raise SourceError(
            f"expected the state of an optimizer with '{card.address}', found none; it was added without, or from a "
            "file that holds none"
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimizer.npz"
        path.write_bytes(catalogue.parts(card)[card.optimizer.digest])
        return replace(optimizer_states.read(path), origin=f"{SOURCE}{card.address}")


def build(config: Mapping[str, Any], card: Card, trust: bool, named: str) -> keras.Model:
    """The network with whatever weights Keras gives it.

    Args:
        config: as Keras writes it.
        card: of the model.
        trust: whether code in the configuration may be run.
        named: for messages.

    Raises:
        SourceError: it holds code that is not trusted, or what Keras does not know.
    """
    if not trust:
        _know_hub(config)
        screening.refuse_what_is_not_keras(config, named)
        screening.refuse_sizes(config, card.architecture.parameters, named)
    with keras_file.refusals(named):
        model = keras.saving.deserialize_keras_object(dict(config), safe_mode=not trust)
    if not isinstance(model, keras.Model):
        raise SourceError(f"expected a model in '{named}', found {type(model).__name__}")
    return model


def fill(model: keras.Model, card: Card, parts: CardParts, named: str) -> None:
    """Give every variable its value, in place.

    Raises:
        CorruptFileError: a part is damaged or missing.
        ProofError: the variables are not those of the card.
    """
    variables = kept(model)
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    said = {tensor.name: tensor.shape for tensor in card.tensors}
    if shapes != said:
        strays = sorted(name for name in {**shapes, **said} if shapes.get(name) != said.get(name))
        raise ProofError(
            f"Keras {keras.__version__} builds other variables than '{named}' was added with, such as '{strays[0]}'; "
            f"it was added with Keras {card.environment.get('keras', 'of another version')}"
        )
    for layer in card.architecture.layers:
        mine = [tensor for tensor in card.tensors if tensor.layer == layer.name]
        if layer.digest and mine:
            values = parts.layer(layer)
            for tensor in mine:
                variables[tensor.name].assign(values[leaf(tensor)])
    names.refresh(model)
    if facts_digest(model) != card.digest:
        raise ProofError(f"the variables of '{named}' are not those that were added; see regraft zoo verify")


def kept(model: keras.Model) -> dict[str, keras.Variable]:
    """The variables that the catalogue keeps, by canonical name."""
    return {name: variable for name, variable in names.variables(model).items() if SEEDS not in name}


def facts(name: str, variable: keras.Variable) -> TensorFacts:
    """What a card says of a variable."""
    array = np.asarray(keras.ops.convert_to_numpy(variable))
    digest = hashlib.sha256(safetensors.element_bytes(array)).hexdigest()
    return TensorFacts(
        name=name, shape=array.shape, dtype=array.dtype.name, digest=digest, layer=name.rpartition("/")[0]
    )


def leaf(tensor: TensorFacts) -> str:
    """What a variable is called within its layer, which is what siblings with other names for the layer share."""
    return tensor.name.rpartition("/")[2]


def facts_digest(model: keras.Model) -> str:
    """The digest of a network's weights as a card has it."""
    return digest_of(facts(name, variable) for name, variable in kept(model).items())


def _know_hub(config: Mapping[str, Any]) -> None:
    """Let Keras know KerasHub's layers where the network has some: they are registered when they are imported."""
    if "keras_hub" in json.dumps(config) and importlib.util.find_spec("keras_hub") is not None:
        importlib.import_module("keras_hub")
