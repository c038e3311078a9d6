"""Search by words in plain tables, for a SQLite that was built without full-text search; see `Finder`."""

from collections.abc import Sequence

from sqlalchemy import Connection, Integer, column, text
from sqlalchemy.sql.expression import Subquery

# Of a word in what a model is called, against one in what is known of it; as `Fts5` weighs them.
_CALLED, _KNOWN = 10, 1


class PlainWords:
    """A table of words, each with the entries that have it."""

    def create(self, connection: Connection) -> None:
        """The table, in the order of words."""
        connection.execute(
            text(
                "CREATE TABLE IF NOT EXISTS regraft_words (word text, number integer, weight integer, "
                "PRIMARY KEY (word, number)) WITHOUT ROWID"
            )
        )
        connection.execute(text("CREATE INDEX IF NOT EXISTS regraft_words_number ON regraft_words(number)"))

    def put(self, connection: Connection, number: int, called: str, known: str) -> None:
        """One row for each different word."""
        weights = {**dict.fromkeys(known.split(), _KNOWN), **dict.fromkeys(called.split(), _CALLED)}
        rows = [{"word": word, "number": number, "weight": weight} for word, weight in weights.items()]
        if rows:
            connection.execute(text("INSERT INTO regraft_words VALUES (:word, :number, :weight)"), rows)

    def drop(self, connection: Connection, numbers: Sequence[int]) -> None:
        """Without the rows of these entries."""
        for number in numbers:
            connection.execute(text("DELETE FROM regraft_words WHERE number = :number"), {"number": number})

    def matching(self, words: Sequence[str]) -> Subquery:
        """The entries that have all words, the heaviest first."""
        each = " INTERSECT ".join(f"SELECT number FROM regraft_words WHERE {_range(at)}" for at in range(len(words)))
        any_of = " OR ".join(f"({_range(at)})" for at in range(len(words)))
        values = {f"low{at}": word for at, word in enumerate(words)}
        # Behind all that begin with the word.
        values |= {f"high{at}": f"{word}\U0010ffff" for at, word in enumerate(words)}
        found = text(
            f"SELECT number, -sum(weight) AS rank FROM regraft_words WHERE ({any_of}) AND number IN ({each}) "
            "GROUP BY number"
        ).bindparams(**values)
        return found.columns(column("number", Integer), column("rank")).subquery("found")


def _range(at: int) -> str:
    return f"word >= :low{at} AND word < :high{at}"
