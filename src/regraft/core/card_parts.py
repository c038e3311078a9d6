"""What lies in the parts that a card names, wherever they are: a configuration, the variables of layers."""

import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np

from regraft.core import safetensors
from regraft.core.card import Card, LayerFacts
from regraft.core.errors import CorruptFileError

Array = np.ndarray[Any, Any]


class CardParts(Mapping[str, bytes]):
    """The parts of a card by their digests, read when they are asked for; `__getitem__` proves them.

    Args:
        card: that needs them.
    """

    def __init__(self, card: Card) -> None:
        self.card = card
        self.needed = card.parts

    def __iter__(self) -> Iterator[str]:
        return iter(self.needed)

    def __len__(self) -> int:
        return len(self.needed)

    @abstractmethod
    def trouble(self, digest: str, what: str) -> str:
        """What is wrong with a part, where it is, and what to do."""

    def configuration(self) -> Mapping[str, Any]:
        """How the network is built, as Keras writes it.

        Raises:
            CorruptFileError: the part is missing, was altered, or holds something else.
        """
        digest = self.card.architecture.digest
        try:
            said = json.loads(self[digest])
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise CorruptFileError(self.trouble(digest, "is no configuration"))
        return cast(Mapping[str, Any], said)

    def layer(self, layer: LayerFacts) -> dict[str, Array]:
        """The variables of a layer, by their names within it; copies, with the shapes that the card says.

        Raises:
            CorruptFileError: the part is missing, was altered, or holds something else.
        """
        wanted = {own.name.rpartition("/")[2]: own.shape for own in self.card.tensors if own.layer == layer.name}
        try:
            held = safetensors.from_bytes(self[layer.digest])
        except (ValueError, KeyError, TypeError, OverflowError, MemoryError):
            held = {}
        if {name: array.shape for name, array in held.items()} != wanted:
            raise CorruptFileError(self.trouble(layer.digest, "does not hold what the card says"))
        return held


def content_of(card: Card, digest: str) -> str:
    """What a part holds, in words."""
    if card.architecture.digest == digest:
        return "the architecture"
    if card.optimizer is not None and card.optimizer.digest == digest:
        return "the state of the optimizer"
    layers = [layer.name for layer in card.architecture.layers if layer.digest == digest]
    return f"layer '{layers[0]}'" if layers else "a part"
