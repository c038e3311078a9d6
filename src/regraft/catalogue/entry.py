"""What a list of models says of each, and the words that it is found by."""

import re
import unicodedata
from dataclasses import dataclass

from regraft.core.card import Card, Kind

_WORD = re.compile(r"[^\W_]+")
# Where a small letter or a digit meets a capital: `MobileNetV2` is found by `net` too.
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a list of models.

    Attributes:
        name: in the catalogue.
        version: of it.
        kind: what it was added from.
        digest: of its weights.
        created: when it was added, ISO 8601, UTC.
        summary: what it is.
        task: what it does.
        classes: how many it tells apart; 0 where nobody said, and for a pretraining, which has no task yet.
        shape: of its input; None where that is not one tensor of known rank.
        parameters: elements of all variables.
        bytes: of its layers, shared ones included.
        accuracy: on the test split, or else on validation; None where it was not measured.
        licence: under which it may be used.
        tags: words to find it by.
        parent: `NAME@VERSION` of what it was made of; empty where that is not in the catalogue.
    """

    name: str
    version: int
    kind: Kind
    digest: str
    created: str
    summary: str = ""
    task: str = ""
    classes: int = 0
    shape: tuple[int, ...] | None = None
    parameters: int = 0
    bytes: int = 0
    accuracy: float | None = None
    licence: str = ""
    tags: tuple[str, ...] = ()
    parent: str = ""

    @property
    def address(self) -> str:
        """What it is asked for by: `NAME@VERSION`."""
        return f"{self.name}@{self.version}"


def of(card: Card) -> Entry:
    """The line for a card."""
    judged = card.metrics.get(card.judged_on)
    return Entry(
        name=card.name,
        version=card.version,
        kind=card.kind,
        digest=card.digest,
        created=card.created,
        summary=card.summary,
        task=card.task,
        classes=len(card.classes) or card.outputs or 0,
        shape=card.inputs.shape if card.inputs is not None else None,
        parameters=card.architecture.parameters,
        bytes=card.architecture.bytes,
        accuracy=judged.accuracy.value if judged is not None else None,
        licence=card.licence,
        tags=card.tags,
        parent=card.lineage.parent if card.lineage is not None else "",
    )


def words(card: Card) -> tuple[str, str]:
    """The words that a model is found by: first what it is called, then what else is known of it."""
    called = [card.name, *card.tags]
    known = [card.summary, card.task, card.kind, card.licence, card.citation, card.origin, card.architecture.name]
    known += [*card.classes, *dict.fromkeys(layer.type for layer in card.architecture.layers)]
    known += [card.data.name] if card.data is not None else []
    known += [card.lineage.source, card.lineage.parent] if card.lineage is not None else []
    known += [card.inputs.name] if card.inputs is not None else []
    known += [str(card.pretraining.get("method", ""))] if card.pretraining else []
    return " ".join(terms(" ".join(called))), " ".join(terms(" ".join(known)))


def terms(text: str) -> list[str]:
    """The words of a text as they are kept and looked for: small letters without accents, no marks.

    Both kinds of database are given these, so that both find the same.

    >>> terms("Flores-MobileNetV2, caf\u00e9")
    ['flores', 'mobilenetv2', 'mobile', 'net', 'v2', 'cafe']
    """
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    found: list[str] = []
    for word in _WORD.findall(plain):
        parts = _HUMP.split(word)
        found += dict.fromkeys(part.casefold() for part in [word, *parts])
    return found


def asked(text: str) -> list[str]:
    """The words that somebody looks for; each is to be the beginning of one that is there."""
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return list(dict.fromkeys(word.casefold() for word in _WORD.findall(plain)))
