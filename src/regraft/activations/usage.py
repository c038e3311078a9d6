"""What an entry was good for: lines that are added to a file in its folder, and put together when they are many.

Several processes may add at once. Where one is killed, or the file cannot be had, a line is lost: what this counts is
about right, and nothing depends on it.
"""

import contextlib
import json
import os
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from regraft.activations import locking
from regraft.core import storage

FILE = "used.jsonl"
_MANY_BYTES = 16_384
_SETS = 8
_ATTEMPTS, _PAUSE = 50, 0.002


@dataclass(frozen=True, slots=True)
class Usage:
    """What an entry was good for.

    Attributes:
        computed: examples that were computed.
        seconds: what computing them took.
        served: examples that were found here instead of being computed.
        data: the sets of examples that they belonged to, the latest last.
        sources: where the networks came from, the latest last.
    """

    computed: int = 0
    seconds: float = 0.0
    served: int = 0
    data: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def saved_seconds(self) -> float:
        """What computing would have taken where examples were found."""
        return self.served * self.seconds / self.computed if self.computed else 0.0


def add(folder: Path, usage: Usage) -> None:
    """Add to what is known of an entry; where nothing can be written there, nothing is.

    Args:
        folder: of the entry.
        usage: what there was since.
    """
    with contextlib.suppress(OSError), _mine(folder / FILE) as number:
        if number is not None:
            os.write(number, _line(usage))
            if os.fstat(number).st_size > _MANY_BYTES:
                whole = _line(read(folder))
                storage.write_with(folder / FILE, lambda partial: partial.write_bytes(whole), durable=False)


def read(folder: Path) -> Usage:
    """What is known of an entry; lines that make no sense are passed over."""
    try:
        lines = (folder / FILE).read_bytes().splitlines()
    except OSError:
        return Usage()
    return _sum(found for found in map(_parsed, lines) if found is not None)


@contextlib.contextmanager
def _mine(path: Path) -> Generator[int | None]:
    """The file, for adding to it, locked against other processes; None where another one does not let go of it."""
    for _ in range(_ATTEMPTS):
        number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            if locking.locked(number) and _is_at(number, path):
                yield number
                return
        finally:
            os.close(number)
        time.sleep(_PAUSE)
    yield None


def _is_at(number: int, path: Path) -> bool:
    """Whether the file that was opened still has this name; another process may have put it together."""
    try:
        return os.path.samestat(os.fstat(number), path.stat())
    except FileNotFoundError:
        return False


def _line(usage: Usage) -> bytes:
    said = {"computed": usage.computed, "seconds": round(usage.seconds, 6), "served": usage.served}
    return json.dumps(said | {"data": list(usage.data), "sources": list(usage.sources)}).encode() + b"\n"


def _parsed(line: bytes) -> Usage | None:
    try:
        said: Any = json.loads(line)
        # What was written before sources were noted has none.
        data, sources = (tuple(str(name) for name in names) for names in (said["data"], said.get("sources", ())))
        return Usage(int(said["computed"]), float(said["seconds"]), int(said["served"]), data, sources)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _sum(parts: Iterable[Usage]) -> Usage:
    whole = Usage()
    for part in parts:
        whole = Usage(
            whole.computed + part.computed,
            whole.seconds + part.seconds,
            whole.served + part.served,
            _latest(whole.data, part.data),
            _latest(whole.sources, part.sources),
        )
    return replace(whole, seconds=round(whole.seconds, 6))


def _latest(before: tuple[str, ...], now: tuple[str, ...]) -> tuple[str, ...]:
    """Names, the latest last, each once, and not too many."""
    return (tuple(name for name in before if name not in now) + now)[-_SETS:]
