"""Ctrl-C: the work stops at once, one line says how to go on."""

import contextlib
import os
import shlex
import signal
import threading
from collections.abc import Generator
from pathlib import Path
from types import FrameType

STATUS = 130
_MESSAGE = "interrupted"

_count = 0


class Interrupted(Exception):  # noqa: N818 - no error, but the user's wish
    """The user stopped the work; the message says how it can be gone on with."""


@contextlib.contextmanager
def watched() -> Generator[None]:
    """Notice Ctrl-C inside the block, even where a library turns the exception into one of its own.

    The second time the process ends at once.
    """
    global _count
    _count = 0
    if threading.current_thread() is not threading.main_thread() or (
        signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return
    signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def resumable(folder: Path) -> Generator[None]:
    """Say how to go on with the run in a folder when the block is interrupted.

    Raises:
        Interrupted: it was, and there is something to go on with.
    """
    try:
        yield
    except BaseException as error:
        from regraft.formats.folders import is_pretraining
        from regraft.recipes import run_folder

        if is_one(error) and (run_folder.is_begun(folder) or is_pretraining(folder)):
            raise Interrupted(f"{_MESSAGE}; `regraft resume {shlex.quote(str(folder))}` goes on from here") from error
        raise


def is_one(error: BaseException) -> bool:
    """Whether an exception comes of Ctrl-C."""
    return isinstance(error, (KeyboardInterrupt, Interrupted)) or _count > 0


def message(error: BaseException) -> str:
    """The line about it."""
    return str(error) if isinstance(error, Interrupted) else _MESSAGE


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _count
    _count += 1
    if _count > 1:
        os.write(2, f"\nregraft: {_MESSAGE}\n".encode())
        os._exit(STATUS)
    raise KeyboardInterrupt
