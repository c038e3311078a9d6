"""Processes that end in the middle of their work, without the seconds that each would take to import frameworks.

One process imports them and computes nothing; whatever is to die is a fork of it, which is as new as one that was
started.
"""

import io
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

_ROOT = Path(__file__).resolve().parents[2]
# It answers each line, a script and its arguments, with the number of the fork that runs it, and with the status of
# that when it has ended, as `subprocess` tells it.
_FORKING = """
import json, os, sys, traceback
import regraft.recipes.running

for line in sys.stdin:
    script, *arguments = json.loads(line)
    process = os.fork()
    if not process:
        sys.argv[1:] = arguments
        os.dup2(2, 1)
        try:
            exec(script, {"__name__": "__main__"})
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(process, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""


class Fork:
    """A process that was forked; what it can do is named as in `subprocess`."""

    def __init__(self, answers: io.FileIO) -> None:
        self._answers = answers
        self._process = int(answers.readline())
        self._status: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """The status with which it ended: below zero, the signal that killed it.

        Raises:
            subprocess.TimeoutExpired: it is still at work after so many seconds.
        """
        if self._status is None:
            if timeout is not None and not select.select([self._answers], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a fork", timeout)
            self._status = int(self._answers.readline())
        return self._status

    def send_signal(self, number: int) -> None:
        if self._status is None:
            os.kill(self._process, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Forking:
    """A process of which others are forked, one after the other; it is started when the first is asked for."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, script: str, *arguments: str | Path) -> Fork:
        """A process that runs a script; none other is started before it has ended."""
        if self._process is None:
            command = [sys.executable, "-W", "ignore", "-c", _FORKING]
            # Answers are read as they come, so that it can be seen whether there is one.
            self._process = subprocess.Popen(
                command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
            )
        assert self._process.stdin is not None
        assert isinstance(self._process.stdout, io.FileIO)
        self._process.stdin.write(f"{json.dumps([script, *map(str, arguments)])}\n".encode())
        return Fork(self._process.stdout)

    def run(self, script: str, *arguments: str | Path) -> int:
        """The status with which a script ended: below zero, the signal that killed it."""
        return self.start(script, *arguments).wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None:
            self._process.communicate(timeout=60)
