"""Who computes what: a second process waits for the first instead of computing the same activations.

A lease is a lock of the operating system on a file in the key's folder, which dies with the process that holds it,
however that ends. It says who holds it and is touched while that process lives and moves; a holder that stands still is
not waited for. Leases save work, no more: whoever goes on without one only computes something twice.
"""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regraft.activations.locking import AVAILABLE, locked
from regraft.core import storage
from regraft.core.progress import say

FILE = "computing.lease"
# Seconds: how often a holder says that it lives, after which silence it is not waited for, how often one looks.
BEAT, SILENCE, LOOK = 5.0, 60.0, 0.2
# One that has this many times as much to do is not waited for either.
_MUCH_MORE = 4

# Folders that this process computes for: it never waits for itself.
_MINE: set[Path] = set()
_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease, as its file says; a field that it does not say is empty.

    Attributes:
        process: its number.
        host: where it runs.
        examples: how many it set out to compute.
    """

    process: int = 0
    host: str = ""
    examples: int = 0

    def __str__(self) -> str:
        """For people."""
        there = f" on {self.host}" if self.host and self.host != socket.gethostname() else ""
        return f"process {self.process}{there}" if self.process else "another process"


@contextlib.contextmanager
def computing(folders: Mapping[Path, int]) -> Generator[bool]:
    """Hold the leases of these folders while the block runs.

    They are taken in the order of their names, by everybody: so nobody waits for somebody who waits for them.

    Args:
        folders: with how many examples are to be computed for each.

    Yields:
        Whether somebody was waited for: then what is there is to be looked at anew.
    """
    if not AVAILABLE:
        yield False
        return
    waited = False
    with contextlib.ExitStack() as stack:
        numbers: list[int] = []
        for folder in sorted(folders):
            with _LOCK:
                mine = folder in _MINE
            number = None if mine else _opened(folder)
            if number is None:
                continue
            stack.callback(os.close, number)
            had_to, got = _wait(number, folders[folder])
            waited |= had_to
            if got:
                _say_who(number, folders[folder])
                # Of who held it and was killed; who writes here without a lease finds its file gone and makes another.
                storage.remove_abandoned(folder, SILENCE)
                stack.enter_context(_marked(folder))
                numbers.append(number)
        stack.enter_context(_beating(numbers))
        yield waited


def holder(folder: Path) -> Holder | None:
    """Who computes for a folder just now; None where nobody does, or where that cannot be told."""
    if not AVAILABLE:
        return None
    try:
        number = os.open(folder / FILE, os.O_RDWR)
    except OSError:
        return None
    try:
        return None if locked(number) else _who(number)
    finally:
        os.close(number)


def _opened(folder: Path) -> int | None:
    """The file of a lease; None where there can be none, and nobody is to be waited for."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / FILE, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        return None


def _wait(number: int, examples: int) -> tuple[bool, bool]:
    """Whether one had to wait, and whether the lease was had in the end."""
    if locked(number):
        return False, True
    who = _who(number)
    if who.examples > _MUCH_MORE * examples:
        return False, False
    say(f"waiting for {who}, which computes the same activations")
    heard, beat = time.monotonic(), _beat(number)
    while not locked(number):
        if _beat(number) != beat:
            heard, beat = time.monotonic(), _beat(number)
        if time.monotonic() - heard > SILENCE:
            say(f"{who} stands still; its activations are computed here")
            return True, False
        time.sleep(LOOK)
    return True, True


def _beat(number: int) -> int:
    return os.fstat(number).st_mtime_ns


def _who(number: int) -> Holder:
    try:
        said: Any = json.loads(os.pread(number, 1000, 0))
        return Holder(int(said["process"]), str(said["host"]), int(said["examples"]))
    except (ValueError, KeyError, TypeError):
        return Holder()


def _say_who(number: int, examples: int) -> None:
    text = json.dumps({"process": os.getpid(), "host": socket.gethostname(), "examples": examples})
    # A full disk: then it is not said.
    with contextlib.suppress(OSError):
        os.ftruncate(number, 0)
        os.pwrite(number, text.encode(), 0)


@contextlib.contextmanager
def _marked(folder: Path) -> Generator[None]:
    with _LOCK:
        _MINE.add(folder)
    try:
        yield
    finally:
        with _LOCK:
            _MINE.discard(folder)


@contextlib.contextmanager
def _beating(numbers: list[int]) -> Generator[None]:
    """Touch these files now and then while the block runs."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT):
            for number in numbers:
                with contextlib.suppress(OSError):
                    os.utime(number)

    thread = threading.Thread(target=beat, name="lease", daemon=True)
    if numbers:
        thread.start()
    try:
        yield
    finally:
        over.set()
        if numbers:
            thread.join()
