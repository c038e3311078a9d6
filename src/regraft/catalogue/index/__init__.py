"""What finds cards without reading them all: a database that can be made anew from them at any time."""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Connection
from sqlalchemy.sql.expression import Subquery


class Finder(Protocol):
    """Full-text search of one kind of database; all of them are given the same words, and find the same."""

    def create(self, connection: Connection) -> None:
        """Make the tables that it needs."""
        ...

    def put(self, connection: Connection, number: int, called: str, known: str) -> None:
        """Keep the words of an entry: what it is called counts more than what is known of it."""
        ...

    def drop(self, connection: Connection, numbers: Sequence[int]) -> None:
        """Forget the words of entries."""
        ...

    def matching(self, words: Sequence[str]) -> Subquery:
        """Columns `number` and `rank`, the smallest first, of the entries that have all these beginnings of words."""
        ...
