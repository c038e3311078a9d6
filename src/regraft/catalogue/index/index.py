"""Lines about cards in a database: put in, forgotten, filtered, searched."""

import contextlib
import json
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Select, delete, func, insert, select, update

from regraft.catalogue import entry as entries
from regraft.catalogue.entry import Entry
from regraft.catalogue.index import Finder, tables
from regraft.catalogue.index.tables import ENTRIES, STATE, TAGS, UNREADABLE, USES
from regraft.core import card as cards
from regraft.core import plain
from regraft.core.card import Card

Address = tuple[str, int]

# A question may have so many values in it.
_AT_ONCE = 500
# A number for PostgreSQL, of no meaning but that it is ours.
_LOCK = 7_236_726
_FORMAT, _STAMP, _WHEN = "format", "stamp", "synced"
# Of the tables, and of the cards that lines are made of.
_MINE = f"{tables.FORMAT}.{cards.FORMAT}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What entries must be like; None and empty: anything.

    Attributes:
        kind: what they were added from.
        task: what they do; any case.
        licence: under which they may be used; any case.
        tags: all of which they have; any case.
        classes: how many they tell apart.
        most_parameters: elements of all variables, at most.
        least_accuracy: on the test split, or else on validation, at least; what was not measured is left out.
        versions: older ones too.
    """

    kind: str | None = None
    task: str | None = None
    licence: str | None = None
    tags: tuple[str, ...] = ()
    classes: int | None = None
    most_parameters: int | None = None
    least_accuracy: float | None = None
    versions: bool = False


class Index:
    """An index of cards.

    Args:
        engine: of the database.
        finder: its full-text search.
    """

    def __init__(self, engine: Engine, finder: Finder) -> None:
        self._engine = engine
        self._finder = finder
        self._create()

    def known(self) -> tuple[str | None, float]:
        """The stamp of the cards that it knows, None where it knows none, and when it last looked at all of them."""
        with self._reading() as connection:
            said = {str(key): str(value) for key, value in connection.execute(select(STATE.c.key, STATE.c.value))}
        return said.get(_STAMP), float(said.get(_WHEN, "0"))

    def addresses(self) -> set[Address]:
        """Names and versions of all cards that it knows, unreadable ones included."""
        with self._reading() as connection:
            found = [connection.execute(select(table.c.name, table.c.version)) for table in (ENTRIES, UNREADABLE)]
            return {(str(name), int(version)) for rows in found for name, version in rows}

    def put(self, new: Iterable[Card], unreadable: Mapping[Address, str] | None = None) -> None:
        """Put in cards; one that is there stays as it is."""
        new = list(new)
        with self._writing() as connection:
            for card in new:
                self._put(connection, card)
            for (name, version), reason in (unreadable or {}).items():
                self._forget_unreadable(connection, name, version)
                connection.execute(insert(UNREADABLE).values(name=name, version=version, reason=reason))
            _mark_latest(connection, {card.name for card in new})

    def drop(self, gone: Iterable[Address]) -> None:
        """Forget cards."""
        gone = list(gone)
        if not gone:
            return
        with self._writing() as connection:
            numbers: list[int] = []
            for name, version in gone:
                numbers += connection.scalars(
                    select(ENTRIES.c.number).where(ENTRIES.c.name == name, ENTRIES.c.version == version)
                )
                self._forget_unreadable(connection, name, version)
            for table in (ENTRIES, USES, TAGS):
                for number in numbers:
                    connection.execute(delete(table).where(table.c.number == number))
            self._finder.drop(connection, numbers)
            _mark_latest(connection, {name for name, _ in gone})

    def know(self, stamp: str | None) -> None:
        """Note that it knows all cards that there were when they had this stamp."""
        with self._writing() as connection:
            _say(connection, _STAMP, stamp)
            _say(connection, _WHEN, repr(time.time()))

    def forget(self) -> None:
        """Forget everything, so that all cards are looked at anew."""
        with self._writing() as connection:
            numbers = list(connection.scalars(select(ENTRIES.c.number)))
            self._finder.drop(connection, numbers)
            for table in (ENTRIES, USES, TAGS, UNREADABLE, STATE):
                connection.execute(delete(table))
            _say(connection, _FORMAT, _MINE)

    def search(self, text: str, filters: Filters, limit: int | None = None) -> tuple[Entry, ...]:
        """The entries that have all words of a text, or their beginnings, the best first; without a text by name."""
        words = entries.asked(text)
        if not words and text.strip():
            return ()
        chosen = select(ENTRIES.c.number)
        if words:
            found = self._finder.matching(words)
            chosen = chosen.join(found, found.c.number == ENTRIES.c.number).order_by(found.c.rank)
        chosen = _filtered(chosen, filters).order_by(ENTRIES.c.name, ENTRIES.c.version.desc()).limit(limit)
        with self._reading() as connection:
            # Lines are long: only those that are wanted are read, once all are in their order.
            numbers = list(connection.scalars(chosen))
            lines: dict[int, str] = {}
            for start in range(0, len(numbers), _AT_ONCE):
                some = select(ENTRIES.c.number, ENTRIES.c.line).where(
                    ENTRIES.c.number.in_(numbers[start : start + _AT_ONCE])
                )
                lines |= {int(number): str(line) for number, line in connection.execute(some)}
        return tuple(_entry(lines[number]) for number in numbers if number in lines)

    def by_digest(self, digest: str) -> tuple[Entry, ...]:
        """The entries whose weights have a digest, the oldest first."""
        chosen = select(ENTRIES.c.line).where(ENTRIES.c.digest == digest).order_by(ENTRIES.c.number)
        with self._reading() as connection:
            return tuple(_entry(line) for line in connection.scalars(chosen))

    def children(self, address: str) -> tuple[Entry, ...]:
        """The entries that were made of another, by name."""
        chosen = select(ENTRIES.c.line).where(ENTRIES.c.parent == address).order_by(ENTRIES.c.name, ENTRIES.c.version)
        with self._reading() as connection:
            return tuple(_entry(line) for line in connection.scalars(chosen))

    def versions(self, name: str) -> tuple[Entry, ...]:
        """The entries of a name, the latest first."""
        chosen = select(ENTRIES.c.line).where(ENTRIES.c.name == name).order_by(ENTRIES.c.version.desc())
        with self._reading() as connection:
            return tuple(_entry(line) for line in connection.scalars(chosen))

    def names(self) -> list[str]:
        """All names, in their order."""
        with self._reading() as connection:
            return list(connection.scalars(select(ENTRIES.c.name).distinct().order_by(ENTRIES.c.name)))

    def sharing(self, digests: Iterable[str]) -> dict[str, int]:
        """By `NAME@VERSION`, how many of these parts an entry has; the one with the most first, then the oldest."""
        counts: dict[int, int] = {}
        with self._reading() as connection:
            for digest in set(digests):
                for number in connection.scalars(select(USES.c.number).where(USES.c.digest == digest)):
                    counts[number] = counts.get(number, 0) + 1
            ordered = sorted(counts, key=lambda number: (-counts[number], number))
            made: dict[str, int] = {}
            for number in ordered:
                row = connection.execute(
                    select(ENTRIES.c.name, ENTRIES.c.version).where(ENTRIES.c.number == number)
                ).first()
                if row is not None:
                    made[f"{row[0]}@{row[1]}"] = counts[number]
        return made

    def unreadable(self) -> dict[str, str]:
        """By `NAME@VERSION`, why a card that is there cannot be read."""
        with self._reading() as connection:
            rows = connection.execute(select(UNREADABLE.c.name, UNREADABLE.c.version, UNREADABLE.c.reason))
            return {f"{name}@{version}": str(reason) for name, version, reason in rows}

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def _put(self, connection: Connection, card: Card) -> None:
        self._forget_unreadable(connection, card.name, card.version)
        there = select(ENTRIES.c.number).where(ENTRIES.c.name == card.name, ENTRIES.c.version == card.version)
        if connection.scalar(there) is not None:
            return
        line = entries.of(card)
        row = {
            name: getattr(line, name)
            for name in (
                *("name", "version", "kind", "digest", "created", "task"),
                *("licence", "classes", "parameters", "accuracy", "parent"),
            )
        }
        made = connection.execute(insert(ENTRIES).values(**row, latest=False, line=plain.to_json(line, indent=None)))
        number = int(made.inserted_primary_key[0])  # pyright: ignore[reportOptionalSubscript] - there is one
        uses = [{"number": number, "digest": digest} for digest in card.parts]
        connection.execute(insert(USES), uses)
        if card.tags:
            connection.execute(insert(TAGS), [{"number": number, "tag": tag} for tag in dict.fromkeys(card.tags)])
        self._finder.put(connection, number, *entries.words(card))

    def _forget_unreadable(self, connection: Connection, name: str, version: int) -> None:
        connection.execute(delete(UNREADABLE).where(UNREADABLE.c.name == name, UNREADABLE.c.version == version))

    def _create(self) -> None:
        with self._reading() as connection:
            ready = self._engine.dialect.has_table(connection, STATE.name)
            made_for = connection.scalar(select(STATE.c.value).where(STATE.c.key == _FORMAT)) if ready else None
        if made_for == _MINE:
            return
        with self._writing() as connection:
            if made_for is not None:
                connection.exec_driver_sql("DROP TABLE IF EXISTS regraft_words")
                tables.METADATA.drop_all(connection, [ENTRIES, USES, TAGS, UNREADABLE, STATE])
            tables.METADATA.create_all(connection, [ENTRIES, USES, TAGS, UNREADABLE, STATE])
            self._finder.create(connection)
            _say(connection, _FORMAT, _MINE)

    def _reading(self) -> AbstractContextManager[Connection]:
        return self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    @contextlib.contextmanager
    def _writing(self) -> Generator[Connection]:
        """A transaction while which nobody else writes: two who put in the same card would be in each other's way."""
        with self._engine.begin() as connection:
            if self._engine.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            yield connection


def _mark_latest(connection: Connection, names: Iterable[str]) -> None:
    for name in names:
        newest = select(func.max(ENTRIES.c.version)).where(ENTRIES.c.name == name).scalar_subquery()
        connection.execute(update(ENTRIES).where(ENTRIES.c.name == name).values(latest=ENTRIES.c.version == newest))


def _filtered(chosen: Select[Any], filters: Filters) -> Select[Any]:
    for name in ("kind", "classes"):
        if (wanted := getattr(filters, name)) is not None:
            chosen = chosen.where(ENTRIES.c[name] == wanted)
    for name in ("task", "licence"):
        if (wanted := getattr(filters, name)) is not None:
            chosen = chosen.where(func.lower(ENTRIES.c[name]) == func.lower(wanted))
    for tag in filters.tags:
        tagged = select(TAGS.c.number).where(func.lower(TAGS.c.tag) == func.lower(tag))
        chosen = chosen.where(ENTRIES.c.number.in_(tagged))
    if filters.most_parameters is not None:
        chosen = chosen.where(ENTRIES.c.parameters <= filters.most_parameters)
    if filters.least_accuracy is not None:
        chosen = chosen.where(ENTRIES.c.accuracy >= filters.least_accuracy)
    return chosen if filters.versions else chosen.where(ENTRIES.c.latest)


def _say(connection: Connection, key: str, value: str | None) -> None:
    connection.execute(delete(STATE).where(STATE.c.key == key))
    if value is not None:
        connection.execute(insert(STATE).values(key=key, value=value))


def _entry(line: str) -> Entry:
    return plain.from_plain(Entry, json.loads(line))
