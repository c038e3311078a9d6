"""Whether everything in a catalogue is what was put in, and tidying up what nobody needs."""

import time
from dataclasses import dataclass, field

from regraft.catalogue import filing
from regraft.catalogue.catalogue import Catalogue
from regraft.catalogue.parts import digest_of
from regraft.catalogue.places import Found
from regraft.core.card import Card
from regraft.core.card_parts import content_of
from regraft.core.errors import CorruptFileError, RequestError
from regraft.core.progress import track

# A part that no card needs may be that of a model that is being added.
_LEFT_AFTER = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is not as it was put in.

    Attributes:
        what: the card by `NAME@VERSION`, or the part by its key.
        reason: in words.
        models: `NAME@VERSION` of those that cannot be opened for it.
        repaired: whether it was repaired, as far as that goes.
    """

    what: str
    reason: str
    models: tuple[str, ...]
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, and what was found.

    Attributes:
        address: of the catalogue.
        holds: whether every model that is there can be opened.
        cards: how many were read.
        parts: how many were read, each once however many models share it.
        bytes: of these parts.
        damage: what is not as it was put in.
        newer: cards of a newer version, which were left alone.
        left: parts that no card needs.
        left_bytes: of these.
        removed: how many of these were removed, as they were a day old.
    """

    address: str
    holds: bool
    cards: int
    parts: int
    bytes: int
    damage: tuple[Damage, ...] = ()
    newer: tuple[str, ...] = ()
    left: int = 0
    left_bytes: int = 0
    removed: int = 0


@dataclass(slots=True)
class _Look:
    """What has been found so far."""

    cards: dict[str, Card] = field(default_factory=dict[str, Card])
    damage: list[Damage] = field(default_factory=list[Damage])
    newer: list[str] = field(default_factory=list[str])

    def needing(self, digest: str) -> tuple[str, ...]:
        return tuple(address for address, card in self.cards.items() if digest in card.parts)


def verify(catalogue: Catalogue, repair: bool = False) -> Verified:
    """Read every card and every part, and compare them with the digests that they were put in under.

    Args:
        catalogue: that is looked through.
        repair: make the index anew; remove damaged parts, so that adding the model again stores them anew, and what no
            card needs for a day. A damaged card is left, for somebody to put back or to remove.

    Raises:
        StorageError: the place refuses.
    """
    look = _Look()
    _read_cards(catalogue, look, repair)
    if repair:
        catalogue.refresh()
    needed = {digest: size for card in look.cards.values() for digest, size in card.parts.items()}
    there, strays = _parts(catalogue)
    count, total = _read_parts(catalogue, look, needed, there, repair)
    left = [found for digest, found in there.items() if digest not in needed]
    may_go = repair and not look.newer and not any(damage.what.count("@") for damage in look.damage)
    removed = sum(_removed(catalogue, found) for found in left) if may_go else 0
    look.damage += [Damage(stray, "is no part", ()) for stray in strays]
    return Verified(
        catalogue.address,
        not any(damage.models for damage in look.damage),
        len(look.cards),
        count,
        total,
        tuple(look.damage),
        tuple(look.newer),
        len(left),
        sum(found.bytes for found in left),
        removed,
    )


def _read_cards(catalogue: Catalogue, look: _Look, repair: bool) -> None:
    listed = sorted(catalogue.listed().items())
    for (name, version), kind in track(listed, "reading cards"):
        address = f"{name}@{version}"
        if kind == "half-removed":
            if repair:
                catalogue.cards_place.remove(filing.card_key(name, version))
            look.damage.append(Damage(address, "was being removed when that was interrupted", (), repair))
        if kind != "card":
            continue
        try:
            read = catalogue.read(name, version)
        except CorruptFileError as error:
            look.damage.append(Damage(address, str(error), (address,)))
        except RequestError as error:
            look.newer.append(str(error))
        else:
            if read is not None:
                look.cards[address] = read


def _parts(catalogue: Catalogue) -> tuple[dict[str, Found], list[str]]:
    """The parts that are there by digest, and what else lies among them."""
    there: dict[str, Found] = {}
    strays: list[str] = []
    for found in catalogue.parts_place.keys(filing.PARTS):
        digest = filing.part_digest(found.key)
        if digest is None:
            strays.append(found.key)
        else:
            there[digest] = found
    return there, strays


def _read_parts(
    catalogue: Catalogue, look: _Look, needed: dict[str, int], there: dict[str, Found], repair: bool
) -> tuple[int, int]:
    count = total = 0
    for digest in track(sorted(needed), "reading parts"):
        key = filing.part_key(digest)
        content = catalogue.parts_place.read(key) if digest in there else None
        if content is not None and digest_of(content) == digest:
            count, total = count + 1, total + len(content)
            continue
        models = look.needing(digest)
        what = content_of(look.cards[models[0]], digest)
        if content is None:
            look.damage.append(Damage(key, f"is missing ({what})", models))
            continue
        if repair:
            catalogue.parts_place.remove(key)
        look.damage.append(Damage(key, f"was altered ({what})", models, repair))
    return count, total


def _removed(catalogue: Catalogue, found: Found) -> bool:
    """Whether a part that no card needs is gone now."""
    digest = filing.part_digest(found.key)
    if digest is None or found.touched is None or time.time() - found.touched < _LEFT_AFTER:
        return False
    return catalogue.drop_part(digest) is not None
