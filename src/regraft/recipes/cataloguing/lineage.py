"""Which model of the catalogue a run was made of."""

from dataclasses import dataclass
from pathlib import Path

from regraft import importers
from regraft.catalogue import Catalogue
from regraft.core.card import Card, is_source
from regraft.core.errors import RegraftError
from regraft.core.records import RunRecord
from regraft.importers import catalogued
from regraft.recipes import run_folder


@dataclass(frozen=True, slots=True)
class Parent:
    """What is known of a run's source.

    Attributes:
        address: `NAME@VERSION`; empty where it is not in the catalogue.
        digest: of its weights; empty where that is not known.
        shared: how many layers with variables are the same in both, byte for byte.
    """

    address: str = ""
    digest: str = ""
    shared: int = 0


def parent(record: RunRecord, card: Card, catalogue: Catalogue) -> Parent:
    """The source of a run, where the catalogue knows it.

    It is known by its address, where that is one of the catalogue; else by the digest of its weights, where its file is
    still there; else by the frozen layers, which are the source's byte for byte.

    Args:
        record: of the run.
        card: of the run's model.
        catalogue: to look in.
    """
    said = record.plan.source
    if is_source(said):
        try:
            return _of(catalogue.card(said), card)
        except RegraftError:
            # Of another catalogue, or removed: its layers may still tell.
            return _by_layers(card, catalogue)
    digest = _digest(record)
    if digest:
        for entry in catalogue.by_digest(digest):
            return _of(catalogue.card(entry.address), card)
        return Parent(digest=digest)
    return _by_layers(card, catalogue)


def _of(found: Card, card: Card) -> Parent:
    theirs = {layer.digest for layer in found.architecture.layers if layer.digest}
    shared = sum(layer.digest in theirs for layer in card.architecture.layers)
    return Parent(found.address, found.digest, shared)


def _digest(record: RunRecord) -> str:
    """The digest of the source's weights, where it is a file that is there; nothing is downloaded for it."""
    path = Path(record.plan.source)
    try:
        if not path.exists():
            return ""
        opened = importers.open(path, architecture=record.plan.architecture)
    except (RegraftError, OSError):
        return ""
    return catalogued.facts_digest(opened.model)


def _by_layers(card: Card, catalogue: Catalogue) -> Parent:
    """The model that has all frozen layers; among those that have, networks go before what was made of them."""
    frozen = {
        layer.digest
        for layer in card.architecture.layers
        if layer.digest and layer.name.startswith(f"{run_folder.TRUNK}/")
    }
    if not frozen:
        return Parent()
    all_of_them = [address for address, count in catalogue.sharing(frozen).items() if count == len(frozen)]
    found = [catalogue.card(address) for address in all_of_them]
    return next((_of(item, card) for item in found if item.kind != "run"), Parent())
