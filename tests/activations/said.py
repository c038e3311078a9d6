"""What is said and warned of while a block runs."""

import contextlib
from collections.abc import Generator, Iterable, Iterator
from typing import TypeVar

from regraft.core.progress import Description, shown_by

T = TypeVar("T")


class _Hearing:
    def __init__(self) -> None:
        self.said: list[str] = []

    def track(self, items: Iterable[T], description: Description, total: int | None) -> Iterator[T]:
        yield from items

    def say(self, message: str) -> None:
        self.said.append(message)

    def warn(self, message: str) -> None:
        self.said.append(message)


@contextlib.contextmanager
def saying() -> Generator[list[str]]:
    """The lines, in their order."""
    hearing = _Hearing()
    with shown_by(hearing):
        yield hearing.said
