"""Processes that end in the middle of their work, without the seconds that each would take to import frameworks.

One process imports them and computes nothing; whatever is to die is a fork of it, which is as new as one that was
started.
"""

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

# It answers each line, a script and its arguments, with the status of the fork that ran it, as `subprocess` tells it.
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
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""


class Forking:
    """A process of which others are forked, one after the other; it is started when the first is asked for."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def run(self, script: str, *arguments: str | Path) -> int:
        """The status with which a script ended: below zero, the signal that killed it."""
        if self._process is None:
            command = [sys.executable, "-W", "ignore", "-c", _FORKING]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([script, *map(str, arguments)]), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None:
            self._process.communicate(timeout=60)
