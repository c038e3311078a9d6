"""Progress and messages, decoupled from how they are shown.

Work calls `track` and `say`; whoever runs it (the command line, a notebook, a test) decides with `shown_by` what becomes of
them. By default progress is quiet and messages go to the `regraft` logger.
"""

import contextlib
import contextvars
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Reporter(Protocol):
    """Shows progress and messages."""

    def track(self, items: Iterable[T], description: str, total: int | None) -> Iterator[T]:
        """Yield the items, showing how far one is, the rate and the remaining time."""
        ...

    def say(self, message: str) -> None:
        """Show one line of information."""
        ...

    def warn(self, message: str) -> None:
        """Show one line that the user should act on."""
        ...


class _Logging:
    def track(self, items: Iterable[T], description: str, total: int | None) -> Iterator[T]:
        yield from items

    def say(self, message: str) -> None:
        logging.getLogger("regraft").info(message)

    def warn(self, message: str) -> None:
        logging.getLogger("regraft").warning(message)


_reporter: contextvars.ContextVar[Reporter] = contextvars.ContextVar("regraft_reporter")
_warnings: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("regraft_warnings", default=None)
_DEFAULT = _Logging()


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield the items while the current reporter shows the progress."""
    if total is None and isinstance(items, Sequence):
        total = len(items)
    return _reporter.get(_DEFAULT).track(items, description, total)


def say(message: str) -> None:
    """Tell the user one line."""
    _reporter.get(_DEFAULT).say(message)


def warn(message: str) -> None:
    """Tell the user one line that asks for attention, and keep it for the record being collected, if any."""
    kept = _warnings.get()
    if kept is not None:
        if message in kept:
            return
        kept.append(message)
    _reporter.get(_DEFAULT).warn(message)


@contextlib.contextmanager
def shown_by(reporter: Reporter) -> Iterator[None]:
    """Let `reporter` show what happens inside the block."""
    token = _reporter.set(reporter)
    try:
        yield
    finally:
        _reporter.reset(token)


@contextlib.contextmanager
def collecting_warnings() -> Iterator[list[str]]:
    """Collect the warnings given inside the block, each once; they are shown as well."""
    kept: list[str] = []
    token = _warnings.set(kept)
    try:
        yield kept
    finally:
        _warnings.reset(token)
