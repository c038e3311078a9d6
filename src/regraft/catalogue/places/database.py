"""A table of a PostgreSQL server."""

import contextlib
from collections.abc import Generator, Iterator

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from regraft.catalogue.places import Found
from regraft.core.errors import StorageError

_CREATE = """
CREATE TABLE IF NOT EXISTS regraft_objects (
    key text COLLATE "C" PRIMARY KEY, content bytea NOT NULL, touched timestamptz NOT NULL DEFAULT now()
)
"""
# Two who make the same table at once would be in each other's way.
_LOCK = "SELECT pg_advisory_xact_lock(7236725)"


class Database:
    """Rows of a table; see `Place`.

    Args:
        engine: of the server.
        address: for messages, without the password.
    """

    def __init__(self, engine: Engine, address: str) -> None:
        self._engine = engine
        self._address = address
        with self._connected("") as connection:
            connection.execute(text(_LOCK))
            connection.execute(text(_CREATE))

    @property
    def address(self) -> str:
        """Of the server."""
        return self._address

    def read(self, key: str) -> bytes | None:
        """The content of a row."""
        with self._connected(key) as connection:
            found = connection.scalar(text("SELECT content FROM regraft_objects WHERE key = :key"), {"key": key})
        return None if found is None else bytes(found)

    @property
    def is_far(self) -> bool:
        """A network lies between."""
        return True

    def put(self, key: str, content: bytes, durable: bool = True) -> None:
        """Write a row in place of the one that was there."""
        with self._connected(key) as connection:
            connection.execute(
                text(
                    "INSERT INTO regraft_objects(key, content) VALUES (:key, :content) "
                    "ON CONFLICT (key) DO UPDATE SET content = :content, touched = now()"
                ),
                {"key": key, "content": content},
            )

    def put_new(self, key: str, content: bytes) -> bool:
        """Write a row that is not there yet."""
        with self._connected(key) as connection:
            made = connection.execute(
                text("INSERT INTO regraft_objects(key, content) VALUES (:key, :content) ON CONFLICT DO NOTHING"),
                {"key": key, "content": content},
            )
            return made.rowcount == 1

    def touch(self, key: str) -> bool:
        """Whether the row is there; its time becomes now."""
        with self._connected(key) as connection:
            found = connection.execute(
                text("UPDATE regraft_objects SET touched = now() WHERE key = :key"), {"key": key}
            )
            return found.rowcount == 1

    def remove(self, key: str) -> None:
        """Remove a row."""
        with self._connected(key) as connection:
            connection.execute(text("DELETE FROM regraft_objects WHERE key = :key"), {"key": key})

    def keys(self, prefix: str) -> Iterator[Found]:
        """All rows whose key begins so."""
        with self._connected(prefix) as connection:
            rows = connection.execute(
                text(
                    "SELECT key, octet_length(content), extract(epoch FROM touched) FROM regraft_objects "
                    "WHERE key >= :prefix AND key < :behind"
                ),
                {"prefix": prefix, "behind": prefix[:-1] + chr(ord(prefix[-1]) + 1)},
            ).all()
        for key, size, touched in rows:
            yield Found(str(key), int(size), float(touched))

    def close(self) -> None:
        """End all connections."""
        self._engine.dispose()

    @contextlib.contextmanager
    def _connected(self, key: str) -> Generator[Connection]:
        """A transaction; what the server refuses, in one line."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise refusal(self._address, key, error) from error


def refusal(address: str, key: str, error: SQLAlchemyError) -> StorageError:
    """What a server says where it refuses, in one line, without the statement and what is in it."""
    said = " ".join(str(getattr(error, "orig", None) or error).split())[:300]
    about = f" '{key}'" if key else ""
    return StorageError(
        f"'{address}' refused{about}: {said}; see that address and password are right and that it can be reached"
    )
