"""A model of the catalogue in a folder, in the manner of the Hugging Face hub.

`model.safetensors` holds every variable under its canonical name, `config.json` is the network's configuration as
Keras writes it, `regraft.json` the card, `README.md` what people and hubs read, `optimizer.npz` the optimizer's state
where it is kept. The card names all of it by digest, so that what comes back is what went out, or is refused.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from regraft.core import card as cards
from regraft.core import safetensors as elements
from regraft.core import storage
from regraft.core.card import Card, LayerFacts, TensorFacts
from regraft.core.card_parts import CardParts, content_of
from regraft.core.errors import CorruptFileError, RequestError, SourceError
from regraft.formats import safetensors

CARD, WEIGHTS, CONFIG, README, OPTIMIZER = (
    "regraft.json",
    "model.safetensors",
    "config.json",
    "README.md",
    "optimizer.npz",
)
FILES = (README, WEIGHTS, CONFIG, OPTIMIZER, CARD)
_LENGTH = 8
# A card is text; what is larger is none.
_LONGEST = 1 << 28


def is_one(path: Path) -> bool:
    """Whether a path is a folder with a card."""
    return (path / CARD).is_file()


def write(folder: Path, card: Card, parts: Mapping[str, bytes], readme: str) -> tuple[str, ...]:
    """Write a model into a folder; the card last, so that a folder with a card is whole.

    Args:
        folder: made if it is not there. What was exported there before is replaced, and so is the README of a clone of
            a repository; other files stay.
        card: of the model.
        parts: by digest, all that the card needs; a layer's are read when they are written.
        readme: what people read.

    Returns:
        The names of the files.

    Raises:
        RequestError: the folder is a file, or has files of these names that are not of an exported model.
        CorruptFileError: a part is damaged or missing.
        StorageError: the folder cannot be written to.
    """
    state = card.optimizer
    files = (README, WEIGHTS, CONFIG, *((OPTIMIZER,) if state is not None else ()), CARD)
    _refuse_others(folder)
    with storage.storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name in (CARD, OPTIMIZER):
            (folder / name).unlink(missing_ok=True)
    with storage.replacing(folder / WEIGHTS) as made, made.open("wb") as file:
        _write_weights(file, card, parts)
    storage.write_bytes(folder / CONFIG, parts[card.architecture.digest])
    if state is not None:
        storage.write_bytes(folder / OPTIMIZER, parts[state.digest])
    storage.write_text(folder / README, readme)
    storage.write_text(folder / CARD, cards.write(card))
    return files


def read(folder: Path) -> tuple[Card, "FolderParts"]:
    """The card of an exported model, and its parts, each proven by its digest when it is asked for.

    Raises:
        RequestError: the folder has no card, or one of a newer version.
        CorruptFileError: a file is missing, truncated or was altered.
    """
    path = folder / CARD
    if not path.is_file():
        raise RequestError(f"expected a folder with a card, '{CARD}', found none in '{folder}'")
    with storage.storage_errors(path):
        if path.stat().st_size > _LONGEST:
            raise CorruptFileError(f"'{path}' is no card: it has {path.stat().st_size} bytes")
        text = path.read_bytes().decode("utf-8", "replace")
    card = cards.read(text, str(path))
    if cards.digest_of(card.tensors) != card.digest:
        raise CorruptFileError(f"'{path}' lists other variables than those of its digest: it was altered; get it again")
    return card, FolderParts(folder, card)


class FolderParts(CardParts):
    """The parts of a card that lie in the files of a folder.

    Args:
        folder: with the files.
        card: whose parts they are.

    Raises:
        CorruptFileError: a file is missing or truncated, or holds other tensors than the card says.
    """

    def __init__(self, folder: Path, card: Card) -> None:
        super().__init__(card)
        self._folder = folder
        self._layers = _by_digest(card)
        self._tensors = self._opened()

    def __getitem__(self, digest: str) -> bytes:
        """The bytes of a part.

        Raises:
            KeyError: the card needs no such part.
            CorruptFileError: it is not what the card says.
        """
        if digest not in self.needed:
            raise KeyError(digest)
        content, what = self._content(digest)
        if hashlib.sha256(content).hexdigest() != digest:
            raise CorruptFileError(
                f"{what} in '{self._folder}' is not what '{CARD}' says: it was altered since; export the model again, "
                f"or take '{CARD}' away to import what is there as a network that nobody knows"
            )
        self._prove_variables(digest, content)
        return content

    def trouble(self, digest: str, what: str) -> str:
        """What is wrong with a part, where it is, and what to do."""
        return (
            f"{content_of(self.card, digest)} in '{self._folder}' {what}; export the model again, or take '{CARD}' "
            "away to import what is there as a network that nobody knows"
        )

    def _prove_variables(self, digest: str, content: bytes) -> None:
        """Refuse a card that names a layer's bytes rightly and its variables wrongly."""
        if digest not in self._layers:
            return
        arrays = elements.from_bytes(content)
        for tensor in self._layers[digest][1]:
            array = arrays[_leaf(tensor)]
            said = (tensor.shape, tensor.dtype, tensor.digest)
            if (array.shape, array.dtype.name, hashlib.sha256(elements.element_bytes(array)).hexdigest()) != said:
                raise CorruptFileError(f"'{tensor.name}' in '{self._folder}' is not what '{CARD}' says; get it again")

    def _content(self, digest: str) -> tuple[bytes, str]:
        """The bytes that should be the part, and what they are in words."""
        if digest == self.card.architecture.digest:
            return self._file(CONFIG), f"'{CONFIG}'"
        if self.card.optimizer is not None and digest == self.card.optimizer.digest:
            return self._file(OPTIMIZER), f"'{OPTIMIZER}'"
        layer, tensors = self._layers[digest]
        arrays = {_leaf(tensor): self._tensors[tensor.name].read() for tensor in tensors}
        return elements.to_bytes(arrays), f"layer '{layer.name}' of '{WEIGHTS}'"

    def _file(self, name: str) -> bytes:
        path = self._folder / name
        if not path.is_file():
            raise CorruptFileError(f"'{name}' is missing in '{self._folder}'; get the folder again")
        with storage.storage_errors(path):
            return path.read_bytes()

    def _opened(self) -> Mapping[str, Any]:
        path = self._folder / WEIGHTS
        if not path.is_file():
            raise CorruptFileError(f"'{WEIGHTS}' is missing in '{self._folder}'; get the folder again")
        found = safetensors.read(path).tensors
        said = {tensor.name for tensor in self.card.tensors}
        if set(found) != said:
            strays = sorted(set(found) ^ said)
            raise CorruptFileError(
                f"'{path}' holds other tensors than '{CARD}' says, such as '{strays[0]}'; the two are not of one model"
            )
        return found


def _refuse_others(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"expected a folder, found the file '{folder}'; name a folder")
    there = [name for name in (WEIGHTS, CONFIG, README, OPTIMIZER) if (folder / name).exists()]
    # A repository that was just made on a hub has a README of two lines.
    fresh = there == [README] and (folder / ".git").exists()
    if there and not fresh and not is_one(folder):
        raise RequestError(
            f"expected a new or empty folder, or one with a model that was exported, found '{there[0]}' in '{folder}'; "
            "name another"
        )


def _by_digest(card: Card) -> dict[str, tuple[LayerFacts, list[TensorFacts]]]:
    """By the digest of its part, a layer with its variables."""
    held = _by_layer(card)
    return {layer.digest: (layer, held.get(layer.name, [])) for layer in card.architecture.layers if layer.digest}


def _by_layer(card: Card) -> dict[str, list[TensorFacts]]:
    found: dict[str, list[TensorFacts]] = {}
    for tensor in card.tensors:
        found.setdefault(tensor.layer, []).append(tensor)
    return found


def _write_weights(file: BinaryIO, card: Card, parts: Mapping[str, bytes]) -> None:
    """One layer after the other, so that a large network is never in memory twice.

    The format: https://huggingface.co/docs/safetensors/index#format.
    """
    held = _by_layer(card)
    layers = [layer for layer in card.architecture.layers if layer.digest and layer.name in held]
    header: dict[str, Any] = {"__metadata__": {"format": "keras"}}
    place = 0
    for layer in layers:
        for tensor in held[layer.name]:
            length = prod(tensor.shape) * _width(tensor)
            code = elements.CODES[tensor.dtype]
            header[tensor.name] = {"dtype": code, "shape": list(tensor.shape), "data_offsets": [place, place + length]}
            place += length
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _LENGTH)
    file.write(len(text).to_bytes(_LENGTH, "little") + text)
    for layer in layers:
        arrays = elements.from_bytes(parts[layer.digest])
        for tensor in held[layer.name]:
            file.write(elements.element_bytes(arrays[_leaf(tensor)]))


def _leaf(tensor: TensorFacts) -> str:
    """What a variable is called within its layer."""
    return tensor.name.rpartition("/")[2]


def _width(tensor: TensorFacts) -> int:
    """Bytes of an element, of types too that NumPy does not know."""
    if tensor.dtype not in elements.CODES:
        raise SourceError(f"'{tensor.name}' is of type {tensor.dtype}, which safetensors lacks")
    bits = re.search(r"\d+", tensor.dtype)
    return int(bits[0]) // 8 if bits else 1
