"""The parts that a card names: bytes that are read when they are asked for, and proven to be those that were put in."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import numpy as np

from regraft.catalogue import filing
from regraft.catalogue.places import Place
from regraft.core import safetensors
from regraft.core.card import Card, LayerFacts
from regraft.core.errors import CorruptFileError

Array = np.ndarray[Any, Any]

# Bytes, or what gives them: of a large network nobody wants all in memory at once.
Given = bytes | Callable[[], bytes]


class Parts(Mapping[str, bytes]):
    """The parts of a card by their digests.

    Args:
        place: where they lie.
        card: that needs them.
    """

    def __init__(self, place: Place, card: Card) -> None:
        self._place = place
        self._card = card
        self._needed = card.parts

    def __getitem__(self, digest: str) -> bytes:
        """The bytes of a part.

        Raises:
            KeyError: the card needs no such part.
            CorruptFileError: it is missing, or not what was put in.
        """
        if digest not in self._needed:
            raise KeyError(digest)
        content = self._place.read(filing.part_key(digest))
        if content is None:
            raise CorruptFileError(self._trouble(digest, "is missing"))
        if digest_of(content) != digest:
            raise CorruptFileError(self._trouble(digest, "was altered"))
        return content

    def configuration(self) -> Mapping[str, Any]:
        """How the network is built, as Keras writes it.

        Raises:
            CorruptFileError: the part is missing, was altered, or holds something else.
        """
        digest = self._card.architecture.digest
        try:
            said = json.loads(self[digest])
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise CorruptFileError(self._trouble(digest, "is no configuration"))
        return cast(Mapping[str, Any], said)

    def layer(self, layer: LayerFacts) -> dict[str, Array]:
        """The variables of a layer, by their names within it; copies, with the shapes that the card says.

        Raises:
            CorruptFileError: the part is missing, was altered, or holds something else.
        """
        wanted = {own.name.rpartition("/")[2]: own.shape for own in self._card.tensors if own.layer == layer.name}
        try:
            held = safetensors.from_bytes(self[layer.digest])
        except (ValueError, KeyError, TypeError, OverflowError, MemoryError):
            held = {}
        if {name: array.shape for name, array in held.items()} != wanted:
            raise CorruptFileError(self._trouble(layer.digest, "does not hold what the card says"))
        return held

    def __iter__(self) -> Iterator[str]:
        return iter(self._needed)

    def __len__(self) -> int:
        return len(self._needed)

    def _trouble(self, digest: str, what: str) -> str:
        return (
            f"'{filing.part_key(digest)}' in '{self._place.address}' {what}: {content_of(self._card, digest)} of "
            f"'{self._card.address}'; add the model again, or see what else is damaged with: regraft zoo verify"
        )


def content_of(card: Card, digest: str) -> str:
    """What a part holds, in words."""
    if card.architecture.digest == digest:
        return "the architecture"
    if card.optimizer is not None and card.optimizer.digest == digest:
        return "the state of the optimizer"
    layers = [layer.name for layer in card.architecture.layers if layer.digest == digest]
    return f"layer '{layers[0]}'" if layers else "a part"


def digest_of(content: bytes) -> str:
    """The SHA-256 of a part, which is its name."""
    return hashlib.sha256(content).hexdigest()


def given(part: Given) -> bytes:
    """The bytes of a part as it was handed over."""
    return part if isinstance(part, bytes) else part()
