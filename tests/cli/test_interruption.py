"""Ctrl-C where Python cannot raise it."""

import os
import signal
import sys
import time

import pytest

from regraft.cli import interruption


class Dropping:
    """Gets Ctrl-C while it is dropped, where exceptions are told of and forgotten."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def heard(hearing: None) -> None:
    """Also in a process that was started deaf to Ctrl-C."""


def _dropped() -> None:
    Dropping()
    time.sleep(20)


def _pressed() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(20)


def test_what_python_forgets_is_raised_again(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.unraisablehook
    with pytest.raises(KeyboardInterrupt) as raised, interruption.watched():
        _dropped()
    assert interruption.is_one(raised.value)
    assert sys.unraisablehook is before
    assert capsys.readouterr().err == ""


def test_it_is_as_one_and_the_second_ends_the_process_as_ever() -> None:
    ended: list[int] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "_exit", ended.append)
        with interruption.watched():
            with pytest.raises(KeyboardInterrupt):
                _dropped()
            assert not ended
            with pytest.raises(KeyboardInterrupt):
                _pressed()
    assert ended == [interruption.STATUS]


def test_other_mistakes_that_python_forgets_are_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def __del__(self) -> None:
            raise ValueError("in vain")

    told: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda said: told.append(str(said.exc_value)))
    with interruption.watched():
        Failing()
    assert told == ["in vain"]


def test_it_does_not_come_after_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "_AGAIN", 0.2)
    with interruption.watched():
        Dropping()
    time.sleep(0.5)
