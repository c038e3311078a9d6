"""Durations as people write them, `90s`, `10m`, `1.5h`, and the moment that a budget of them is counted from."""

import contextlib
import math
import re
import time
from collections.abc import Generator
from contextvars import ContextVar

from regraft.core.errors import RequestError

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_WRITTEN = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*([a-z]*)\s*")
_BEGUN: ContextVar[float | None] = ContextVar("begun", default=None)


def parse(text: str | float, what: str = "a duration") -> float:
    """Seconds.

    >>> parse("10m"), parse("1.5h"), parse(90)
    (600.0, 5400.0, 90.0)

    Args:
        text: a number of seconds, or a number and s, m or h.
        what: it is, for messages.

    Raises:
        RequestError: it is no duration, or not above zero.
    """
    if isinstance(text, str):
        found = _WRITTEN.fullmatch(text.lower())
        if found is None or found[2] not in _UNITS:
            raise RequestError(f"expected {what} such as 90s, 10m or 1h, found '{text}'")
        seconds = float(found[1]) * _UNITS[found[2]]
    else:
        seconds = float(text)
    if not 0 < seconds < math.inf:
        raise RequestError(f"expected {what} above zero, found '{text}'")
    return seconds


def words(seconds: float) -> str:
    """For people.

    >>> words(0.42), words(12.3), words(200), words(5400)
    ('0.4 s', '12 s', '3 min 20 s', '1 h 30 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    parts = [(hours, "h"), (minutes, "min"), (0 if hours else rest, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


@contextlib.contextmanager
def counted_from_here() -> Generator[None]:
    """Let time budgets within the block count what passes before the work begins, such as loading a framework."""
    token = _BEGUN.set(time.perf_counter())
    try:
        yield
    finally:
        _BEGUN.reset(token)


def waited() -> float:
    """Seconds that a budget which begins now has lost to what came before; 0 where nothing is counted."""
    begun = _BEGUN.get()
    return 0.0 if begun is None else time.perf_counter() - begun
