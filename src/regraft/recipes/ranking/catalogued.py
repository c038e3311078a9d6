"""Models of the catalogue as candidates, with what their cards say of them."""

from collections.abc import Iterator

from regraft.catalogue import Catalogue, open_catalogue
from regraft.core.card import SOURCE, Card
from regraft.core.errors import RegraftError
from regraft.core.progress import collecting_warnings, unsaid
from regraft.core.ranking import Refused
from regraft.recipes.ranking.candidate import Candidate, published


def everything() -> Iterator[Candidate | Refused]:
    """The latest version of each model; what cannot be read is told."""
    catalogue = open_catalogue()
    with collecting_warnings() as warned, unsaid():
        found = [of_card(card) for card in catalogue.cards()]
    yield from found
    yield from (Refused(catalogue.address, reason) for reason in warned)


def named(source: str) -> Candidate | Refused:
    """The model of `zoo:NAME[@VERSION]`; refused where there is none, or its card is damaged."""
    try:
        return of_card(_card(open_catalogue(), source))
    except RegraftError as error:
        return Refused(source, str(error))


def of_card(card: Card) -> Candidate:
    """A model with what its card says of it."""
    split = card.judged_on
    source = f"{SOURCE}{card.address}"
    return Candidate(
        source,
        source,
        card.classes,
        card.data.digest if card.data is not None else None,
        card.metrics[split].accuracy if split else None,
        split,
        published(card.origin),
        card.inputs,
    )


def _card(catalogue: Catalogue, source: str) -> Card:
    return catalogue.card(source)
