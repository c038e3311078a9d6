"""An index in a file: SQLite, with its full-text search FTS5."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, Integer, column, create_engine, event, text
from sqlalchemy.sql.expression import Subquery

from regraft.catalogue.index import Finder, library
from regraft.catalogue.index.plain_words import PlainWords

if TYPE_CHECKING:
    import sqlite3

# How long one waits for others who write, in milliseconds.
_PATIENCE = 60_000
# Of a word in what a model is called, against one in what is known of it.
_WEIGHTS = "10.0, 1.0"


def engine(file: Path) -> Engine:
    """What speaks to the file, which is made where it is not there; transactions are those that write.

    Raises:
        OSError: its folder cannot be made.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    # Kept open: whoever closes a file last tidies it up, which would be after every question.
    made = create_engine(f"sqlite:///{file}")

    @event.listens_for(made, "connect")
    def connected(connection: "sqlite3.Connection", _record: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        # Python's module begins transactions late, when two readers who are to write have met already.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {_PATIENCE}")
        connection.execute("PRAGMA journal_mode = WAL")
        # What a power cut takes is found again from the cards.
        connection.execute("PRAGMA synchronous = OFF")

    @event.listens_for(made, "begin")
    def begun(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return made


def finder() -> Finder:
    """The best search that the SQLite of this process has."""
    library.bind()
    import sqlite3

    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute("CREATE VIRTUAL TABLE trial USING fts5(words)")
        except sqlite3.OperationalError:
            return PlainWords()
    return Fts5()


def remove(file: Path) -> None:
    """Remove the file, and what SQLite keeps beside it."""
    for path in (file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")):
        path.unlink(missing_ok=True)


class Fts5:
    """Full-text search in SQLite; see `Finder`."""

    def create(self, connection: Connection) -> None:
        """A virtual table, whose rows have the numbers of the entries."""
        connection.execute(text("CREATE VIRTUAL TABLE IF NOT EXISTS regraft_words USING fts5(called, known)"))

    def put(self, connection: Connection, number: int, called: str, known: str) -> None:
        """One row."""
        connection.execute(
            text("INSERT INTO regraft_words(rowid, called, known) VALUES (:number, :called, :known)"),
            {"number": number, "called": called, "known": known},
        )

    def drop(self, connection: Connection, numbers: Sequence[int]) -> None:
        """Without these rows."""
        for number in numbers:
            connection.execute(text("DELETE FROM regraft_words WHERE rowid = :number"), {"number": number})

    def matching(self, words: Sequence[str]) -> Subquery:
        """Rows by BM25."""
        # Words have no marks in them, so that none needs to be escaped.
        query = " ".join(f'"{word}"*' for word in words)
        found = text(
            f"SELECT rowid AS number, bm25(regraft_words, {_WEIGHTS}) AS rank "
            "FROM regraft_words WHERE regraft_words MATCH :query"
        ).bindparams(query=query)
        return found.columns(column("number", Integer), column("rank")).subquery("found")
