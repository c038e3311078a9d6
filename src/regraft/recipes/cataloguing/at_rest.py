"""A model of the catalogue as what it is at rest: named tensors and a configuration; no framework is loaded."""

from pathlib import Path
from typing import Any

import numpy as np

from regraft.catalogue import open_catalogue
from regraft.core.card import SOURCE, Card, TensorFacts
from regraft.core.card_parts import CardParts
from regraft.core.tensors import TensorArchive, TensorEntry
from regraft.formats import card_folder, keras_zip


def archive(source: str) -> TensorArchive:
    """The tensors of `zoo:NAME[@VERSION]`, which are read when they are asked for, and how the network is built.

    Raises:
        RequestError: the catalogue has no such model.
        CorruptFileError: its card or its architecture is damaged or missing.
    """
    catalogue = open_catalogue()
    card = catalogue.card(source)
    return _archive(card, catalogue.parts(card), f"{SOURCE}{card.address}")


def of_folder(folder: Path) -> TensorArchive:
    """The same of a model that was exported.

    Raises:
        RequestError: the folder has no card, or one of a newer version.
        CorruptFileError: a file is missing, truncated or was altered.
    """
    card, parts = card_folder.read(folder)
    return _archive(card, parts, str(folder))


def _archive(card: Card, parts: CardParts, named: str) -> TensorArchive:
    config = parts.configuration()
    tensors = {tensor.name: _entry(tensor, card, parts) for tensor in card.tensors}
    return TensorArchive(keras_zip.NAME, tensors, config, None, _about(card, named))


def _about(card: Card, named: str) -> dict[str, Any]:
    said = {"path": named, "network": card.architecture.name, "summary": card.summary}
    return {**said, "licence": card.licence or None, "keras_version": card.environment.get("keras")}


def _entry(tensor: TensorFacts, card: Card, parts: CardParts) -> TensorEntry:
    layer = next(layer for layer in card.architecture.layers if layer.name == tensor.layer)

    def read() -> np.ndarray[Any, Any]:
        return parts.layer(layer)[tensor.name.rpartition("/")[2]]

    return TensorEntry(tensor.name, tensor.shape, tensor.dtype, read)
