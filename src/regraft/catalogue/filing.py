"""Under which keys cards and parts lie, and how a card tells whether it is whole."""

import hashlib
import json
import re
from typing import Any

from regraft.core import card as cards
from regraft.core import plain
from regraft.core.card import Card
from regraft.core.errors import CorruptFileError, RequestError

CARDS, PARTS = "cards/", "parts/"
# Whoever changes cards puts a new word here, so that others see in one look that there is something new.
STAMP = "stamp"

_CARD, _REMOVED = ".json", ".removed"
_NUMBERED = re.compile(r"(?P<name>[^/]+)/(?P<version>[1-9][0-9]*)(?P<ending>\.json|\.removed|\.json\.claim)")
_PART = re.compile(r"(?P<start>[0-9a-f]{2})/(?P<digest>[0-9a-f]{64})")


def card_key(name: str, version: int) -> str:
    """Where a card lies.

    >>> card_key("flowers", 2)
    'cards/flowers/2.json'
    """
    return f"{CARDS}{name}/{version}{_CARD}"


def removed_key(name: str, version: int) -> str:
    """What lies there once a card was removed, so that its number never means another model."""
    return f"{CARDS}{name}/{version}{_REMOVED}"


def part_key(digest: str) -> str:
    """Where a part lies.

    >>> part_key("ab" * 32)[:11]
    'parts/ab/ab'
    """
    return f"{PARTS}{digest[:2]}/{digest}"


def numbered(key: str) -> tuple[str, int, str] | None:
    """The name, the version and the kind of what lies under a key below the cards: `card`, `removed` or `claim`.

    >>> numbered("cards/flowers/2.json")
    ('flowers', 2, 'card')
    """
    found = _NUMBERED.fullmatch(key.removeprefix(CARDS))
    if found is None:
        return None
    kind = {_CARD: "card", _REMOVED: "removed"}.get(found["ending"], "claim")
    return found["name"], int(found["version"]), kind


def part_digest(key: str) -> str | None:
    """The digest of the part that lies under a key; None for what is no part."""
    found = _PART.fullmatch(key.removeprefix(PARTS))
    return found["digest"] if found is not None and found["digest"].startswith(found["start"]) else None


def sealed(card: Card) -> bytes:
    """The file of a card: itself, and the SHA-256 by which damage is told."""
    # As it is sealed, so that it is turned into text once: cards may be long.
    text = _text(json.loads(plain.to_json(card, indent=None)))
    return f'{{"sha256":"{_sha256(text)}","card":{text}}}'.encode()


def opened(content: bytes, address: str) -> Card:
    """The card that `sealed` made this file from.

    Args:
        content: of the file.
        address: of the card, for messages.

    Raises:
        CorruptFileError: the file is truncated or was altered.
        RequestError: the card is one of a newer version.
    """
    try:
        said = json.loads(content)
        card, seal = said["card"], said["sha256"]
    except (ValueError, KeyError, TypeError):
        raise _damaged(address, "it is no card") from None
    if _sha256(_text(card)) != seal:
        raise _damaged(address, "its bytes are not those that its digest was made of")
    if cards.is_newer(card):
        # Refused as what this version cannot serve: the file is whole.
        return cards.of_plain(card, address)
    try:
        read = cards.of_plain(card, address)
    except RequestError as error:
        raise _damaged(address, str(error)) from None
    if read.address != address:
        raise _damaged(address, f"it is the card of '{read.address}'")
    return read


def _text(said: Any) -> str:
    return json.dumps(said, sort_keys=True, separators=(",", ":"))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _damaged(address: str, why: str) -> CorruptFileError:
    return CorruptFileError(
        f"the card of '{address}' is damaged: {why}; put it back from a copy, or remove it with: "
        f"regraft zoo remove {address}"
    )
