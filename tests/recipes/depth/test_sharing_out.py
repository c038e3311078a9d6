"""Several processes of one search: Ctrl-C is heard by all of them, and whoever waits for them goes on to the answer."""

import multiprocessing
import os
import signal
from types import SimpleNamespace

import pytest

from regraft.core.errors import WorkError
from regraft.recipes.depth import sharing_out
from regraft.recipes.depth.trying import Interrupted


class _Process:
    """Ends when it is waited for, with a status."""

    def __init__(self, exitcode, pressed):
        self.exitcode, self._pressed, self.waited = exitcode, pressed, False

    def start(self):
        """Begin."""

    def join(self):
        if self._pressed:
            os.kill(os.getpid(), signal.SIGINT)
        self.waited = True


def _work(monkeypatch, processes):
    waiting = iter(processes)
    context = SimpleNamespace(Process=lambda **_: next(waiting))
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: context)
    sharing_out.work(None, len(processes))


@pytest.mark.usefixtures("hearing")
@pytest.mark.parametrize("status", [0, 1])
def test_ctrl_c_ends_the_search_when_all_processes_have_ended_what_they_were_at(status, monkeypatch):
    processes = [_Process(status, True), _Process(status, False)]
    with pytest.raises(Interrupted):
        _work(monkeypatch, processes)
    assert all(process.waited for process in processes)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_that_all_failed_is_an_error(monkeypatch):
    with pytest.raises(WorkError, match="all 2 processes of the search failed"):
        _work(monkeypatch, [_Process(1, False), _Process(1, False)])
    _work(monkeypatch, [_Process(1, False), _Process(0, False)])
