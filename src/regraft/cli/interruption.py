"""Ctrl-C: the work stops at once, one line says how to go on."""

import contextlib
import os
import shlex
import signal
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from types import FrameType
from typing import Any

STATUS = 130
_MESSAGE = "interrupted"

# So long after Ctrl-C came where Python cannot raise it, it is tried again.
_AGAIN = 0.05

_count = 0
_lost = False


class Interrupted(Exception):  # noqa: N818 - no error, but the user's wish
    """The user stopped the work; the message says how it can be gone on with."""


@contextlib.contextmanager
def watched() -> Generator[None]:
    """Notice Ctrl-C inside the block, even where a library turns the exception into one of its own, or Python drops it.

    The second time the process ends at once.
    """
    global _count, _lost
    _count, _lost = 0, False
    if threading.current_thread() is not threading.main_thread() or (
        signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return
    signal.signal(signal.SIGINT, _interrupt)
    told, sys.unraisablehook = sys.unraisablehook, _unraisable
    try:
        yield
    finally:
        sys.unraisablehook = told
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


def _unraisable(said: Any) -> None:
    """Ctrl-C that came while Python ran what cannot raise, as JAX does whenever garbage is collected: once more."""
    global _lost
    if not (isinstance(said.exc_type, type) and issubclass(said.exc_type, KeyboardInterrupt)):
        sys.__unraisablehook__(said)
        return
    _lost = True
    again = threading.Timer(_AGAIN, signal.raise_signal, (signal.SIGINT,))
    again.daemon = True
    again.start()


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _count, _lost
    if _lost:
        _lost = False
        raise KeyboardInterrupt
    _count += 1
    if _count > 1:
        os.write(2, f"\nregraft: {_MESSAGE}\n".encode())
        os._exit(STATUS)
    raise KeyboardInterrupt
