"""A model that was exported from a catalogue: its folder is a source as it is."""

import os
from pathlib import Path

from regraft.formats import card_folder
from regraft.importers import catalogued
from regraft.importers.pretrained import Opened, Request, all_loaded


def handles(request: Request) -> bool:
    """Whether the source is a folder with a card."""
    return (
        isinstance(request.source, (str, os.PathLike))
        and request.architecture is None
        and card_folder.is_one(Path(request.text))
    )


def load(request: Request) -> Opened:
    """Build the network, give every variable its value by name, and compare what is there with the card.

    Raises:
        SourceError: Keras refuses the architecture.
        RequestError: the card is of a newer version.
        CorruptFileError: a file is missing, truncated or was altered.
        ProofError: the network is not the one that was exported.
    """
    card, parts = card_folder.read(Path(request.text))
    model = catalogued.build(parts.configuration(), card, request.trust, request.text)
    catalogued.fill(model, card, parts, request.text)
    return Opened(model, all_loaded(model), classes=card.classes or None, inputs=card.inputs)
