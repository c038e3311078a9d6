"""Ctrl-C where work can end in good order: the first is noted, the second is what it always was."""

import contextlib
import signal
import threading
from collections.abc import Callable, Generator
from types import FrameType

from regraft.core.progress import say


@contextlib.contextmanager
def noted(message: str) -> Generator[Callable[[], bool]]:
    """Let the block end its work by itself on Ctrl-C; a second one interrupts it as anywhere else.

    Only Python's main thread hears of Ctrl-C; in others nothing is changed.

    Args:
        message: said at the first.

    Yields:
        Whether there was one.
    """
    heard = False
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.getsignal(signal.SIGINT)
    if not callable(before):
        yield lambda: False
        return

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal heard
        if heard:
            before(number, frame)
            return
        heard = True
        say(message)

    signal.signal(signal.SIGINT, hear)
    try:
        yield lambda: heard
    finally:
        signal.signal(signal.SIGINT, before)
