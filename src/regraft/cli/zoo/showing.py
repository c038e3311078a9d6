"""`regraft zoo show`: all that is known of a model."""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from regraft.cli import arguments as words
from regraft.cli.text import counted, facts, share, share_interval, size

if TYPE_CHECKING:
    from regraft.core.card import Card

RESULT = "Shown"
SUMMARY = "show all that is known of a model"
EXAMPLE = """
regraft zoo show flowers
regraft zoo show flowers@2 --json
"""
_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Shown:
    """A model of the catalogue.

    Attributes:
        catalogue: its address.
        card: of the model.
        versions: numbers of the versions that there are, the latest first.
        children: `NAME@VERSION` of the models that were made of it.
        sharing: `NAME@VERSION` of the models that have layers of it, byte for byte, with how many parts.
    """

    catalogue: str
    card: "Card"
    versions: tuple[int, ...]
    children: tuple[str, ...]
    sharing: Mapping[str, int]


def add(parser: argparse.ArgumentParser) -> None:
    """The words that `zoo show` understands."""
    parser.add_argument("model", metavar="NAME[@VERSION]", help="of the model; without a version the latest")
    words.zoo_argument(parser)


def run(arguments: argparse.Namespace) -> Shown:
    """Do it."""
    # Here, because this needs more than the help does.
    from regraft.catalogue import open_catalogue

    catalogue = open_catalogue(arguments.zoo)
    card = catalogue.card(arguments.model)
    layers = {layer.digest for layer in card.architecture.layers if layer.digest}
    sharing = {name: count for name, count in catalogue.sharing(layers).items() if name != card.address}
    return Shown(
        catalogue.address,
        card,
        tuple(entry.version for entry in catalogue.versions(card.name)),
        tuple(entry.address for entry in catalogue.children(card.address)),
        sharing,
    )


def show(result: Shown) -> str:
    """For people."""
    card = result.card
    return f"{card.address}: {card.summary or card.kind}\n{facts(list(_told(result)))}"


def _told(result: Shown) -> Iterator[tuple[str, str]]:
    card = result.card
    net = card.architecture
    yield "kind", ", ".join(filter(None, [card.kind, card.task, f"added {card.created} from {card.origin}"]))
    if len(result.versions) > 1:
        yield "versions", ", ".join(map(str, result.versions))
    if card.inputs is not None:
        shape = " x ".join(map(str, card.inputs.shape))
        yield "input", f"{shape}, {card.inputs.name} ({card.inputs.origin})"
    if card.classes:
        more = f", ... ({len(card.classes)} in all)" if len(card.classes) > _SHOWN else ""
        yield "classes", ", ".join(card.classes[:_SHOWN]) + more
    layers = counted(len(net.layers), "layer")
    yield "network", f"{net.name}, {layers}, {counted(net.parameters, 'parameter')}, {size(net.bytes)}"
    if net.flops is not None:
        yield "cost", f"{net.flops / 1e6:,.1f} million operations for one example"
    points = [point.name for point in card.cut_points]
    if points:
        yield "cut at", f"one of {len(points)} places, such as {', '.join(points[-4:])}"
    for split, metrics in card.metrics.items():
        yield split, f"{share(metrics.accuracy.value)} of {metrics.examples} right ({share_interval(metrics.accuracy)})"
    if card.verdict:
        yield "verdict", card.verdict
    if card.data is not None:
        counts = ", ".join(f"{count:,} {split}" for split, count in card.data.examples.items())
        yield "data", f"{card.data.name or 'unnamed'}: {counts}"
    yield from _family(result)
    if card.optimizer is not None:
        yield "optimizer", f"{', '.join(card.optimizer.kinds)} with {', '.join(card.optimizer.slots)} is kept"
    if card.certificate is not None:
        moved = "none moved" if card.certificate.frozen_unchanged else f"moved: {', '.join(card.certificate.changed)}"
        yield "proof", f"{counted(card.certificate.variables, 'frozen variable')}: {moved}"
    for name in ("licence", "citation"):
        if getattr(card, name):
            yield name, getattr(card, name)
    if card.tags:
        yield "tags", ", ".join(card.tags)
    yield "weights", f"SHA-256 {card.digest}"
    yield "use it", f"--source zoo:{card.address}"


def _family(result: Shown) -> Iterator[tuple[str, str]]:
    lineage = result.card.lineage
    if lineage is not None:
        known = f"{lineage.parent}, {counted(lineage.shared, 'layer')} the same" if lineage.parent else "not here"
        yield "made of", f"{lineage.source} ({known}), up to {lineage.cut_point}"
        yield "reused", f"{len(lineage.frozen)} layers frozen, {len(lineage.thawed)} learnt"
    if result.children:
        yield "children", ", ".join(result.children)
    if result.sharing:
        first = [f"{name} ({counted(count, 'layer')})" for name, count in list(result.sharing.items())[:_SHOWN]]
        yield "shares", ", ".join(first)
