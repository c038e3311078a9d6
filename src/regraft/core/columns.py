"""Which columns of a table are what, and how its file is written: what a user says of texts and rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from regraft.core import plain
from regraft.core.errors import RequestError


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table of texts, or of numbers and categories.

    As a user says it, what is left out is found by the names of the columns. As `Examples` have it, `label` and either
    `text` or `features` are stated.

    Attributes:
        label: the column that says the class.
        text: the column that is read as text; then nothing else of a row is looked at.
        features: the columns whose numbers and categories are read; empty: all others.
        categories: those of them whose numbers are codes, not amounts.
        header: whether the first line names the columns; without, they are called 1, 2, 3 and so on.
        encoding: of the file's text, as Python calls it.

    >>> Columns(label="species").of_text
    False
    """

    label: str | None = None
    text: str | None = None
    features: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    header: bool = True
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        """Refuse a text beside features, a column named twice, and the label among what is read."""
        if self.text is not None and (self.features or self.categories):
            raise RequestError(
                f"expected either a column of text or columns of numbers and categories, found '{self.text}' and "
                f"{', '.join(self.features or self.categories)}; leave out the one or the other"
            )
        read = (self.text,) if self.text is not None else self.features
        twice = next((name for name in read if read.count(name) > 1), None)
        if twice is not None:
            raise RequestError(f"expected each column once, found '{twice}' twice")
        if self.label is not None and self.label in read:
            raise RequestError(f"the column '{self.label}' cannot be both the label and what it is told from")

    @property
    def of_text(self) -> bool:
        """Whether texts are read."""
        return self.text is not None

    @property
    def read(self) -> tuple[str, ...]:
        """The columns that an example is made of, where they are stated."""
        return (self.text,) if self.text is not None else self.features


Said = Columns | Mapping[str, Any] | None


def of(said: Said) -> Columns | None:
    """Columns, from a dictionary with the same words too.

    Raises:
        RequestError: it has other words, or what they say does not go together.

    >>> of({"text": "message", "features": []}) == Columns(text="message")
    True
    """
    return said if said is None or isinstance(said, Columns) else plain.from_plain(Columns, dict(said), "columns")


def named(text: str | Sequence[str]) -> tuple[str, ...]:
    """Names of columns: a sequence of them, or a text with commas between them.

    >>> named("age, weight"), named(["a,b"])
    (('age', 'weight'), ('a,b',))
    """
    return tuple(part.strip() for part in text.split(",") if part.strip()) if isinstance(text, str) else tuple(text)
