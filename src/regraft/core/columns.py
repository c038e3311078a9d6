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
        group: the column that says which examples belong together, for a pretraining that learns from that; it is
            neither read nor a label.

    >>> Columns(label="species").of_text
    False
    """

    label: str | None = None
    text: str | None = None
    features: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    header: bool = True
    encoding: str = "utf-8"
    group: str | None = None

    def __post_init__(self) -> None:
        """Refuse a text beside features, a column named twice, and the label or the group among what is read."""
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
        if self.group is not None and self.group in (self.label, *read, *self.categories):
            role = "the label" if self.group == self.label else "one that is read"
            raise RequestError(f"the column '{self.group}' cannot be both the group and {role}; name another one")

    @property
    def of_text(self) -> bool:
        """Whether texts are read."""
        return self.text is not None

    @property
    def read(self) -> tuple[str, ...]:
        """The columns that an example is made of, where they are stated."""
        return (self.text,) if self.text is not None else self.features


Said = Columns | Mapping[str, Any] | None


def of(said: Said, grouped: bool = False) -> Columns | None:
    """Columns, from a dictionary with the same words too.

    Args:
        said: what is said of them.
        grouped: whether a column of groups may be said; nothing else than a pretraining reads one.

    Raises:
        RequestError: it has other words, or what they say does not go together, or nothing reads the groups.

    >>> of({"text": "message", "features": []}) == Columns(text="message")
    True
    """
    made = said if said is None or isinstance(said, Columns) else plain.from_plain(Columns, dict(said), "columns")
    if made is not None and made.group is not None and not grouped:
        raise RequestError(
            f"the column of groups '{made.group}' is read by pretraining alone, by the method pairs; leave it out"
        )
    return made


def named(text: str | Sequence[str]) -> tuple[str, ...]:
    """Names of columns: a sequence of them, or a text with commas between them.

    >>> named("age, weight"), named(["a,b"])
    (('age', 'weight'), ('a,b',))
    """
    return tuple(part.strip() for part in text.split(",") if part.strip()) if isinstance(text, str) else tuple(text)
