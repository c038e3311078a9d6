"""The parts that a card names: bytes that are read when they are asked for, and proven to be those that were put in."""

import hashlib
from collections.abc import Callable

from regraft.catalogue import filing
from regraft.catalogue.places import Place
from regraft.core.card import Card
from regraft.core.card_parts import CardParts, content_of
from regraft.core.errors import CorruptFileError

# Bytes, or what gives them: of a large network nobody wants all in memory at once.
Given = bytes | Callable[[], bytes]


class Parts(CardParts):
    """The parts of a card by their digests.

    Args:
        place: where they lie.
        card: that needs them.
    """

    def __init__(self, place: Place, card: Card) -> None:
        super().__init__(card)
        self._place = place

    def __getitem__(self, digest: str) -> bytes:
        """The bytes of a part.

        Raises:
            KeyError: the card needs no such part.
            CorruptFileError: it is missing, or not what was put in.
        """
        if digest not in self.needed:
            raise KeyError(digest)
        content = self._place.read(filing.part_key(digest))
        if content is None:
            raise CorruptFileError(self.trouble(digest, "is missing"))
        if digest_of(content) != digest:
            raise CorruptFileError(self.trouble(digest, "was altered"))
        return content

    def trouble(self, digest: str, what: str) -> str:
        """What is wrong with a part, where it is, and what to do."""
        return (
            f"'{filing.part_key(digest)}' in '{self._place.address}' {what}: {content_of(self.card, digest)} of "
            f"'{self.card.address}'; add the model again, or see what else is damaged with: regraft zoo verify"
        )


def digest_of(content: bytes) -> str:
    """The SHA-256 of a part, which is its name."""
    return hashlib.sha256(content).hexdigest()


def given(part: Given) -> bytes:
    """The bytes of a part as it was handed over."""
    return part if isinstance(part, bytes) else part()
