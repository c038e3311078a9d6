"""An index in a PostgreSQL server, with its full-text search."""

from collections.abc import Sequence

from sqlalchemy import Connection, Integer, column, text
from sqlalchemy.sql.expression import Subquery


class TsVector:
    """Full-text search in PostgreSQL; see `Finder`."""

    def create(self, connection: Connection) -> None:
        """A table of vectors of words, with an inverted index."""
        connection.execute(
            text(
                "CREATE TABLE IF NOT EXISTS regraft_words (number integer PRIMARY KEY, words tsvector NOT NULL);"
                "CREATE INDEX IF NOT EXISTS regraft_words_found ON regraft_words USING gin (words)"
            )
        )

    def put(self, connection: Connection, number: int, called: str, known: str) -> None:
        """One row."""
        connection.execute(
            text(
                "INSERT INTO regraft_words(number, words) VALUES (:number, "
                "setweight(to_tsvector('simple', :called), 'A') || setweight(to_tsvector('simple', :known), 'D'))"
            ),
            {"number": number, "called": called, "known": known},
        )

    def drop(self, connection: Connection, numbers: Sequence[int]) -> None:
        """Without these rows."""
        connection.execute(text("DELETE FROM regraft_words WHERE number = ANY(:numbers)"), {"numbers": list(numbers)})

    def matching(self, words: Sequence[str]) -> Subquery:
        """Rows by how often and where the words are there."""
        # Words have no marks in them, so that none needs to be escaped.
        query = " & ".join(f"'{word}':*" for word in words)
        found = text(
            "SELECT number, -ts_rank(words, to_tsquery('simple', :query)) AS rank "
            "FROM regraft_words WHERE words @@ to_tsquery('simple', :query)"
        ).bindparams(query=query)
        return found.columns(column("number", Integer), column("rank")).subquery("found")
