"""Progress and messages, decoupled from how they are shown.

Work calls `track` and `say`; whoever runs it (the command line, a notebook, a test) decides with `shown_by` what
becomes of them. By default progress is quiet and messages go to the `regraft` logger.
"""

import contextlib
import contextvars
import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from typing import Protocol, TypeVar

T = TypeVar("T")

# What is done, or what says so anew after every item, with the figures that it came to.
Description = str | Callable[[], str]


class Reporter(Protocol):
    """Shows progress and messages."""

    def track(self, items: Iterable[T], description: Description, total: int | None) -> Iterator[T]:
        """Yield the items, showing how far one is, the rate and the remaining time."""
        ...

    def say(self, message: str) -> None:
        """Show one line of information."""
        ...

    def warn(self, message: str) -> None:
        """Show one line that the user should act on."""
        ...


class _Logging:
    def track(self, items: Iterable[T], description: Description, total: int | None) -> Iterator[T]:
        yield from items

    def say(self, message: str) -> None:
        logging.getLogger("regraft").info(message)

    def warn(self, message: str) -> None:
        logging.getLogger("regraft").warning(message)


_reporter: contextvars.ContextVar[Reporter] = contextvars.ContextVar("regraft_reporter")
# The collections that are open, the innermost first.
_collections: contextvars.ContextVar[tuple[list[str], ...]] = contextvars.ContextVar("regraft_warnings", default=())
_DEFAULT = _Logging()


def track(items: Iterable[T], description: Description, total: int | None = None) -> Iterator[T]:
    """Yield the items while the current reporter shows the progress.

    Args:
        items: what is gone through.
        description: what is done; where it is a function, it is asked again after every item.
        total: how many items there are, if they do not say so themselves.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    return _reporter.get(_DEFAULT).track(items, description, total)


def described(description: Description) -> str:
    """What a description says now."""
    return description if isinstance(description, str) else description()


def say(message: str) -> None:
    """Tell the user one line."""
    _reporter.get(_DEFAULT).say(message)


def warn(message: str) -> None:
    """Tell the user one line that asks for attention, and keep it for the records being collected, if any.

    While something is collecting, the same line is shown once only.
    """
    collections = _collections.get()
    # The outermost collection has all that the inner ones have: what is new there was not shown yet.
    new = not collections or message not in collections[-1]
    for kept in collections:
        if message not in kept:
            kept.append(message)
    if new:
        _reporter.get(_DEFAULT).warn(message)


@contextlib.contextmanager
def shown_by(reporter: Reporter) -> Generator[None]:
    """Let `reporter` show what happens inside the block."""
    token = _reporter.set(reporter)
    try:
        yield
    finally:
        _reporter.reset(token)


@contextlib.contextmanager
def collecting_warnings() -> Generator[list[str]]:
    """Collect the warnings given inside the block, each once; they are shown as well.

    Blocks may nest: a warning is kept by every block that is open. A thread starts with none open, unless it runs in a
    copy of the context (`contextvars.copy_context().run`).
    """
    kept: list[str] = []
    token = _collections.set((kept, *_collections.get()))
    try:
        yield kept
    finally:
        _collections.reset(token)


@contextlib.contextmanager
def unsaid() -> Generator[None]:
    """Show no message of what happens inside the block; warnings are collected all the same, and progress is shown.

    For work of which one has to tell in other words: many things of the same kind, each with the same to say.
    """
    with shown_by(_Unsaid(_reporter.get(_DEFAULT))):
        yield


class _Unsaid:
    def __init__(self, inner: Reporter) -> None:
        self.track = inner.track

    def say(self, message: str) -> None:
        pass

    def warn(self, message: str) -> None:
        pass


class Stopped(Exception):  # noqa: N818 - no error, but a wish
    """What was going on was stopped between two steps, by whoever asked for it."""


@contextlib.contextmanager
def stopping(when: Callable[[], bool]) -> Generator[None]:
    """Stop whatever is tracked inside the block between two steps, once that is wished.

    So a pass of minutes ends in a moment, in good order, whoever runs it.

    Args:
        when: whether it is, asked before every step.

    Raises:
        Stopped: inside the block.
    """
    with shown_by(_Stopping(_reporter.get(_DEFAULT), when)):
        yield


class _Stopping:
    def __init__(self, inner: Reporter, when: Callable[[], bool]) -> None:
        self._inner, self._when = inner, when
        self.say, self.warn = inner.say, inner.warn

    def track(self, items: Iterable[T], description: Description, total: int | None) -> Iterator[T]:
        for item in self._inner.track(items, description, total):
            if self._when():
                raise Stopped(described(description))
            yield item
