"""A catalogue of models: cards and the parts that they name lie somewhere; an index finds them.

What lies there is the truth. A card is written last and only where none is, so that a version is there whole or not at
all, and of several writers each gets a number of its own. The index is found again from the cards whenever it is
missing, damaged, older, or behind.
"""

import contextlib
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from regraft.catalogue import filing
from regraft.catalogue.entry import Entry
from regraft.catalogue.index.index import Address, Filters, Index
from regraft.catalogue.parts import Given, Parts, digest_of, given
from regraft.catalogue.places import Place
from regraft.core import card as cards
from regraft.core.card import Card
from regraft.core.errors import CorruptFileError, RequestError, nearest
from regraft.core.progress import warn

T = TypeVar("T")
R = TypeVar("R")

# What is written and read at once: most of the time goes to waiting for disks and networks.
_AT_ONCE = 8
# Cards that are put into the index in one go.
_BATCH = 500
# After so many seconds all cards are looked at, whether or not somebody said that there are new ones: whoever was
# killed between writing a card and saying so has not.
_LOOK_AFTER = 3600.0


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed: cards by `NAME@VERSION`, and parts that nothing else needs, with their bytes."""

    removed: tuple[str, ...]
    parts: int
    freed: int


class Catalogue:
    """Cards of models, their parts, and what finds them; made by `open_catalogue`.

    Args:
        cards: where the cards lie.
        parts: where their parts lie.
        index: opens the index; asked again where that one turned out to be damaged.
    """

    def __init__(self, cards: Place, parts: Place, index: Callable[[bool], Index]) -> None:
        self._cards = cards
        self._parts = parts
        self._open_index = index
        self._opened: Index | None = None

    @property
    def address(self) -> str:
        """Where it is."""
        return self._cards.address

    @property
    def cards_place(self) -> Place:
        """Where the cards lie."""
        return self._cards

    @property
    def parts_place(self) -> Place:
        """Where the parts lie."""
        return self._parts

    def add(self, card: Card, parts: Mapping[str, Given]) -> Card:
        """Put a model into the catalogue; parts that are there already are not stored again.

        Args:
            card: its `version` is not looked at.
            parts: by digest, all that the card needs.

        Returns:
            The card with its version: the next of its name, or one of those that are there where it says nothing new
            of the same weights.

        Raises:
            RequestError: a part that the card needs is not given, or is another one.
            StorageError: the place refuses.
        """
        found = self._store(card, parts)
        for known in self._known(card):
            if _same(card, known):
                return known
        made = self._commit(card)
        self._changed()
        # Whoever cleaned up meanwhile may have taken what was needed by nobody until now; see `drop_part`.
        for digest, there in zip(found, self._each(self._touch, found, self._parts.is_far), strict=True):
            if not there:
                self._write(digest, parts)
        # A convenience: who reads next would find it.
        with contextlib.suppress(SQLAlchemyError):
            self._index.put([made])
        return made

    def card(self, address: str) -> Card:
        """The card of `NAME@VERSION`, or of the latest version of `NAME`.

        Raises:
            RequestError: there is none, with the nearest names; or it is of a newer version.
            CorruptFileError: it is damaged.
        """
        name, version = cards.parse_address(address)
        numbers = self._numbers(name)
        there = [number for number, kind in numbers.items() if kind == "card"]
        if version is None and there:
            version = max(there)
        if version is None or version not in there:
            raise RequestError(self._unknown(name, version, numbers))
        read = self._read(name, version)
        if read is None:
            raise RequestError(self._unknown(name, version, {}))
        return read

    def cards(self, filters: Filters | None = None) -> Iterator[Card]:
        """The cards of the latest version of each name, read as they are asked for; one that cannot be read is told."""
        for entry in self.search("", filters):
            try:
                read = self._read(entry.name, entry.version)
            except (CorruptFileError, RequestError) as error:
                warn(str(error))
                continue
            if read is not None:
                yield read

    def search(self, text: str = "", filters: Filters | None = None, limit: int | None = None) -> tuple[Entry, ...]:
        """What there is to a text: every word of it is the beginning of one that a model is known by.

        Args:
            text: words in any order; none: everything, by name.
            filters: what else must be so; by default the latest version of each name is looked at.
            limit: of the number of entries.
        """
        return self._asked(lambda index: self._told(index, index.search(text, filters or Filters(), limit)))

    def versions(self, name: str) -> tuple[Entry, ...]:
        """The versions of a name that can be read, the latest first; none where there is no such name."""
        return self._asked(lambda index: index.versions(name))

    def names(self) -> list[str]:
        """The names of all models, in their order."""
        return self._asked(lambda index: index.names())

    def by_digest(self, digest: str) -> tuple[Entry, ...]:
        """The models whose weights have this digest, see `core.card.digest_of`; the oldest first."""
        return self._asked(lambda index: index.by_digest(digest))

    def children(self, address: str) -> tuple[Entry, ...]:
        """The models that were made of `NAME@VERSION`, as far as the catalogue knows, by name."""
        return self._asked(lambda index: index.children(address))

    def sharing(self, digests: Iterable[str]) -> dict[str, int]:
        """By `NAME@VERSION`, how many of these parts a model has; the one with the most first, then the oldest."""
        wanted = list(digests)
        return self._asked(lambda index: index.sharing(wanted))

    def parts(self, card: Card) -> Parts:
        """The parts of a card, which are read when they are asked for and proven to be those that were put in."""
        return Parts(self._parts, card)

    def remove(self, address: str) -> Removed:
        """Remove a version, or the only one of a name, and the parts that nothing else needs.

        Its number is not given again: whoever asks for it is told that it was removed, and gets no other model.

        Raises:
            RequestError: there is none, or the name has several versions and none was said.
        """
        name, version = cards.parse_address(address)
        numbers = self._numbers(name)
        there = sorted(number for number, kind in numbers.items() if kind == "card")
        if version is None and len(there) > 1:
            shown = ", ".join(f"{name}@{number}" for number in there)
            raise RequestError(f"expected which version of '{name}' to remove, found several: {shown}")
        version = there[0] if version is None and there else version
        if version is None or version not in there:
            raise RequestError(self._unknown(name, version, numbers))
        needed: set[str] = set()
        # A damaged card is removed too; what it needed is found by who cleans up.
        with contextlib.suppress(CorruptFileError, RequestError):
            read = self._read(name, version)
            needed = set(read.parts) if read is not None else set()
        self._cards.put_new(filing.removed_key(name, version), b"")
        self._cards.remove(filing.card_key(name, version))
        self._changed()
        dropped = [self.drop_part(digest) for digest in sorted(needed - self.needed(needed))]
        return Removed((f"{name}@{version}",), sum(size is not None for size in dropped), sum(filter(None, dropped)))

    def needed(self, digests: Iterable[str]) -> set[str]:
        """Which of these parts a card needs that is there; all of them where a card is there that cannot be read."""
        wanted = set(digests)
        if self._asked(lambda index: index.unreadable()):
            return wanted
        return {digest for digest in wanted if self.sharing([digest])}

    def drop_part(self, digest: str) -> int | None:
        """Remove a part that no card needs; the bytes that are free then, or None where it is needed after all.

        Somebody may add a model that needs it at the same time. Who adds looks, once the card is there, whether all
        parts still are; who removes looks, once the part is gone, whether there is a card now. One of the two sees the
        other.
        """
        key = filing.part_key(digest)
        content = self._parts.read(key)
        if content is None:
            return None
        self._parts.remove(key)
        if self.needed([digest]):
            self._parts.put(key, content)
            return None
        return len(content)

    def refresh(self) -> None:
        """Make the index anew from the cards."""
        self._asked(lambda index: index.forget())

    def listed(self) -> dict[Address, str]:
        """What is there under names and numbers: `card`, `removed`, `claim`, or `half-removed` where both are."""
        found: dict[Address, str] = {}
        for item in self._cards.keys(filing.CARDS):
            if (numbered := filing.numbered(item.key)) is not None:
                _note(found, numbered[0], numbered[1], numbered[2])
        return found

    def read(self, name: str, version: int) -> Card | None:
        """A card by name and number; None where there is none.

        Raises:
            CorruptFileError: it is damaged.
            RequestError: it is of a newer version.
        """
        return self._read(name, version)

    def close(self) -> None:
        """Let go of what is open."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None
        for place in (self._cards, self._parts):
            place.close()

    def _store(self, card: Card, parts: Mapping[str, Given]) -> list[str]:
        """Store what the card needs; the digests of what was there already."""
        needed = list(card.parts)
        missing = [digest for digest in needed if digest not in parts]
        if missing:
            raise RequestError(f"expected all parts that '{card.name}' needs, found none with digest {missing[0]}")
        was_there = self._each(self._touch, needed, self._parts.is_far)
        new = [digest for digest, there in zip(needed, was_there, strict=True) if not there]
        self._each(lambda digest: self._write(digest, parts), new)
        return [digest for digest, there in zip(needed, was_there, strict=True) if there]

    def _touch(self, digest: str) -> bool:
        return self._parts.touch(filing.part_key(digest))

    def _write(self, digest: str, parts: Mapping[str, Given]) -> None:
        content = given(parts[digest])
        if digest_of(content) != digest:
            raise RequestError(f"expected a part with SHA-256 {digest}, found {digest_of(content)}")
        self._parts.put_new(filing.part_key(digest), content)

    def _commit(self, card: Card) -> Card:
        """Write the card under the next number that nobody takes."""
        version = max(self._numbers(card.name), default=0)
        while True:
            version += 1
            made = replace(card, version=version)
            if self._cards.put_new(filing.card_key(card.name, version), filing.sealed(made)):
                return made

    def _changed(self) -> None:
        """Say that there is something new among the cards."""
        self._cards.put(filing.STAMP, uuid.uuid4().hex.encode(), durable=False)

    def _numbers(self, name: str) -> dict[int, str]:
        """What is there under a name, by number."""
        found: dict[Address, str] = {}
        for item in self._cards.keys(f"{filing.CARDS}{name}/"):
            if (numbered := filing.numbered(item.key)) is not None:
                _note(found, *numbered)
        return {version: kind for (_, version), kind in found.items()}

    def _known(self, card: Card) -> Iterator[Card]:
        """The latest card of this name, then earlier ones of the same weights."""
        there = [number for number, kind in self._numbers(card.name).items() if kind == "card"]
        if not there:
            return
        alike = {entry.version for entry in self.by_digest(card.digest) if entry.name == card.name}
        for number in (max(there), *sorted(alike - {max(there)}, reverse=True)):
            with contextlib.suppress(CorruptFileError, RequestError):
                known = self._read(card.name, number)
                if known is not None:
                    yield known

    def _read(self, name: str, version: int) -> Card | None:
        content = self._cards.read(filing.card_key(name, version))
        return None if content is None else filing.opened(content, f"{name}@{version}")

    def _unknown(self, name: str, version: int | None, numbers: Mapping[int, str]) -> str:
        if version is not None and numbers.get(version) in ("removed", "half-removed"):
            return f"'{name}@{version}' was removed from '{self.address}'"
        there = sorted(number for number, kind in numbers.items() if kind == "card")
        if there:
            shown = ", ".join(map(str, there[-10:]))
            return f"'{name}' has no version {version} in '{self.address}'; it has: {shown}"
        known = self.names()
        advice = nearest(name, known) if known else "; it is empty: regraft zoo add MODEL puts something into it"
        return f"expected a model of the catalogue '{self.address}', found '{name}'{advice}"

    def _told(self, index: Index, found: T) -> T:
        for reason in index.unreadable().values():
            warn(reason)
        return found

    @property
    def _index(self) -> Index:
        if self._opened is None:
            self._opened = self._open_index(False)
        return self._opened

    def _asked(self, question: Callable[[Index], R]) -> R:
        """The answer of an index that knows all cards; where it is damaged, of one that is made anew."""
        try:
            self._synchronise()
            return question(self._index)
        except SQLAlchemyError as error:
            if self._opened is not None:
                self._opened.close()
            # Refused by the one that opens it where it cannot be made anew, or where that would not help.
            self._opened = self._open_index(True)
            warn(f"the index of '{self.address}' could not be used ({_first_line(error)}); it was made anew")
            self._synchronise()
            return question(self._index)

    def _synchronise(self) -> None:
        """Let the index know all cards that there are."""
        content = self._cards.read(filing.STAMP)
        stamp = None if content is None else content.decode(errors="replace")
        known, when = self._index.known()
        if known == stamp and time.time() - when < _LOOK_AFTER:
            return
        there = {address for address, kind in self.listed().items() if kind == "card"}
        before = self._index.addresses()
        self._index.drop(before - there)
        new = sorted(there - before)
        for start in range(0, len(new), _BATCH):
            read = self._each(self._attempt, new[start : start + _BATCH], self._cards.is_far)
            good = [made for made in read if isinstance(made, Card)]
            pairs = zip(new[start : start + _BATCH], read, strict=True)
            self._index.put(good, {address: made for address, made in pairs if isinstance(made, str)})
        self._index.know(stamp)

    def _attempt(self, address: Address) -> Card | str | None:
        """A card, or why it cannot be read."""
        try:
            return self._read(*address)
        except (CorruptFileError, RequestError) as error:
            return str(error)

    def _each(self, work: Callable[[T], R], items: Iterable[T], at_once: bool = True) -> list[R]:
        """The results for all items, some at a time where that is worth it."""
        items = list(items)
        if len(items) < 2 or not at_once:
            return [work(item) for item in items]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(work, items))


def _note(found: dict[Address, str], name: str, version: int, kind: str) -> None:
    """Note what is there under a number, where several files may say it."""
    before = found.get((name, version))
    if before is not None and {before, kind} == {"card", "removed"}:
        kind = "half-removed"
    elif before is not None and kind == "claim":
        kind = before
    found[name, version] = kind


def _same(card: Card, other: Card) -> bool:
    """Whether two cards say the same of the same weights.

    What something was made of is known by its weights, whatever their name in the catalogue; but where they had none
    there, and now have one, that is new.
    """
    lineage, before = card.lineage, other.lineage
    if lineage and before and before.parent and lineage.digest and lineage.digest == before.digest:
        lineage = replace(lineage, parent=before.parent, shared=before.shared)
    described = replace(card, created=other.created, environment=other.environment, origin=other.origin)
    return replace(described, version=other.version, lineage=lineage) == other


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).partition("\n")[0][:200]
