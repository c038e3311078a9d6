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
    try:
        with _raised_again():
            yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def _raised_again() -> Generator[None]:
    """Raise Ctrl-C once more where Python ran what cannot raise when it came, as JAX does when garbage is collected."""
    before, waiting = sys.unraisablehook, list[threading.Timer]()

    def told(said: Any) -> None:
        global _lost
        if not issubclass(said.exc_type, KeyboardInterrupt):
            before(said)
            return
        _lost = True
        waiting.append(threading.Timer(_AGAIN, _sent))
        waiting[-1].daemon = True
        waiting[-1].start()

    sys.unraisablehook = told
    try:
        yield
    finally:
        sys.unraisablehook = before
        # The work is done: it must not hit what comes after.
        for timer in waiting:
            timer.cancel()


def _sent() -> None:
    """Send Ctrl-C to the main thread, which it wakes where that waits for something."""
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)


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
    global _count, _lost
    if _lost:
        _lost = False
        raise KeyboardInterrupt
    _count += 1
    if _count > 1:
        os.write(2, f"\nregraft: {_MESSAGE}\n".encode())
        os._exit(STATUS)
    raise KeyboardInterrupt
